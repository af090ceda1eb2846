"""The optimizers that `train.optimizer` may name, and what each takes.

A new one is a class and its row in `OPTIMIZERS`, and a function in `train/optim.py` that makes it of its config.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from .section import Fraction, Section


class Optimizer(Section):
    """Base of the optimizers' configs. adapts: whether it needs to know which weights are regularised, as LARS does."""

    adapts: ClassVar[bool] = False

    if TYPE_CHECKING:  # each has its own defaults, in an order of its own
        use: str
        lr: float
        weight_decay: float

    @property
    def moments(self) -> int:
        """Numbers that it keeps for each weight."""
        raise NotImplementedError


class Sgd(Optimizer):
    """SGD with momentum (torch.optim.SGD)."""

    use: Literal["sgd"]
    lr: PositiveFloat = 0.03
    momentum: Fraction = 0.9
    nesterov: bool = False
    weight_decay: NonNegativeFloat = 1e-4

    @property
    def moments(self) -> int:
        return int(self.momentum > 0)


class AdamW(Optimizer):
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101; torch.optim.AdamW)."""

    use: Literal["adamw"]
    lr: PositiveFloat = 1e-3
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = [0.9, 0.999]
    eps: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = 1e-4

    @property
    def moments(self) -> int:
        return 2


class Lars(Optimizer):
    """LARS (You et al. 2017, arXiv:1708.03888), with SGD's momentum; eta is the trust coefficient."""

    adapts: ClassVar[bool] = True

    use: Literal["lars"]
    lr: PositiveFloat = 0.3
    momentum: Fraction = 0.9
    eta: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 1e-6

    @property
    def moments(self) -> int:
        return int(self.momentum > 0)


OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": Sgd, "adamw": AdamW, "lars": Lars}

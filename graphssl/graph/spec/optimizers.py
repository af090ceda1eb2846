"""The optimizers that `train.optimizer` may name, and what each takes.

A new one is a class and its row in `OPTIMIZERS`, and a function in `train/optim.py` that makes it of its config.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from ...errors import suggest
from ...schedule import Schedule, Scheduled
from .section import Fraction, Section

Which = Literal["weights", "all"]  # of the parameters: `weights` leaves out biases, norms, tokens, position embeddings


class Optimizer(Section):
    """Base of the optimizers' configs.

    recordable: whether a step with it can be recorded as one CUDA graph. `decay`, a field that a config may have, says
    which parameters `weight_decay` is of.
    """

    recordable: ClassVar[bool] = True

    if TYPE_CHECKING:  # each has its own defaults, in an order of its own
        use: str
        lr: float
        weight_decay: float | Schedule[float]

    @property
    def moments(self) -> int:
        """Numbers that it keeps for each weight."""
        raise NotImplementedError

    @property
    def adapts(self) -> bool:
        """Whether it needs to know which parameters are weights, as LARS does."""
        return False


class Sgd(Optimizer):
    """SGD with momentum (torch.optim.SGD)."""

    use: Literal["sgd"]
    lr: PositiveFloat = Field(default=0.03, description="the learning rate")
    momentum: Fraction = Field(default=0.9, description="0 for none")
    nesterov: bool = Field(default=False, description="Nesterov's momentum")
    weight_decay: Scheduled[NonNegativeFloat] = Field(default=1e-4, description="a number, or a schedule")
    decay: Which = Field(
        default="weights",
        description="what `weight_decay` is of: `weights` leaves out biases, norms, tokens and position embeddings; "
        "`all` does not",
    )

    @property
    def moments(self) -> int:
        return int(self.momentum > 0)


class _Moments(Optimizer):
    """What Adam's kin has in common."""

    use: Literal["adam", "adamw"]
    lr: PositiveFloat = Field(default=1e-3, description="the learning rate")
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = Field(
        default=[0.9, 0.999], description="of the two moments"
    )
    eps: PositiveFloat = Field(default=1e-8, description="beside the root of the second moment")
    weight_decay: Scheduled[NonNegativeFloat] = Field(default=1e-4, description="a number, or a schedule")
    decay: Which = Field(
        default="weights",
        description="what `weight_decay` is of: `weights` leaves out biases, norms, tokens and position embeddings; "
        "`all` does not",
    )

    @property
    def moments(self) -> int:
        return 2


class AdamW(_Moments):
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101; torch.optim.AdamW)."""

    use: Literal["adamw"]


class Adam(_Moments):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980; torch.optim.Adam), whose weight decay is added to the gradient."""

    use: Literal["adam"]


class Lars(Optimizer):
    """LARS (You et al. 2017, arXiv:1708.03888), with SGD's momentum."""

    use: Literal["lars"]
    lr: PositiveFloat = Field(default=0.3, description="the learning rate")
    momentum: Fraction = Field(default=0.9, description="0 for none")
    eta: PositiveFloat = Field(default=1e-3, description="the trust coefficient")
    weight_decay: Scheduled[NonNegativeFloat] = Field(default=1e-6, description="a number, or a schedule")
    decay: Which = Field(
        default="weights",
        description="what `weight_decay` is of: `weights` leaves out biases, norms, tokens and position embeddings; "
        "`all` does not",
    )
    rate: Literal["outside", "inside"] = Field(
        default="outside",
        description="where the learning rate stands: outside of the momentum (BYOL's code, MoCo v3's), or inside (the "
        "paper, SimCLR's code)",
    )

    @property
    def moments(self) -> int:
        return int(self.momentum > 0)

    @property
    def adapts(self) -> bool:
        return True


class Larc(Optimizer):
    """LARC, NVIDIA apex's variant of LARS around SGD, of SwAV: every parameter is adapted, biases and norms too."""

    use: Literal["larc"]
    lr: PositiveFloat = Field(default=0.3, description="the learning rate")
    momentum: Fraction = Field(default=0.9, description="0 for none")
    eta: PositiveFloat = Field(default=1e-3, description="the trust coefficient")
    eps: PositiveFloat = Field(default=1e-8, description="beside the norms that it divides by")
    clip: bool = Field(default=False, description="the adapted rate is at most `lr`; false is plain scaling")
    weight_decay: Scheduled[NonNegativeFloat] = Field(default=1e-6, description="a number, or a schedule")
    decay: Which = Field(
        default="all",
        description="what `weight_decay` is of: `weights` leaves out biases, norms, tokens and position embeddings; "
        "`all` does not",
    )
    adapt: Which = Field(
        default="all",
        description="the parameters that are adapted; with `weights`, and `decay` so too, others are SGD's: "
        "solo-learn's LARS",
    )

    @property
    def moments(self) -> int:
        return int(self.momentum > 0)

    @property
    def adapts(self) -> bool:
        return self.adapt == "weights"


class Timm(Optimizer):
    """One of timm's optimizers, by its name; it needs the extra graphssl[timm]."""

    recordable: ClassVar[bool] = False

    use: Literal["timm"]
    name: str = Field(description="timm's: lamb, adan, lion ...")
    lr: PositiveFloat = Field(default=1e-3, description="the learning rate")
    weight_decay: Scheduled[NonNegativeFloat] = Field(default=1e-4, description="a number, or a schedule")
    decay: Which = Field(
        default="weights",
        description="what `weight_decay` is of: `weights` leaves out biases, norms, tokens and position embeddings; "
        "`all` does not",
    )
    options: dict[str, Any] = Field(default={}, description="what it takes besides, by timm's names")

    @model_validator(mode="after")
    def _timm_has_it(self) -> Timm:
        try:
            from timm.optim import list_optimizers  # type: ignore[attr-defined]
        except ImportError:
            raise ValueError("timm is not installed, which has this optimizer: pip install 'graphssl[timm]'") from None
        if self.name not in (names := [str(name) for name in list_optimizers()]):
            close = suggest(self.name, names)
            raise ValueError(f"timm has no optimizer '{self.name}'{f'; {close}' if close.near else ''}")
        if own := {"lr", "weight_decay", "params"} & set(self.options):
            raise ValueError(f"'{min(own)}' is no option of timm's here: it has a key of its own")
        try:
            self._numbers_kept()
        except Exception as error:  # whatever it does not take
            raise ValueError(f"timm's {self.name} cannot be made with these options: {error}") from None
        return self

    @property
    def moments(self) -> int:
        return self._numbers_kept()

    def _numbers_kept(self) -> int:
        """For each weight of a small matrix, after a step of it."""
        import torch
        from timm.optim import create_optimizer_v2  # type: ignore[attr-defined]

        weight = torch.nn.Parameter(torch.ones(4, 4))
        weight.grad = torch.ones(4, 4)
        groups = [{"params": [weight], "weight_decay": 0.0}]
        optimizer = create_optimizer_v2(groups, opt=self.name, lr=self.lr, **self.options)
        optimizer.step()
        kept = optimizer.state[weight].values()
        return math.ceil(sum(v.numel() for v in kept if isinstance(v, torch.Tensor) and v.ndim) / weight.numel())


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": Sgd, "adamw": AdamW, "adam": Adam, "lars": Lars, "larc": Larc, "timm": Timm,
}  # fmt: skip

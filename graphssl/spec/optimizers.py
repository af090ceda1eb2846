"""The optimizers that `train.optimizer` may name, and what each takes. This module needs no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from .section import Fraction, Section


class Sgd(Section):
    """SGD with momentum (torch.optim.SGD)."""

    use: Literal["sgd"]
    lr: PositiveFloat = 0.03
    momentum: Fraction = 0.9
    nesterov: bool = False
    weight_decay: NonNegativeFloat = 1e-4


class AdamW(Section):
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101; torch.optim.AdamW)."""

    use: Literal["adamw"]
    lr: PositiveFloat = 1e-3
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = [0.9, 0.999]
    eps: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = 1e-4


class Lars(Section):
    """LARS (You et al. 2017, arXiv:1708.03888), with SGD's momentum; eta is the trust coefficient."""

    use: Literal["lars"]
    lr: PositiveFloat = 0.3
    momentum: Fraction = 0.9
    eta: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 1e-6


Optimizer = Annotated[Sgd | AdamW | Lars, Field(discriminator="use")]

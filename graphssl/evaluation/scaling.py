"""How a linear classifier sees features: each standardised, so that one rate or penalty suits encoders of any scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Normalize", "Scaling"]

Normalize = Literal["standardize", "l2", "none"]


@dataclass(frozen=True)
class Scaling:
    """(features - centre) * scale, or to unit length."""

    centre: Annotated[Tensor, "d"]
    scale: Annotated[Tensor, "d"]
    to_unit: bool = False

    @classmethod
    def of(cls, features: Annotated[Tensor, "n d"], how: Normalize) -> Scaling:
        """standardize: mean 0 and deviation 1 of each on these samples; of a constant one 0, as it tells nothing."""
        if how != "standardize":
            return cls(torch.zeros_like(features[0]), torch.ones_like(features[0]), how == "l2")
        spread, mean = torch.std_mean(features, dim=0, correction=0)
        floor = 1e-6 * (mean.abs() + spread.amax()) + torch.finfo(features.dtype).tiny
        return cls(mean, torch.where(spread > floor, 1 / spread.clamp_min(floor), 0))

    def __call__(self, features: Annotated[Tensor, "n d"]) -> Annotated[Tensor, "n d"]:
        return functional.normalize(features, dim=1) if self.to_unit else (features - self.centre) * self.scale

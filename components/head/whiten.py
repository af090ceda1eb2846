"""Whitening: features without correlation and of variance 1, over the batch."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Scheduled, Sizes, component

from ..numeric import exact, wide

__all__ = ["Whiten"]

Share = Annotated[float, Field(ge=0, le=1)]


@component("head.whiten", traits=("spreads",))
class Whiten(nn.Module):
    """Embeddings of a batch with mean 0 and the identity as covariance: `b d` to `b d`, float32 or wider.

    W-MSE, section 3.1 (Ermolov et al. 2021, arXiv:2007.06346): x less its mean, times the inverse of the covariance's
    Cholesky factor; the gradient goes through all of it. Each view is whitened by itself, so that a constant is no way
    to make views agree. The covariance is unbiased. As in the authors' code it may be mixed with the identity
    (`shrinkage`), which a part of the batch with no more samples than features needs.

    With `size` the batch is whitened in parts of so many samples: W-MSE's sub-batches, of 128 for 64 features, which
    are drawn anew in each step, as the batch is. A batch that is smaller is one part. In eval mode it is the same, over
    the batch that is judged.

    Raises ValueError where the parts do not go into the batch, and where a part has too few samples.
    """

    class Config(NodeConfig):
        size: PositiveInt | None = Field(None, description="samples that are whitened together; null: the batch")
        shrinkage: Scheduled[Share] = Field(0.0, description="share of the identity in the covariance")

    shrinkage: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.size = config.size
        self.shrinks = config.shrinkage != 0

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b d"]:
        b, d = x.shape
        size = min(b, self.size or b)
        self._check(b, d, size)
        with exact(x):
            parts = wide(x).unflatten(0, (b // size, size))
            parts = parts - parts.mean(1, keepdim=True)
            covariance = parts.mT @ parts / (size - 1)
            if self.shrinks:
                identity = torch.eye(d, dtype=parts.dtype, device=x.device)
                covariance = (1 - self.shrinkage) * covariance + self.shrinkage * identity
            # Not checked, which would wait for the device: what is not positive definite gives numbers that are none.
            factor, _ = torch.linalg.cholesky_ex(covariance)
            white: Tensor = torch.linalg.solve_triangular(factor.mT, parts, upper=True, left=False)
            return white.flatten(0, 1)

    def _check(self, b: int, d: int, size: int) -> None:
        if b % size:
            raise ValueError(f"a batch of {b} cannot be whitened in parts of {size}: take a size that divides it")
        if size < 2 or (size <= d and not self.shrinks):
            raise ValueError(
                f"{size} samples cannot be whitened in {d} features: take more samples than features, smaller "
                "embeddings, or a shrinkage above 0"
            )

"""The nuclear norm of a batch: large where samples spread over many directions, evenly."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..numeric import exact, wide
from .redundancy import check_batch

__all__ = ["NuclearNorm"]

# Each takes a small singular value to 1.5 times of what it was: those of 1e-4 of the largest are then next to 1.
ITERATIONS = 30


@component("objective.nuclear_norm")
class NuclearNorm(nn.Module):
    """Minus the sum of the singular values of a batch, `b d`.

    MMCR, equation 5 (Yerxa et al. 2023, arXiv:2303.03307), whose x are the means of each image's views, taken on the
    unit sphere: `capacity(mean(normalize(z)))`. Such a mean is the shorter the less its views agree, so that the term
    attracts views too. Between minus the root of min(b, d) b, for means of length 1, and 0.

    The norm is that of x with the nearest orthogonal matrix, which is its gradient also. That comes from 30 steps of
    Newton's and Schulz's iteration, matrix products alone: a singular value decomposition would wait for the device.
    Singular values below 1e-5 of the largest count for less than they are, and have a smaller gradient. x: `b d`,
    taken as it is; float32 inside.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, ""]:
        check_batch(x, "the nuclear norm")
        with exact(x):
            x = wide(x)
            return -(_orthogonal(x.detach()) * x).sum()


def _orthogonal(x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b d"]:
    """The nearest matrix with orthonormal columns, or rows where there are more columns: U V^T of U S V^T."""
    if len(x) < x.shape[1]:
        return _orthogonal(x.T).T
    x = x / torch.linalg.vector_norm(x).clamp(min=torch.finfo(x.dtype).tiny)
    for _ in range(ITERATIONS):
        x = 1.5 * x - 0.5 * x @ (x.T @ x)
    return x

"""What features have in common with each other: what the losses on correlations and covariances share."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

__all__ = ["check_batch", "off_diagonal"]


def off_diagonal(x: Annotated[Tensor, "... b d"], y: Annotated[Tensor, "... b d"]) -> Annotated[Tensor, ""]:
    """The sum of (x^T y)_ij^2 over i != j, and over what there are of such matrices.

    Of the matrices `d d` and `b b` it makes the smaller: the squares of x^T y add up to the sum of the products of
    x x^T and y y^T, from which those of the diagonal are taken. With d >= 2 b that difference keeps its digits, since
    d features that b samples span cannot all be uncorrelated.
    """
    b, d = x.shape[-2:]
    if d >= 2 * b:
        return ((x @ x.mT) * (y @ y.mT)).sum() - (x * y).sum(-2).square().sum()
    product = x.mT @ y
    # Without the last number, rows of d + 1 have the diagonal in their first column.
    others: Tensor = product.flatten(-2)[..., :-1].unflatten(-1, (d - 1, d + 1))[..., 1:]
    return others.square().sum()


def check_batch(x: Tensor, name: str) -> None:
    """Raises ValueError for a batch of one."""
    if len(x) < 2:
        raise ValueError(f"{name} is about the spread of features over a batch, and a batch of one has none")

"""Numbers of features that need no labels: of their spectrum, and of where they lie on the sphere."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "PowerLaw", "alignment", "fit_power_law", "lidar", "participation_ratio", "rankme", "singular_values", "uniformity",
]  # fmt: skip

EPSILON = 1e-7  # of the shares in RankMe and LiDAR
PIECE = 2**22  # numbers in float64 held at once
NOTHING = 1e-12  # eigenvalues below this share of the largest are rounding


def singular_values(features: Annotated[Tensor, "n d"], centred: bool = False) -> Annotated[Tensor, "r"]:
    """In falling order, as many as there are samples or features, whichever are fewer; of a matrix of their products,
    so that those below about 1e-8 of the largest are rounding. centred: the mean is taken off first."""
    n, d = features.shape
    mean = sum(part.sum(0) for part in _pieces(features, d)) / n if centred else torch.zeros(d, dtype=torch.float64)
    mean = torch.as_tensor(mean, device=features.device)
    if d <= n:
        products = torch.zeros(d, d, dtype=torch.float64, device=features.device)
        for part in _pieces(features, d):
            part = part - mean
            products += part.T @ part
    else:
        whole = features.double() - mean
        products = whole @ whole.T
    squares: Tensor = torch.linalg.eigvalsh(products)
    return squares.clamp_min(0).flip(0).sqrt()


def rankme(singular: Annotated[Tensor, "r"]) -> float:
    """exp(-sum p log p), p = s / sum(s) + 1e-7, of the singular values s of features that are not centred (Garrido et
    al. 2023, arXiv:2210.02885, equation 1): how many directions the features fill."""
    return _effective_rank(singular)


def _effective_rank(values: Tensor) -> float:
    shares = values / values.sum().clamp_min(torch.finfo(values.dtype).tiny) + EPSILON
    return float((-(shares * shares.log()).sum()).exp())


def lidar(views: Annotated[Tensor, "n q d"], delta: float = 1e-4) -> float:
    """The effective rank, as RankMe has it, of the eigenvalues of W^-1/2 B W^-1/2 (Thilak et al. 2024,
    arXiv:2312.04000, equations 1 to 4): each picture is a class, its q views the samples of it.

    B is the covariance of the means of the classes, W the mean over them of the covariance in each, + delta I; both
    unbiased. n and q are at least 2.
    """
    n, q, d = views.shape
    means = views.double().mean(1)
    between = means - means.mean(0)
    within = torch.zeros(d, d, dtype=torch.float64, device=views.device)
    for part, mean in zip(_pieces(views, q * d), means.split(max(PIECE // (q * d), 1)), strict=True):
        rest = (part - mean[:, None]).flatten(0, 1)
        within += rest.T @ rest
    within = within / (n * (q - 1)) + delta * torch.eye(d, dtype=torch.float64, device=views.device)
    # Of W = L L^T, L^-1 B L^-T has the same eigenvalues.
    whitened = torch.linalg.solve_triangular(torch.linalg.cholesky(within), between.T, upper=False) / math.sqrt(n - 1)
    return _effective_rank(torch.linalg.eigvalsh(whitened @ whitened.T).clamp_min(0))


class PowerLaw(NamedTuple):
    """alpha: of eigenvalue j ~ j^-alpha. fit: the share of the variance of their logarithms that it explains. first,
    last: the eigenvalues that it was fitted to, counted from 1."""

    alpha: float
    fit: float
    first: int
    last: int


def fit_power_law(eigenvalues: Annotated[Tensor, "r"], first: int, last: int) -> PowerLaw | None:
    """alpha-ReQ (Agrawal et al. 2022): the slope of log eigenvalue over -log j, for j from `first` to `last`
    or to the last one that is not zero, by least squares with weights 1 / j, as in the authors' code and in Stringer
    et al. 2019. None where these are fewer than three."""
    known = int((eigenvalues > NOTHING * eigenvalues[:1]).sum())
    rank = np.arange(first, min(last, known) + 1)
    if len(rank) < 3:
        return None
    x, y = -np.log(rank), eigenvalues[torch.from_numpy(rank - 1).to(eigenvalues.device)].log().cpu().numpy()
    weight = (1 / rank) / (1 / rank).sum()
    dx, dy = x - (weight * x).sum(), y - (weight * y).sum()
    alpha = (weight * dx * dy).sum() / (weight * dx * dx).sum()
    total = (weight * dy * dy).sum()
    explained = 1 - (weight * (dy - alpha * dx) ** 2).sum() / total if total > 0 else 1.0
    return PowerLaw(float(alpha), float(explained), first, int(rank[-1]))


def participation_ratio(eigenvalues: Annotated[Tensor, "r"]) -> float:
    """(sum of eigenvalues)^2 / sum of their squares, of the covariance: 1 where one direction has all of the variance,
    d where all d have the same. Of features that are all equal, 1."""
    squares = eigenvalues.square().sum()
    return float(eigenvalues.sum() ** 2 / squares) if squares > 0 else 1.0


def alignment(views: Annotated[Tensor, "n q d"]) -> float:
    """The mean of |x - y|^2 over all pairs of views of one picture, l2-normalised, and over pictures (Wang & Isola
    2020, arXiv:2005.10242, section 4.1, with their alpha of 2)."""
    n, q, d = views.shape
    total = torch.zeros((), dtype=torch.float64, device=views.device)
    for part in _pieces(views, q * d):
        unit = functional.normalize(part, dim=2)
        # Over all ordered pairs |x - y|^2 adds up to 2 q sum |x|^2 - 2 |sum x|^2.
        total += q * unit.square().sum() - unit.sum(1).square().sum()
    return float(2 * total / (n * q * (q - 1)))


def uniformity(features: Annotated[Tensor, "n d"], t: float = 2.0) -> float:
    """log of the mean of exp(-t |x - y|^2) over all pairs of l2-normalised features (Wang & Isola 2020, section 4.1).

    t: 2 is theirs. 0 where all are equal; about -2 t where they are spread evenly in many dimensions.
    """
    n = len(features)
    unit = functional.normalize(features.float(), dim=1)
    total = torch.zeros((), dtype=torch.float64, device=features.device)
    size = max(PIECE // n, 1)
    for first, part in zip(range(0, n, size), unit.split(size), strict=True):
        each = (part @ unit[first:].T).clamp_(-1, 1).sub_(1).mul_(2 * t).exp_()
        own, others = each[:, : len(part)], each[:, len(part) :]  # among themselves, and with those that follow
        total += own.triu(1).sum(dtype=torch.float64) + others.sum(dtype=torch.float64)
    return math.log(max(2 * float(total), 5e-324) / (n * (n - 1)))


def _pieces(rows: Tensor, each: int) -> Iterator[Tensor]:
    """Some rows at a time, in float64. each: how many numbers a row has."""
    return (part.double() for part in rows.split(max(PIECE // each, 1)))

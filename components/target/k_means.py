"""Spherical k-means over the entries of a bank, a piece of them at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from ..numeric import wide

__all__ = ["assign", "chosen", "spherical_k_means"]

PIECE = 2**24  # bytes of cosines that are computed at once


def chosen(count: int, samples: int) -> Annotated[Tensor, "p"]:
    """The random samples whose entries are the first centroids. Raises ValueError where there are too few."""
    if samples < count:
        raise ValueError(f"count is {count:,}, and there are {samples:,} samples to start from")
    return torch.randperm(samples)[:count]


def spherical_k_means(
    keys: Annotated[Tensor, "n d"], first: Annotated[Tensor, "p"], iterations: int
) -> Annotated[Tensor, "p d"]:
    """The centroids, of length one: from the entries `first`, so many times the directions of the means of theirs.

    Each entry is of the centroid with the largest cosine; one that has no entries stays.
    """
    centroids = functional.normalize(wide(keys[first]), dim=1)
    for _ in range(iterations):
        sums, counts, *_ = assign(keys, centroids)
        centroids = torch.where(counts[:, None] > 0, functional.normalize(sums, dim=1), centroids)
    return centroids


def assign(
    keys: Annotated[Tensor, "n d"], centroids: Annotated[Tensor, "p d"]
) -> tuple[Annotated[Tensor, "p d"], Annotated[Tensor, "p"], Annotated[Tensor, "p"], Annotated[Tensor, "n"]]:
    """Of each cluster the sum of its entries, their number, and the sum of their distances; the cluster of each entry.

    As products of matrices, whose sums have an order on every device.
    """
    sums, (counts, distances) = torch.zeros_like(centroids), centroids.new_zeros(2, len(centroids))
    assigned = []
    for entries, nearest, cosine in _pieces(keys, centroids):
        mine = functional.one_hot(nearest, len(centroids)).to(centroids.dtype)
        sums = sums + mine.T @ entries
        counts = counts + mine.sum(0)
        distances = distances + mine.T @ (2 - 2 * cosine).clamp_min(0).sqrt()
        assigned.append(nearest)
    return sums, counts, distances, torch.cat(assigned)


def _pieces(
    keys: Annotated[Tensor, "n d"], centroids: Annotated[Tensor, "p d"]
) -> Iterator[tuple[Annotated[Tensor, "m d"], Annotated[Tensor, "m"], Annotated[Tensor, "m"]]]:
    """Some entries at a time, the centroid that is nearest to each, and its cosine. Shapes alone are found at once."""
    size = len(keys) if keys.is_meta else max(1, PIECE // (len(centroids) * centroids.element_size()))
    for entries in keys.split(size):
        entries = functional.normalize(entries.to(centroids.dtype), dim=1)
        cosine, nearest = (entries @ centroids.T).max(1)
        yield entries, nearest, cosine

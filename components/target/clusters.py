"""Clusters of a memory bank's entries, found anew at the end of each epoch."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, NodeRef, Sizes, component, update
from graphssl.ports import NO_GRADIENT

from ..negatives import bank_of
from ..negatives.base import random_directions
from ..numeric import exact, unit, wide
from .k_means import assign, chosen, spherical_k_means

__all__ = ["Clustered", "Clusters"]

SMOOTH = 10.0  # alpha in PCL, equation 12
LEAST = 1e-3  # of the mean: clusters of entries that are all the same divide by no less
ENDS = 0.1, 0.9  # quantiles beyond which concentrations are cut off, in PCL's code


class Clustered(NamedTuple):
    """scores: of an embedding with all clusters. code: which one its sample is in."""

    scores: Annotated[Tensor, "b p"]
    code: Annotated[Tensor, "b p", NO_GRADIENT]


@component("target.clusters", traits=("rows", "shares", "fits"))
class Clusters(nn.Module):
    """Spherical k-means over a bank: an embedding's cosines with all centroids, and the cluster of its sample.

    `z`, `b d`, and `index`, `b`, to `.scores` and `.code`, `b p`, for `objective.cross_entropy`. The code is 1 at the
    sample's cluster, and 0 everywhere, so that it costs nothing, until the first epoch has ended, which fills the bank;
    it has no gradient. `fit`, for the end of an epoch (`{call: fit(), every: epoch}`), assigns all entries of the bank
    to the nearest of `count` centroids, makes these the directions of the means of theirs, `iterations` times, and
    assigns once more: DeepCluster-v2 (Caron et al. 2020, arXiv:2006.09882, appendix D, and its code). It starts from
    the entries of `count` random samples, always the same; a centroid without entries stays. Nothing learns
    `centroids`, `p d`.

    With `concentration` the scores are divided by each cluster's phi, so that the objective's temperature is 1: its
    entries' mean distance over log(entries + 10), cut off at the tenth and the last tenth and scaled to this mean
    (Li et al. 2021, arXiv:2005.04966, equation 12, and PCL's code).

    Of several processes each does the same. Raises ValueError for fewer samples than clusters, and where `of` is not a
    memory bank.
    """

    class Config(NodeConfig):
        of: NodeRef = Field(description="the memory bank")
        count: int = Field(3000, ge=2, description="p, the number of clusters: DeepCluster-v2 3000")
        iterations: PositiveInt = Field(10, le=1000, description="of k-means")
        concentration: PositiveFloat | None = Field(
            None, description="mean of what divides the scores, each cluster's by how dense it is (PCL: 0.2); null: 1"
        )

    centroids: Tensor
    phi: Tensor
    cluster: Tensor
    first: Tensor

    def __init__(self, config: Config, sizes: Sizes, of: nn.Module) -> None:
        super().__init__()
        self._bank = (bank_of(of, config.of),)  # a module in a tuple is no child: its state is its own
        self.count, self.iterations, self.concentration = config.count, config.iterations, config.concentration
        self.register_buffer("centroids", random_directions(config.count, sizes["d"]))
        self.register_buffer("phi", torch.full((config.count,), config.concentration or 1.0))
        self.register_buffer("cluster", torch.full((sizes.samples,), -1))
        self.register_buffer("first", chosen(config.count, sizes.samples))

    def forward(self, z: Annotated[Tensor, "b d"], index: Annotated[Tensor, "b"]) -> Clustered:
        with exact(z):
            z = unit(wide(z))
            scores = z @ self.centroids.to(z.dtype).T
            if self.concentration is not None:
                scores = scores / self.phi.to(z.dtype)
        code = self.cluster[index][:, None] == torch.arange(self.count, device=z.device)
        return Clustered(scores, code.to(scores.dtype))

    @update
    def fit(self) -> None:
        """k-means over what the bank holds."""
        keys = self._bank[0].whole()
        with exact(keys):
            centroids = spherical_k_means(keys, self.first, self.iterations)
            _, counts, distances, assigned = assign(keys, centroids)
            self.cluster.copy_(assigned)
            self.centroids.copy_(centroids)
            if self.concentration is not None:
                self.phi.copy_(_concentrations(distances, counts, self.concentration))


def _concentrations(
    distances: Annotated[Tensor, "p"], counts: Annotated[Tensor, "p"], mean: float
) -> Annotated[Tensor, "p"]:
    """Of each cluster; one of no more than one entry counts as the least dense of the others.

    All alike where none has several entries that differ, as of a bank that has collapsed.
    """
    phi = distances / counts.clamp_min(1) / torch.log(counts + SMOOTH)
    several = counts > 1
    phi = torch.where(several, phi, phi.masked_fill(~several, 0).max())
    low, high = (torch.quantile(phi, end) for end in ENDS)
    phi = phi.clamp(low, high)
    phi = torch.where(phi.mean() > 0, phi, torch.ones_like(phi))
    return mean * (phi / phi.mean()).clamp_min(LEAST)

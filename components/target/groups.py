"""Groups of embeddings that move with those that come."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, NodeRef, Scheduled, Sizes, component, update

from ..negatives import bank_of
from ..negatives.base import random_directions
from ..numeric import Momentum, exact, unit, wide
from .k_means import chosen, spherical_k_means

__all__ = ["Assigned", "Groups"]


@component("target.groups", traits=("fits",))
class Groups(nn.Module):
    """Groups that move within the step, with a gradient: an embedding's cosines with all of them.

    `z` and `moving`, `b d` each, to `b p`, logits for `objective.cross_entropy`, whose target `target.assigned` tells:
    Synchronous Momentum Grouping (Pang et al. 2022, arXiv:2207.06167, section 3.2). A group that is the nearest to some
    of `moving` is first moved to momentum * group + (1 - momentum) * their mean, its length 1 again; the cosines are
    with groups that are moved so, and their gradient goes into `moving` too. `move`, for the end of each step, keeps
    what was moved. All samples of a batch move them: of several processes, those of all.

    `fit`, for the end of an epoch (`{call: fit(), every: epoch}`), makes them the centroids of spherical k-means over a
    memory bank, as `target.clusters` does, which keeps groups from dying out (section 3.3). Nothing else learns
    `groups`, `p d`.

    Raises ValueError for fewer samples than groups, and where `of` is not a memory bank.
    """

    class Config(NodeConfig):
        of: NodeRef = Field(description="the memory bank")
        count: int = Field(3000, ge=2, description="p, the number of groups: SMoG 3000")
        momentum: Scheduled[Momentum] = Field(0.99, description="what a group keeps of itself: SMoG 0.99")
        iterations: PositiveInt = Field(10, le=1000, description="of k-means")

    momentum: float | Tensor
    groups: Tensor
    first: Tensor

    def __init__(self, config: Config, sizes: Sizes, of: nn.Module) -> None:
        super().__init__()
        self._bank = (bank_of(of, config.of),)  # a module in a tuple is no child: its state is its own
        self.iterations = config.iterations
        self.register_buffer("groups", random_directions(config.count, sizes["d"]))
        self.register_buffer("first", chosen(config.count, sizes.samples))

    def forward(self, z: Annotated[Tensor, "b d"], moving: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b p"]:
        with exact(z):
            z = unit(wide(z))
            return z @ self._moved(moving).to(z.dtype).T

    @update
    def move(self, moving: Annotated[Tensor, "b d"]) -> None:
        """Each group that is nearest to some of these, towards their mean."""
        with exact(moving):
            self.groups.copy_(self._moved(moving))

    @update
    def fit(self) -> None:
        """k-means over what the bank holds."""
        keys = self._bank[0].whole()
        with exact(keys):
            self.groups.copy_(spherical_k_means(keys, self.first, self.iterations))

    def nearest(self, z: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b p"]:
        """The group of each embedding as a row with a one; no gradient."""
        z = unit(wide(z.detach()))
        group = (z @ self.groups.to(z.dtype).T).argmax(1)
        return (group[:, None] == torch.arange(len(self.groups), device=z.device)).to(z.dtype)

    def _moved(self, z: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "p d"]:
        mine, z, groups = self.nearest(z), unit(wide(z)), self.groups
        count, groups = mine.sum(0)[:, None], groups.to(z.dtype)
        moved = self.momentum * groups + (1 - self.momentum) * (mine.T @ z) / count.clamp_min(1)
        return torch.where(count > 0, unit(moved), groups)


@component("target.assigned", detached=True, traits=("rows", "shares"))
class Assigned(nn.Module):
    """The group that an embedding is nearest to, as the step finds the groups: `b d` to `b p`, a one in each row.

    SMoG's target (Pang et al. 2022, arXiv:2207.06167, section 3.2), for embeddings of a momentum encoder. Raises
    ValueError where `of` is not a node of target.groups.
    """

    class Config(NodeConfig):
        of: NodeRef = Field(description="the groups, a node of target.groups")

    def __init__(self, config: Config, sizes: Sizes, of: nn.Module) -> None:
        super().__init__()
        if not isinstance(of, Groups):
            raise ValueError(f"'{config.of}' has no groups: name a node of target.groups")
        self._groups = (of,)  # a module in a tuple is no child: its state is its own

    def forward(self, z: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b p"]:
        with exact(z):
            return self._groups[0].nearest(z)

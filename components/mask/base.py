"""What masks share: what they give, and places in the order of chance."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn

from ..tokens import Grid, grid_of

__all__ = ["Masked", "check_grid", "grid_to_mask", "masked", "some_of"]


class Masked(NamedTuple):
    """Of each picture's t patches, row by row, which are kept and which are hidden.

    kept: `b s`, numbers of those kept, ascending. hidden: `b m`, numbers of those hidden, ascending; where a picture
    has fewer of them than m, its last one again. valid: `b m`, False at such. mask: `b t`, True where one is hidden.
    """

    kept: Annotated[Tensor, "b s"]
    hidden: Annotated[Tensor, "b m"]
    valid: Annotated[Tensor, "b m"]
    mask: Annotated[Tensor, "b t"]


def grid_to_mask(encoder: nn.Module, name: str) -> Grid:
    """The grid of the encoder that a mask is for. Raises ValueError where that has none, or one of a single patch."""
    grid, _ = grid_of(encoder, name)
    if grid[0] * grid[1] < 2:
        raise ValueError(f"'{name}' sees one patch a picture: kept or hidden, there is nothing to tell it from")
    return grid


def check_grid(image: Annotated[Tensor, "b c h w"], grid: Grid, patch: int) -> None:
    """Raises ValueError where an image has another grid than the mask."""
    rows, columns = image.shape[2] // patch, image.shape[3] // patch
    if (rows, columns) != grid:
        raise ValueError(f"the mask is of {grid[0]} x {grid[1]} patches, and these images have {rows} x {columns}")


def masked(mask: Annotated[Tensor, "b t"], most: int, chance: Annotated[Tensor, "b t"]) -> Masked:
    """What a mask means that hides at most so many patches. chance: uniform numbers, by which t - most are kept."""
    t = mask.shape[1]
    kept = some_of(~mask, t - most, chance)
    place = torch.arange(t, device=mask.device)
    hidden = torch.where(mask, place, place + t).sort(1).values[:, :most] % t
    valid = torch.arange(most, device=mask.device) < mask.sum(1, keepdim=True)
    last = torch.where(mask, place, -1).amax(1, keepdim=True).clamp(min=0)
    return Masked(kept, torch.where(valid, hidden, last), valid, mask)


def some_of(those: Annotated[Tensor, "b t"], count: int, chance: Annotated[Tensor, "b t"]) -> Annotated[Tensor, "b s"]:
    """So many of the places where it is True, by chance, ascending; some twice where there are fewer."""
    order = (chance + ~those).argsort(1)  # those first, in the order of chance
    number = torch.arange(count, device=those.device)
    return order.gather(1, number % those.sum(1, keepdim=True).clamp(min=1)).sort(1).values

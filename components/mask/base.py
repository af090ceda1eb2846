"""What masks share: what they give, and places in the order of chance."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn

from ..tokens import Grid, grid_of

__all__ = ["Masked", "check_grid", "grid_to_mask", "masked", "numbers_of", "some_of"]


class Masked(NamedTuple):
    """Of each picture's t patches, row by row, which are kept and which are hidden.

    kept: `b s`, numbers of those kept, ascending. hidden: `b m`, numbers of those hidden, ascending; where a picture
    has fewer of them than m, its last one again. valid: `b m`, False at such. mask: `b t`, True where one is hidden.
    """

    kept: Annotated[Tensor, "b s"]
    hidden: Annotated[Tensor, "b m"]
    valid: Annotated[Tensor, "b m"]
    mask: Annotated[Tensor, "b t"]


def grid_to_mask(encoder: nn.Module, name: str) -> tuple[Grid, int]:
    """What `grid_of` says of the encoder that a mask is for. Raises ValueError for a grid of a single patch too."""
    grid, patch = grid_of(encoder, name)
    if grid[0] * grid[1] < 2:
        raise ValueError(f"'{name}' sees one patch a picture: kept or hidden, there is nothing to tell it from")
    return grid, patch


def check_grid(image: Annotated[Tensor, "b c h w"], grid: Grid, patch: int) -> None:
    """Raises ValueError where an image has another grid than the mask."""
    rows, columns = image.shape[2] // patch, image.shape[3] // patch
    if (rows, columns) != grid:
        raise ValueError(f"the mask is of {grid[0]} x {grid[1]} patches, and these images have {rows} x {columns}")


def masked(mask: Annotated[Tensor, "b t"], most: int, chance: Annotated[Tensor, "b t"] | None = None) -> Masked:
    """What a mask means that hides at most so many patches.

    chance: uniform numbers, by which t - most are kept; None where just so many are hidden.
    """
    shown = mask.shape[1] - most
    kept = numbers_of(~mask, shown)[0] if chance is None else some_of(~mask, shown, chance)
    hidden, valid = numbers_of(mask, most)
    return Masked(kept, hidden, valid, mask)


def numbers_of(those: Annotated[Tensor, "... t"], most: int) -> tuple[Annotated[Tensor, "... m"], Tensor]:
    """The numbers of the places where it is True, ascending, and whether each is one: the last is repeated."""
    place = torch.arange(those.shape[-1], device=those.device)
    found = torch.where(those, place, place + len(place)).sort(-1).values[..., :most] % len(place)
    valid = place[:most] < those.sum(-1, keepdim=True)
    last = torch.where(those, place, -1).amax(-1, keepdim=True).clamp(min=0)
    return torch.where(valid, found, last), valid


def some_of(those: Annotated[Tensor, "b t"], count: int, chance: Annotated[Tensor, "b t"]) -> Annotated[Tensor, "b s"]:
    """So many of the places where it is True, by chance, ascending; some twice where there are fewer."""
    order = (chance + ~those).argsort(1)  # those first, in the order of chance
    number = torch.arange(count, device=those.device)
    return order.gather(1, number % those.sum(1, keepdim=True).clamp(min=1)).sort(1).values

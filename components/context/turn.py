"""A grid turned so that a direction is downwards, and back."""

from __future__ import annotations

from typing import Annotated, Literal

from torch import Tensor

__all__ = ["Toward", "turned", "turned_back"]

Toward = Literal["down", "up", "right", "left"]
Grid = Annotated[Tensor, "b r k d"]


def turned(x: Grid, toward: Toward) -> Grid:
    """The grid in which what lies that way lies below; to the right and left its columns are rows."""
    if toward in ("up", "left"):
        x = x.flip(1 if toward == "up" else 2)
    return x.transpose(1, 2) if toward in ("right", "left") else x


def turned_back(x: Grid, toward: Toward) -> Grid:
    """What `turned` makes the same grid again."""
    if toward in ("right", "left"):
        x = x.transpose(1, 2)
    return x.flip(1 if toward == "up" else 2) if toward in ("up", "left") else x

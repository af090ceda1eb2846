"""What nodes of tokens share: the grid of an encoder that another node names, and tokens by their places."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

__all__ = ["Grid", "check_flags", "check_numbers", "grid_of", "rows_at"]

Grid = tuple[int, int]  # rows and columns of patches


def grid_of(encoder: nn.Module, name: str) -> tuple[Grid, int]:
    """The grid of an encoder of patches, and their height and width in px. Raises ValueError where it is none."""
    grid, patch = getattr(encoder, "grid", None), getattr(encoder, "patch_size", None)
    if not isinstance(grid, tuple) or not isinstance(patch, int):
        raise ValueError(f"'{name}' has no grid of patches: `of` names an encoder of tokens, such as encoder.vit")
    return grid, patch


def check_numbers(index: Tensor, port: str) -> None:
    """Raises ValueError where these are no numbers of patches."""
    if index.dtype == torch.bool or index.is_floating_point():
        what = "say yes or no of each" if index.dtype == torch.bool else "are other numbers"
        raise ValueError(f"'{port}' takes numbers of patches, as a mask's .kept and .hidden, and these {what}")


def check_flags(flags: Tensor, port: str) -> None:
    """Raises ValueError where these do not say yes or no."""
    if flags.dtype != torch.bool:
        what = "are other numbers" if flags.is_floating_point() else "are numbers of patches"
        raise ValueError(f"'{port}' takes yes or no of each patch, as a mask's .mask and .valid, and these {what}")


def rows_at(tokens: Annotated[Tensor, "b t d"], index: Annotated[Tensor, "b s"]) -> Annotated[Tensor, "b s d"]:
    """The tokens at these places of each sample."""
    return tokens.gather(1, index[:, :, None].expand(-1, -1, tokens.shape[2]))

"""Augmented views as one picture: a row for each sample, a column for each view."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

SIDE = 96  # pixels that the larger side of a view has at least, after enlarging
GAP = 4  # between pictures, before it grows with them
PAPER = 255


def views_grid(views: Annotated[tuple[Tensor, ...], "b c h w"], mean: Sequence[float], std: Sequence[float]) -> bytes:
    """A PNG of normalised views: sample i of view j in row i, column j.

    Views may differ in size: a smaller one stands in the middle of its place, at the same scale as the others. Small
    images are enlarged by a whole number, each pixel to a square. mean, std: per channel, with which the views were
    normalised; a view with another number of channels is shown in grey, its channels averaged, from its least to its
    greatest value. Values outside of 0 to 1 are clamped. Raises ValueError when there is nothing to show.
    """
    from PIL import Image

    if not views or not all(len(v) for v in views):
        raise ValueError("there are no views to show")
    pictures = [_pixels(v, mean, std) for v in views]
    height, width = max(p.shape[1] for p in pictures), max(p.shape[2] for p in pictures)
    rows = min(len(p) for p in pictures)
    paper = torch.full((rows * (height + GAP) + GAP, len(pictures) * (width + GAP) + GAP, 3), PAPER, dtype=torch.uint8)
    for j, picture in enumerate(pictures):
        h, w = picture.shape[1:3]
        x = GAP + j * (width + GAP) + (width - w) // 2
        for i in range(rows):
            y = GAP + i * (height + GAP) + (height - h) // 2
            paper[y : y + h, x : x + w] = picture[i]
    scale = -(-SIDE // max(height, width))
    paper = paper.repeat_interleave(scale, 0).repeat_interleave(scale, 1)
    buffer = io.BytesIO()
    Image.fromarray(paper.numpy()).save(buffer, "PNG")
    return buffer.getvalue()


def _pixels(
    view: Annotated[Tensor, "b c h w"], mean: Sequence[float], std: Sequence[float]
) -> Annotated[Tensor, "b h w 3"]:
    """The view as uint8 RGB, without the normalisation."""
    view = view.detach().float().cpu()
    if view.shape[1] == len(mean):
        view = view * torch.tensor(std).view(-1, 1, 1) + torch.tensor(mean).view(-1, 1, 1)
    else:
        view = view.mean(1, keepdim=True)
        low, high = view.amin(), view.amax()
        view = (view - low) / (high - low).clamp(min=1e-12)
    view = view if view.shape[1] == 3 else view.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    return (view.nan_to_num().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)

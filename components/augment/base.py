"""A node that makes random views: numbers are drawn outside of the compiled step, views rendered inside of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import Sizes

from .crop import Box
from .view import COLUMNS, Parameters, View, parameters, render

__all__ = ["Augmentation", "size_text"]

PIXELS = 2**17  # of a chunk on a CPU: what fits its cache


class Augmentation(nn.Module):
    """Renders views of uint8 images, `b 3 h w`. Neighbouring views with the same settings are made together."""

    def __init__(self, views: Sequence[View], sizes: Sizes) -> None:
        super().__init__()
        self.image = (sizes["h"], sizes["w"])
        self.groups = [(view, len(list(same))) for view, same in itertools.groupby(views)]

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> tuple[Parameters, ...]:
        """What is random: for each group of views, the parameters of its images, view after view."""
        counts = [count for _, count in self.groups]
        uniform = torch.rand((sum(counts), b, COLUMNS), generator=generator, device=device)
        parts = zip(self.groups, uniform.split(counts), strict=True)
        return tuple(parameters(part.flatten(0, 1), view, self.image) for (view, _), part in parts)

    def render(
        self, image: Annotated[Tensor, "b 3 h w"], draws: tuple[Parameters, ...]
    ) -> Annotated[tuple[Tensor, ...], "b 3 y x"]:
        """The views, in float32 under autocast too: half precision has too few digits for colours."""
        if image.dtype != torch.uint8:
            raise ValueError("it takes the pixels of batch.image, uint8, and these were made into floats already")
        if tuple(image.shape[2:]) != self.image:
            raise ValueError(
                f"the images are {size_text(image.shape[2:])}, and were to be {size_text(self.image)} pixels"
            )
        made: list[Tensor] = []
        kind = "cpu" if image.is_meta else image.device.type  # autocast does not know meta
        with torch.autocast(kind, enabled=False):
            for (view, count), drawn in zip(self.groups, draws, strict=True):
                made.extend(_render(image.repeat(count, 1, 1, 1), drawn, view).chunk(count))
        return tuple(made)


def _render(image: Tensor, drawn: Parameters, view: View) -> Tensor:
    """`render`, on a CPU a few images at a time; compiled, the loops over the pixels are joined instead."""
    rows = max(1, PIXELS // max(image.shape[2] * image.shape[3], view.size**2))
    if image.device.type != "cpu" or torch.compiler.is_compiling() or len(image) <= rows:
        return render(image, drawn, view)
    parts = zip(image.split(rows), _split(drawn, rows), strict=True)
    return torch.cat([render(some, its, view) for some, its in parts])


def _split(drawn: Parameters, rows: int) -> Iterator[Parameters]:
    boxes = zip(*(entry.split(rows) for entry in drawn.box), strict=True)
    others = zip(*(entry.split(rows) for entry in drawn[1:]), strict=True)
    return (Parameters(Box(*box), *rest) for box, rest in zip(boxes, others, strict=True))


def size_text(size: Sequence[int]) -> str:
    """Height and width as words."""
    return f"{size[0]} x {size[1]}"

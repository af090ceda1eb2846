"""A node that makes random views: numbers are drawn outside of the compiled step, views rendered inside of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import Sizes

from ..numeric import exact
from . import blocks
from .view import COLUMNS, Parameters, View, parameters, render

__all__ = ["Augmentation", "size_text"]

SMALL = 2**12  # pixels up to which a CPU, compiled, renders whole batches faster than blocks


class Augmentation(nn.Module):
    """Renders views of uint8 images, `b 3 h w`. Neighbouring views with the same settings are made together."""

    def __init__(self, views: Sequence[View], sizes: Sizes) -> None:
        super().__init__()
        self.image = (sizes["h"], sizes["w"])
        self.groups = [(view, len(list(same))) for view, same in itertools.groupby(views)]
        self.settings = [blocks.settings(view) for view, _ in self.groups]

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
        with exact(image):
            for (view, count), settings, drawn in zip(self.groups, self.settings, draws, strict=True):
                if image.device.type == "cpu" and not (torch.compiler.is_compiling() and self._is_small(view)):
                    views = blocks.views(image, drawn, settings)
                else:
                    views = render(image.repeat(count, 1, 1, 1), drawn, view)
                made.extend(views.chunk(count))
        return tuple(made)

    def _is_small(self, view: View) -> bool:
        return max(self.image[0] * self.image[1], view.size**2) <= SMALL


def size_text(size: Sequence[int]) -> str:
    """Height and width as words."""
    return f"{size[0]} x {size[1]}"

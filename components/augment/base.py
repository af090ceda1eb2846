"""A node that makes random views: numbers are drawn outside of the compiled step, views rendered inside of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import Sizes
from graphssl.ports import Cut

from ..numeric import exact
from . import blocks
from .cut import RandomCrops
from .view import COLUMNS, Parameters, View, parameters, render

__all__ = ["Augmentation", "size_text"]

SMALL = 2**12  # pixels up to which a CPU, compiled, renders whole batches faster than blocks


class Augmentation(nn.Module):
    """Renders views of uint8 images, `b 3 h w`. Neighbouring views with the same settings are made together.

    cuts: where the pictures have sizes of their own, the crops are made by these, where the pictures are decoded.
    """

    def __init__(self, views: Sequence[View], sizes: Sizes) -> None:
        super().__init__()
        self.image = (sizes["h"], sizes["w"])
        self.groups = [(view, len(list(same))) for view, same in itertools.groupby(views)]
        self.settings = [blocks.settings(view) for view, _ in self.groups]
        self.cuts: tuple[Cut, ...] = tuple(
            RandomCrops(count, view.size, view.crop, view.ratio, view.flip) for view, count in self.groups
        )

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> tuple[Parameters, ...]:
        """What is random: for each group of views, the parameters of its images, view after view."""
        counts = [count for _, count in self.groups]
        uniform = torch.rand((sum(counts), b, COLUMNS), generator=generator, device=device)
        parts = zip(self.groups, uniform.split(counts), strict=True)
        return tuple(parameters(part.flatten(0, 1), view, self.image) for (view, _), part in parts)

    def render(
        self, image: Annotated[Tensor, "b 3 h w"] | tuple[Tensor, ...], draws: tuple[Parameters, ...]
    ) -> Annotated[tuple[Tensor, ...], "b 3 y x"]:
        """The views, in float32 under autocast too: half precision has too few digits for colours.

        image: or what the cuts have made, `(v b) 3 y x` of each.
        """
        is_cut = isinstance(image, tuple)
        pictures = image if isinstance(image, tuple) else (self._checked(image),) * len(self.groups)
        made: list[Tensor] = []
        with exact(pictures[0]):
            parts = zip(self.groups, self.settings, pictures, draws, strict=True)
            for (view, count), settings, picture, drawn in parts:
                made.extend(self._views(view, 1 if is_cut else count, settings, picture, drawn, is_cut).chunk(count))
        return tuple(made)

    def _views(
        self, view: View, repeats: int, settings: str, image: Tensor, drawn: Parameters, cut: bool
    ) -> Annotated[Tensor, "n 3 y x"]:
        if image.device.type == "cpu" and not (torch.compiler.is_compiling() and self._is_small(view)):
            return blocks.views(image, drawn, settings, cut=cut)
        return render(image if cut else image.repeat(repeats, 1, 1, 1), drawn, view, cut=cut)

    def _checked(self, image: Tensor) -> Tensor:
        if image.dtype != torch.uint8:
            raise ValueError("it takes the pixels of batch.image, uint8, and these were made into floats already")
        if tuple(image.shape[2:]) != self.image:
            raise ValueError(
                f"the images are {size_text(image.shape[2:])}, and were to be {size_text(self.image)} pixels"
            )
        return image

    def _is_small(self, view: View) -> bool:
        return max(math.prod(self.image), math.prod(view.size)) <= SMALL


def size_text(size: Sequence[int]) -> str:
    """Height and width as words."""
    return f"{size[0]} x {size[1]}"

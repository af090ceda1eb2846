"""A node that makes random views: numbers are drawn outside of the compiled step, views rendered inside of it."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import torch
from torch import Tensor, nn

from graphssl.component import Sizes
from graphssl.ports import Cut, Signature, signature_of

from ..numeric import exact
from . import blocks
from .boxes import PlacedCrops, boxes_after, boxes_drawn, boxes_told, check_place, with_boxes
from .view import Parameters, View, parameters, render

__all__ = ["Augmentation", "Placed", "size_text"]

RGB = 3
INSTEAD = (
    "set `grey: 0`, `saturation: 0` and `hue: 0` (brightness and contrast are for any channels), or name in "
    "augment.chain what is for any, such as crop, flip, jitter with these two, blur, noise, erase"
)
SMALL = 2**12  # pixels up to which a CPU, compiled, renders whole batches faster than blocks


class Placed(NamedTuple):
    """Views, and of each its box, `b 4`."""

    views: tuple[Tensor, ...]
    boxes: tuple[Tensor, ...]


class Augmentation(nn.Module):
    """Renders views of images, `b c h w`. Neighbouring views with the same settings are made together.

    cuts: where the pictures have sizes of their own, the crops are made by these, where the pictures are decoded; none
    where some view is not cropped at random, which then takes the picture as it is evaluated.
    boxes: whether `render` gives the boxes of the views too, after the views.
    """

    def __init__(self, views: Sequence[View], sizes: Sizes, *, boxes: bool = False) -> None:
        super().__init__()
        self.image, self.channels = (sizes["h"], sizes["w"]), sizes.data.channels
        self.dtype: torch.dtype = getattr(torch, sizes.data.dtype)
        self.groups = [(view, len(list(same))) for view, same in itertools.groupby(views)]
        self.settings = [view.model_dump_json() for view, _ in self.groups]
        cuts = [view.cuts(count) for view, count in self.groups]
        self.boxes = boxes
        self.cuts: tuple[Cut, ...] = tuple(PlacedCrops(cut) if boxes else cut for cut in cuts if cut and all(cuts))
        _check_colours(views, self.channels)
        _check_sizes(views)
        if boxes:
            check_place(views)

    @classmethod
    def signature(cls, config: Any, of: Mapping[str, Signature]) -> Signature:
        """The views, and where they are asked for their boxes."""
        return with_boxes(signature_of(cls.forward), config)

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> tuple[Parameters, ...]:
        """What is random: for each group of views, the parameters of its images, view after view."""
        counts, columns = [count for _, count in self.groups], max(view.columns for view, _ in self.groups)
        uniform = torch.rand((sum(counts), b, columns), generator=generator, device=device)
        drawn = []
        for (view, count), part in zip(self.groups, uniform.split(counts), strict=True):
            rows = part.flatten(0, 1)[:, : view.columns]
            normal = functools.partial(_normal, count * b, generator, device)
            drawn.append(parameters(rows, view, self.image, self.channels, normal))
        return tuple(drawn)

    def render(
        self, image: Annotated[Tensor, "b c h w"] | tuple[Tensor, ...], draws: tuple[Parameters, ...]
    ) -> Annotated[tuple[Tensor, ...], "b c y x"]:
        """The views, in float32 under autocast too: half precision has too few digits for colours.

        image: or what the cuts have made, `(v b) c y x` of each. With `boxes` those of the views, `b 4`, come last.
        """
        is_cut = isinstance(image, tuple)
        pictures = image if isinstance(image, tuple) else (self._checked(image),) * len(self.groups)
        made: list[Tensor] = []
        boxes: list[Tensor] = []
        with exact(pictures[0]):
            parts = zip(self.groups, self.settings, pictures, draws, strict=True)
            for (view, count), settings, picture, drawn in parts:
                if self.boxes:
                    picture, box = self._apart(picture, view, drawn, is_cut)
                    boxes.extend(box.chunk(count))
                made.extend(self._views(view, 1 if is_cut else count, settings, picture, drawn, is_cut).chunk(count))
        return (*made, *boxes)

    def _apart(
        self, picture: Tensor, view: View, drawn: Parameters, cut: bool
    ) -> tuple[Tensor, Annotated[Tensor, "n 4"]]:
        """The pictures, or crops, and the boxes of the views."""
        height = view.size[0]
        box = boxes_told(picture, height) if cut else boxes_drawn(drawn, self.image)
        return picture[:, :, :height] if cut else picture, boxes_after(box, drawn, view)

    def families(self, made: tuple[Tensor, ...]) -> tuple[Any, ...]:
        """The views, where boxes are asked for together with those."""
        half = len(made) // 2
        return Placed(made[:half], made[half:]) if self.boxes else made

    def _views(
        self, view: View, repeats: int, settings: str, image: Tensor, drawn: Parameters, cut: bool
    ) -> Annotated[Tensor, "n c y x"]:
        if image.device.type == "cpu" and not (torch.compiler.is_compiling() and self._is_small(view)):
            return blocks.views(image, drawn, settings, cut=cut)
        return render(image if cut else image.repeat(repeats, 1, 1, 1), drawn, view, cut=cut)

    def _checked(self, image: Tensor) -> Tensor:
        if image.dtype != self.dtype:
            known, given = (str(dtype).removeprefix("torch.") for dtype in (self.dtype, image.dtype))
            raise ValueError(f"it takes the pixels of batch.image, {known}, and these were made into {given} already")
        if tuple(image.shape[2:]) != self.image:
            raise ValueError(
                f"the images are {size_text(image.shape[2:])}, and were to be {size_text(self.image)} pixels"
            )
        return image

    def _is_small(self, view: View) -> bool:
        return max(math.prod(self.image), math.prod(view.size)) <= SMALL


def _normal(b: int, generator: torch.Generator | None, device: torch.device, shape: tuple[int, ...]) -> Tensor:
    return torch.randn((b, *shape), generator=generator, device=device)


def _check_sizes(views: Sequence[View]) -> None:
    """Raises ValueError for an operation that is too large for a view."""
    for view in views:
        for _, operation in view.active:
            if (reason := operation.too_large(view.size)) is not None:
                raise ValueError(reason)


def _check_colours(views: Sequence[View], channels: int) -> None:
    """Raises ValueError for an operation on colours where images have none."""
    found = {operation.use: None for view in views for _, operation in view.active if operation.colours}
    if channels != RGB and found:
        raise ValueError(
            f"{' and '.join(found)} {'is' if len(found) == 1 else 'are'} for red, green and blue, and these images "
            f"have {channels} {'channel' if channels == 1 else 'channels'}: {INSTEAD}"
        )


def size_text(size: Sequence[int]) -> str:
    """Height and width as words."""
    return f"{size[0]} x {size[1]}"

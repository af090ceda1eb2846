"""Views on a CPU: of a few images at a time, which its cache holds, and with nothing done that was not drawn for them.

What is done to the images depends on what was drawn, so that a compiler cannot look into it: to it this is one call.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any, NamedTuple

import torch
from torch import Tensor

from .blur import blur_taps, radius_for
from .colour import PLACES, Planes, places, solarise
from .crop import WHITE, Box, crop_taps, cut
from .taps import Taps, along_both
from .view import Parameters, View, colours

__all__ = ["settings", "views"]

PIXELS = 2**16  # of a block, for each thread
FLAGS = ("grey", "blur", "solarize")


def settings(view: View) -> str:
    """A view's settings as a text, for `views`: a custom operation takes no objects."""
    return json.dumps(asdict(view))


def views(
    image: Annotated[Tensor, "b 3 h w"], drawn: Parameters, settings: str, *, cut: bool = False
) -> Annotated[Tensor, "n 3 y x"]:
    """As `view.render`; there are n parameters, those of row i for the image i modulo b. Of crops there are n too."""
    made: Tensor = _views(image, [*drawn.box, *drawn[1:]], settings, cut)
    return made


@torch.library.custom_op("graphssl::views", mutates_args=())
def _views(image: Tensor, drawn: Sequence[Tensor], settings: str, is_cut: bool) -> Tensor:
    return _render(image, _parameters(drawn), _view(settings), is_cut)


@_views.register_fake
def _shape(image: Tensor, drawn: Sequence[Tensor], settings: str, is_cut: bool) -> Tensor:
    return image.new_empty((len(drawn[0]), *_view(settings).size, 3), dtype=torch.float32).permute(0, 3, 1, 2)


@functools.cache
def _view(settings: str) -> View:
    values: dict[str, Any] = json.loads(settings)
    for name, value in values.items():
        values[name] = tuple(value) if isinstance(value, list) else value
    return View(**values)


def _parameters(entries: Sequence[Tensor]) -> Parameters:
    return Parameters(Box(*entries[:4]), *entries[4:])


class _Block(NamedTuple):
    """Some rows of the sorted images, all with the same settings; ends: see `colour.jitter_sorted`."""

    rows: slice
    view: View
    ends: list[int]


def _render(image: Tensor, drawn: Parameters, view: View, is_cut: bool) -> Tensor:
    """Sorts the images by what is done to them, and renders them block by block."""
    key = places(drawn.slots, drawn.turns)
    for i, name in enumerate(FLAGS):
        key = key + (PLACES << i) * getattr(drawn, name)
    order = key.argsort(stable=True)
    entries = [entry.index_select(0, order) for entry in (*drawn.box, *drawn[1:])]
    drawn = _parameters(entries)
    taps = () if is_cut else crop_taps(drawn.box, drawn.flip, view.size)
    result = torch.empty((len(order), *view.size, 3))
    most = max(1, PIXELS * torch.get_num_threads() // max(math.prod(image.shape[2:]), math.prod(view.size)))
    for block in _blocks(key, view, most):
        own = _parameters([entry[block.rows] for entry in entries])
        number = order[block.rows]
        if is_cut:
            x = _whole(image, number)
        else:
            x = _crop(image, number % len(image), own.box, *(Taps(*(entry[block.rows] for entry in t)) for t in taps))
        _store(_colour(x, own, block), view, number, result)
    return result.permute(0, 3, 1, 2)


def _blocks(key: Tensor, view: View, most: int) -> Iterator[_Block]:
    """Blocks of up to `most` images. A probability is 0 where the images have none of it."""
    counts = torch.bincount(key, minlength=PLACES << len(FLAGS))
    start = 0
    for kind, ends in enumerate(counts.cumsum(0).view(-1, PLACES).tolist()):
        own = replace(view, **{name: getattr(view, name) * (kind >> i & 1) for i, name in enumerate(FLAGS)})
        for first in range(start, ends[-1], most):
            stop = min(first + most, ends[-1])
            yield _Block(slice(first, stop), own, [min(max(end, first), stop) - first for end in ends])
        start = ends[-1]


def _crop(image: Tensor, number: Tensor, box: Box, rows: Taps, columns: Taps) -> Annotated[Tensor, "3 b x y"]:
    """The crops, columns first. Of an image alone, which may be large, only the box is read."""
    if len(number) == 1:
        i, top, left, height, width = (int(entry) for entry in (number, *box))
        image = image[i : i + 1, :, top : top + height, left : left + width]
        rows, columns = cut(rows, top, height), cut(columns, left, width)
    else:
        image = image.index_select(0, number)
    return along_both(image.transpose(0, 1).to(torch.float32, memory_format=torch.contiguous_format), rows, columns)


def _whole(image: Tensor, number: Tensor) -> Annotated[Tensor, "3 b x y"]:
    """What is cut already, columns first as `_crop` has it."""
    image = image[int(number)][None] if len(number) == 1 else image.index_select(0, number)
    return image.permute(1, 0, 3, 2).to(torch.float32, memory_format=torch.contiguous_format).mul_(1 / WHITE)


def _colour(image: Annotated[Tensor, "3 b x y"], drawn: Parameters, block: _Block) -> Planes:
    """What comes after the crop, but for the normalisation. Rows come first again."""
    view = block.view
    red, green, blue = image.unbind(0)
    made = colours((red, green, blue), drawn, view, block.ends)
    if view.blur > 0:
        columns, rows = (blur_taps(drawn.sigma, radius_for(view.size[0]), side) for side in reversed(view.size))
        red, green, blue = along_both(torch.stack(made), columns, rows).unbind(0)
    else:
        red, green, blue = (plane.transpose(1, 2) for plane in made)
    return solarise((red, green, blue), drawn.solarize) if view.solarize > 0 else (red, green, blue)


def _store(image: Planes, view: View, number: Tensor, result: Annotated[Tensor, "n y x 3"]) -> None:
    """Normalises the images, and puts them into the result by their number."""
    alone = len(number) == 1
    made = result[int(number)][None] if alone else result.new_empty((len(number), *result.shape[1:]))
    for channel, plane, mean, std in zip(made.unbind(3), image, view.mean, view.std, strict=True):
        channel.copy_(torch.add(plane.new_tensor(-mean / std), plane, alpha=1 / std))  # in one pass, and a copy
    if not alone:
        result.index_copy_(0, number, made)

"""Views on a CPU: of a few images at a time, which its cache holds, and with nothing done that was not drawn for them.

What is done to the images depends on what was drawn, so that a compiler cannot look into it: to it this is one call.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

import torch
from torch import Tensor

from graphssl.ports import scale_of

from .blur import blur_taps
from .colour import PLACES, jitter_sorted, places
from .crop import Box, crop_taps, cut
from .operation import Planes
from .operations import Blur, Jitter
from .taps import Taps, along_both
from .view import Parameters, View

__all__ = ["views"]

PIXELS = 2**16  # of a block, for each thread
BOX = len(Box._fields)


def views(
    image: Annotated[Tensor, "b c h w"], drawn: Parameters, settings: str, *, cut: bool = False
) -> Annotated[Tensor, "n c y x"]:
    """As `view.render`; there are n parameters, those of row i for the image i modulo b. Of crops there are n too.

    settings: the view's, as JSON: a custom operation takes no objects.
    """
    made: Tensor = _views(image, [*drawn.box, drawn.flip, *itertools.chain(*drawn.drawn)], settings, cut)
    return made


@torch.library.custom_op("graphssl::views", mutates_args=())
def _views(image: Tensor, drawn: Sequence[Tensor], settings: str, is_cut: bool) -> Tensor:
    return _render(image, list(drawn), _view(settings), is_cut)


@_views.register_fake
def _shape(image: Tensor, drawn: Sequence[Tensor], settings: str, is_cut: bool) -> Tensor:
    shape = (len(drawn[0]), *_view(settings).size, image.shape[1])
    return image.new_empty(shape, dtype=torch.float32).permute(0, 3, 1, 2)


@functools.cache
def _view(settings: str) -> View:
    return View.model_validate_json(settings)


def _parameters(entries: Sequence[Tensor], view: View) -> Parameters:
    drawn, at = [], BOX + 1
    for operation in view.operations:
        drawn.append(tuple(entries[at : at + operation.entries]))
        at += operation.entries
    return Parameters(Box(*entries[:BOX]), entries[BOX], tuple(drawn))


class _Block(NamedTuple):
    """Some rows of the sorted images, to all of which the same is done; `on`, by operation, whether it is.

    ends: see `colour.jitter_sorted`.
    """

    rows: slice
    on: tuple[bool, ...]
    ends: list[int]


def _render(image: Tensor, entries: list[Tensor], view: View, is_cut: bool) -> Tensor:
    """Sorts the images by what is done to them, and renders them block by block."""
    key = _key(_parameters(entries, view), view)
    order = key.argsort(stable=True)
    entries = [entry.index_select(0, order) for entry in entries]
    drawn = _parameters(entries, view)
    taps = () if is_cut else crop_taps(drawn.box, drawn.flip, view.size, scale_of(image))
    result = torch.empty((len(order), *view.size, image.shape[1]))
    most = max(1, PIXELS * torch.get_num_threads() // max(math.prod(image.shape[2:]), math.prod(view.size)))
    for block in _blocks(key[order], view, most):
        own = _parameters([entry[block.rows] for entry in entries], view)
        number = order[block.rows]
        if is_cut:
            x = _whole(image, number)
        else:
            x = _crop(image, number % len(image), own.box, *(Taps(*(entry[block.rows] for entry in t)) for t in taps))
        _store(_operate(x, own, view, block), view, number, result)
    return result.permute(0, 3, 1, 2)


def _key(drawn: Parameters, view: View) -> Annotated[Tensor, "n"]:
    """A number for what is done to an image: a bit for each operation, and the places of the jitter."""
    first = _sorted_jitter(view)
    key = torch.zeros_like(drawn.flip, dtype=torch.int64)
    if first is not None:
        slots, turns = drawn.drawn[first]
        key = places(slots, turns)
    for i, operation in view.active:
        if not isinstance(operation, Jitter):
            key = key + (PLACES << i) * drawn.drawn[i][0]
    return key


def _sorted_jitter(view: View) -> int | None:
    """The jitter by which images are sorted: the first."""
    return next((i for i, operation in view.active if isinstance(operation, Jitter)), None)


def _blocks(key: Annotated[Tensor, "n"], view: View, most: int) -> Iterator[_Block]:
    """Blocks of up to `most` images, of sorted keys."""
    kinds, counts = (key // PLACES).unique_consecutive(return_counts=True)
    start, active = 0, dict(view.active)
    for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True):
        on = tuple(
            i in active and (isinstance(operation, Jitter) or bool(kind >> i & 1))
            for i, operation in enumerate(view.operations)
        )
        own = key[start : start + count] % PLACES
        ends = (torch.bincount(own, minlength=PLACES).cumsum(0) + start).tolist()
        for first in range(start, start + count, most):
            stop = min(first + most, start + count)
            yield _Block(slice(first, stop), on, [min(max(end, first), stop) - first for end in ends])
        start += count


def _crop(image: Tensor, number: Tensor, box: Box, rows: Taps, columns: Taps) -> Annotated[Tensor, "3 b x y"]:
    """The crops, columns first. Of an image alone, which may be large, only the box is read."""
    if len(number) == 1:
        i, top, left, height, width = (int(entry) for entry in (number, *box))
        image = image[i : i + 1, :, top : top + height, left : left + width]
        rows, columns = cut(rows, top, height), cut(columns, left, width)
    else:
        image = image.index_select(0, number)
    return along_both(_floats(image.transpose(0, 1)), rows, columns)


def _whole(image: Tensor, number: Tensor) -> Annotated[Tensor, "c b x y"]:
    """What is cut already, columns first as `_crop` has it."""
    crops = image[int(number)][None] if len(number) == 1 else image.index_select(0, number)
    return _floats(crops.permute(1, 0, 3, 2)).mul_(1 / scale_of(image))


def _floats(image: Tensor) -> Tensor:
    """A copy, each channel one piece of memory."""
    return image.to(torch.float32, memory_format=torch.contiguous_format, copy=True)


def _operate(image: Annotated[Tensor, "c b x y"], drawn: Parameters, view: View, block: _Block) -> Planes:
    """What comes after the crop, but for the normalisation. Rows come first again."""
    planes, columns_first, first = image.unbind(0), True, _sorted_jitter(view)
    for i, operation in view.active:
        if not block.on[i]:
            continue
        if isinstance(operation, Jitter) and i == first:
            slots, turns = drawn.drawn[i]
            jitter_sorted(planes, slots, turns, block.ends, operation.style)
        elif isinstance(operation, Blur):
            sides, radius = view.size[::-1] if columns_first else view.size, operation.radius(view.size[0])
            taps = [blur_taps(drawn.drawn[i][1], radius, side) for side in sides]
            planes, columns_first = along_both(torch.stack(planes), *taps).unbind(0), not columns_first
        else:
            if operation.spatial and columns_first:
                planes, columns_first = _turned(planes), False
            planes = operation.apply(planes, drawn.drawn[i], view.mean, view.std)
    return _turned(planes) if columns_first else planes


def _turned(planes: Planes) -> Planes:
    """Rows for columns: views."""
    return tuple(plane.transpose(1, 2) for plane in planes)


def _store(image: Planes, view: View, number: Tensor, result: Annotated[Tensor, "n y x c"]) -> None:
    """Normalises the images, and puts them into the result by their number."""
    alone = len(number) == 1
    made = result[int(number)][None] if alone else result.new_empty((len(number), *result.shape[1:]))
    for channel, plane, mean, std in zip(made.unbind(3), image, view.mean, view.std, strict=True):
        channel.copy_(torch.add(plane.new_tensor(-mean / std), plane, alpha=1 / std))  # in one pass, and a copy
    if not alone:
        result.index_copy_(0, number, made)

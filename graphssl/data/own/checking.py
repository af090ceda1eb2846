"""What may be wrong with the facts that a data set's class gives, by the field."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator

from ...errors import suggest
from ...graph.spec.units import out_of_units
from ..decoding.form import TYPES
from .registry import Facts

__all__ = ["wrong_in"]

SIDES, CHANNELS = (4, 4096), (1, 1024)


def wrong_in(known: Facts) -> str | None:
    """The first thing that is wrong, with the name of its field; None where all may be so."""
    return next(_wrong(known), None)


def _wrong(known: Facts) -> Iterator[str]:
    for name, least in (("samples", 1), ("test", 0)):
        yield from _of_count(name, getattr(known, name), least)
    yield from _of_classes(known.classes)
    yield from _of_size(known.size)
    if not _is_count(known.channels, *CHANNELS):
        yield f"channels is {known.channels!r}, and should be a whole number from {CHANNELS[0]} to {CHANNELS[1]:,}"
    if known.dtype not in TYPES:
        yield f"no dtype is called '{known.dtype}'; {suggest(str(known.dtype), TYPES)}"
    for name in ("mean", "std"):
        yield from _of_values(name, getattr(known, name), known.dtype)
    if (known.mean is None) != (known.std is None):
        yield f"mean and std come together, and {'mean' if known.mean is None else 'std'} is not there"


def _is_count(value: object, least: int, most: float = math.inf) -> bool:
    try:
        return not isinstance(value, bool) and least <= operator.index(value) <= most  # type: ignore[arg-type]
    except TypeError:
        return False


def _of_count(name: str, value: object, least: int) -> Iterator[str]:
    if value is not None and not _is_count(value, least):
        yield f"{name} is {value!r}, and should be a count{f' from {least}' if least else ''}, or None"


def _of_classes(classes: object) -> Iterator[str]:
    if not isinstance(classes, list | tuple):
        if classes is not None and not _is_count(classes, 0):
            yield f"classes is {classes!r}, and should be a count, or None, or a list of names"
        return
    kinds = {type(name) for name in classes}
    stray = next((name for name in classes if not isinstance(name, str)), None)
    if len(kinds) > 1 or not kinds <= {str, int}:
        yield f"classes has {stray!r} among its names, and should be a list of text"
    if (twice := next((name for i, name in enumerate(classes) if name in classes[:i]), None)) is not None:
        yield f"classes has the name {twice!r} twice"


def _of_size(size: object) -> Iterator[str]:
    sides = list(size) if isinstance(size, list | tuple) else [size, size]
    if len(sides) != 2 or not all(_is_count(side, *SIDES) for side in sides):
        yield (
            f"size is {size!r}, and should be a whole number of pixels from {SIDES[0]} to {SIDES[1]}, or two, "
            "(height, width)"
        )


def _of_values(name: str, values: object, dtype: str) -> Iterator[str]:
    if values is None:
        return
    try:
        numbers = [float(value) for value in values]  # type: ignore[attr-defined]  # which is the question
    except (TypeError, ValueError):
        yield f"{name} is {values!r}, and should be a list of a number for each channel"
        return
    if (stray := next((value for value in numbers if not math.isfinite(value)), None)) is not None:
        yield f"{name} has {stray}, and should have finite numbers"
    elif name == "std" and min(numbers, default=1) <= 0:
        yield f"std has {min(numbers):g}, and should have numbers above 0: pixels are divided by them"
    elif (wrong := out_of_units(name, numbers, dtype)) is not None:
        yield wrong

"""Which views go together in a call on families of views: the same of each, or every pair of different ones."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import Problems
from .calls import Tag, Value
from .language import expressions as e

__all__ = ["Pick", "pick_views"]

Families = Mapping[str, Value]  # by port


@dataclass(frozen=True)
class Pick:
    """One member of the result: which view each family gives, the member's tag, and the end of its name."""

    views: Mapping[str, int]
    tag: Tag
    suffix: str


def pick_views(families: Families, call: e.Call, problems: Problems) -> Sequence[Pick] | None:
    """The picks of a call, one for each time that its method is called; None where something is wrong."""
    if call.option("pairs") == "cross" and families:
        return _crossed(families, call, problems)
    if families:
        return _zipped(families, call, problems)
    if call.option("pairs"):
        problems.add("there are no families of views here to pair", call.place_of("pairs"))
        return None
    return [Pick({}, (), "")]


def _zipped(families: Families, call: e.Call, problems: Problems) -> Sequence[Pick] | None:
    lengths = {key: len(value) for key, value in families.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"'{key}' has {n}" for key, n in lengths.items())
        message = f"families of different length cannot be zipped: {counts}"
        hint = "as many of each; or one view by its number, x[0], which goes with each of the others; or pairs=cross"
        problems.add(message, call.span, hint)
        return None
    tags = next(iter(families.values())).tags or ()
    return [Pick(dict.fromkeys(families, i), tag, f"_{i}") for i, tag in enumerate(tags)]


def _crossed(families: Families, call: e.Call, problems: Problems) -> Sequence[Pick] | None:
    """All ordered pairs of different views of the first two families; further ones go with the second."""
    if len(families) < 2:
        problems.add("pairs=cross needs two families of views", call.place_of("pairs"))
        return None
    (left, first), (right, second), *others = families.items()
    for key, value in others:
        if not set(second.tags or ()) <= set(value.tags or ()):
            problems.add(f"'{key}' does not have the views of '{right}', with which it goes", call.span)
            return None
    picks = []
    for (i, a), (j, b) in itertools.product(enumerate(first.tags or ()), enumerate(second.tags or ())):
        if a != b:
            rest = {key: (value.tags or ()).index(b) for key, value in others}
            picks.append(Pick({left: i, right: j, **rest}, (a, b), f"_{i}{j}" if i < 10 > j else f"_{i}_{j}"))
    if not picks:
        problems.add("pairs=cross finds no two different views", call.place_of("pairs"))
    return picks or None

"""Whether held-out pictures are training pictures too: files of one size that hold the same."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .batch import Pictures, named
from .traces import GONE, MOST, Trace, content_of, spread_evenly

__all__ = ["overlap"]

JUDGED, READ = 256, 4_000  # pictures that are looked at: held out, and read of those for training


def overlap(
    train: Pictures, held: Pictures, traces: Callable[[], tuple[Trace, Trace]],
    others: str = "data.test, data.held_out",
) -> str | None:  # fmt: skip
    """What to warn of; None where none of some held-out pictures is among some of those for training.

    Of large splits pictures that are spread evenly are looked at. traces: of both, which know the files' sizes. others:
    the options that hold out others.
    """
    if not (getattr(train, "steady", False) and getattr(held, "steady", False)):
        return None
    sizes, of_held = (trace["sizes"] for trace in traces())
    if not len(of_held) or not len(sizes):  # no files
        return None
    theirs, every = spread_evenly(len(train.paths), MOST), spread_evenly(len(held.paths), MOST)
    chosen = spread_evenly(len(every), JUDGED)
    places, mine = [every[i] for i in chosen], of_held[chosen]
    like = torch.tensor(theirs)[torch.isin(sizes, mine)]
    like = like[torch.tensor(spread_evenly(len(like), READ), dtype=torch.int64)]
    known = {content_of(train, at): at for at in like.tolist()}
    known.pop(GONE, None)
    found = [(at, known[content]) for at in _those(places, mine, sizes) if (content := content_of(held, at)) in known]
    if not found:
        return None
    example = f"{named(held, found[0][0])} is {named(train, found[0][1])}"
    looked = f"{len(places):,} held-out pictures" + " that were looked at" * (len(places) < len(held.paths))
    advice = f"scores on them say nothing; hold out others ({others})"
    return f"{len(found):,} of {looked} are training pictures too: {example}; {advice}"


def _those(places: list[int], mine: Tensor, sizes: Tensor) -> list[int]:
    """Of the places those whose size some training picture has."""
    return torch.tensor(places, dtype=torch.int64)[torch.isin(mine, sizes)].tolist()

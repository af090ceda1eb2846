"""Whether held-out pictures are training pictures too: files of one size that hold the same."""

from __future__ import annotations

import torch
from torch import Tensor

from .batch import Pictures, named
from .traces import GONE, content_of, sizes_of, spread_evenly

__all__ = ["overlap"]

JUDGED, TRAINED, READ = 256, 100_000, 4_000  # pictures that are looked at: held out, for training, and read of these


def overlap(train: Pictures, held: Pictures) -> str | None:
    """What to warn of; None where none of some held-out pictures is among some of those for training.

    Of large splits pictures that are spread evenly are looked at.
    """
    if not (getattr(train, "steady", False) and getattr(held, "steady", False)):
        return None
    places, theirs = spread_evenly(len(held.paths), JUDGED), spread_evenly(len(train.paths), TRAINED)
    mine, sizes = sizes_of(held, places), sizes_of(train, theirs)
    if not len(mine) or not len(sizes):  # no files
        return None
    like = torch.tensor(theirs)[torch.isin(sizes, mine)]
    like = like[torch.tensor(spread_evenly(len(like), READ), dtype=torch.int64)]
    known = {content_of(train, at): at for at in like.tolist()}
    known.pop(GONE, None)
    found = [(at, known[content]) for at in _those(places, mine, sizes) if (content := content_of(held, at)) in known]
    if not found:
        return None
    example = f"{named(held, found[0][0])} is {named(train, found[0][1])}"
    looked = f"{len(places):,} held-out pictures" + " that were looked at" * (len(places) < len(held.paths))
    advice = "scores on them say nothing; hold out others (data.test, data.held_out)"
    return f"{len(found):,} of {looked} are training pictures too: {example}; {advice}"


def _those(places: list[int], mine: Tensor, sizes: Tensor) -> list[int]:
    """Of the places those whose size some training picture has."""
    return torch.tensor(places, dtype=torch.int64)[torch.isin(mine, sizes)].tolist()

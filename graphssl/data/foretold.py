"""What will be left out of a set of pictures, told before it is opened; of a set that is large, when it is."""

from __future__ import annotations

import contextlib

from ..errors import RunError
from ..files import home
from ..graph import spec
from ..graph.spec.datasets import DATA_SETS
from .left_out import LeftOut
from .lists import is_list
from .picture_sets import PictureSet
from .walk import Walk

__all__ = ["foretold", "notes_before"]

MOST = 100_000  # files and folders


def notes_before(data: spec.Data) -> tuple[str, ...]:
    """A sentence for each reason for which something will be left out."""
    if DATA_SETS[data.use].kind != "pictures":
        return ()
    told = foretold(data)
    if told is None:
        return (f"it has more than {MOST:,} files: what of them is left out is said by a run, and by `graphssl data`",)
    return told.notes


def foretold(data: spec.Data) -> LeftOut | None:
    """What will be left out of a set of pictures, None where it is too large to be listed for that."""
    found, told = PictureSet.of(data), LeftOut()
    if is_large(found):
        return None
    with contextlib.suppress(RunError):  # of what is wrong `presence` tells
        found.parts(told)
    return told


def is_large(found: PictureSet) -> bool:
    """Whether a folder of it has so many files that they are not listed before a run."""
    roots = [] if found.files is not None else [str(folder.root) for folder in found.folders]
    if found.test is not None and not is_list(found.test):
        roots.append(str(home(found.test)))
    return any(_has_many(root) for root in roots)


def _has_many(root: str) -> bool:
    walk = Walk(root, most=MOST)
    for _ in walk.below(root):
        pass
    return walk.cut

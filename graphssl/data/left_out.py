"""What of a set's folders and lists is not taken as it stands there: how many, why, and one of them, said once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from typing import Literal

from .files import Part
from .walk import Walk

__all__ = ["LeftOut", "apart"]

Why = Literal["made", "link", "barred", "form", "hidden", "loose", "twice", "held", "beside", "one"]
LOST = "lost+found"  # a folder that file systems have at their root, which is the administrator's
MOST = 4  # endings of names that are counted
WORDS: dict[Why, tuple[str, str]] = {
    "link": (
        "a link to a folder is not followed, for what it leads to is in the set already",
        "{n:,} links to folders are not followed, for what they lead to is in the set already",
    ),
    "made": (
        "a folder that runs have written is left out",
        "{n:,} folders that runs have written are left out",
    ),
    "barred": (
        "a folder cannot be listed, and what is in it is left out",
        "{n:,} folders cannot be listed, and what is in them is left out",
    ),
    "form": (
        "a file is left out, for its name ends as no picture's that is read",
        "{n:,} files are left out, for their names end as no picture's that is read",
    ),
    "hidden": (
        "a picture or folder is passed over, for its name begins with a dot",
        "{n:,} pictures and folders are passed over, for their names begin with a dot",
    ),
    "loose": (
        "a picture that is in no class's folder is left out (`labels: none` takes all, without labels)",
        "{n:,} pictures that are in no class's folder are left out (`labels: none` takes all, without labels)",
    ),
    "beside": (
        "a folder beside those of the splits is passed over",
        "{n:,} folders beside those of the splits are passed over",
    ),
    "twice": (
        "a picture is there twice (by a link, a root or a row) and counts once",
        "{n:,} pictures are there again (by links, roots or rows) and count once",
    ),
    "one": ("no held-out picture is of the one class of training pictures, which counts as no label", ""),
    "held": (
        "a held-out picture lies among the training pictures too, and is not trained on",
        "{n:,} held-out pictures lie among the training pictures too, and are not trained on",
    ),
}


class LeftOut:
    """By the reason what was left out."""

    def __init__(self) -> None:
        self._found: dict[Why, list[str]] = {}
        self._known: set[tuple[Why, str]] = set()

    def add(self, why: Why, names: Iterable[str]) -> None:
        """Notes some, each once."""
        for name in names:
            if why == "twice" or (why, name) not in self._known:
                self._known.add((why, name))
                self._found.setdefault(why, []).append(name)

    def found(self, why: Why) -> list[str]:
        """What was left out for that reason."""
        return self._found.get(why, [])

    def walked(self, walk: Walk) -> None:
        """Notes what a walk did not enter."""
        self.add("made", walk.made)
        self.add("link", walk.again)
        self.add("barred", walk.barred)
        self.add("hidden", walk.hidden)

    def once(self, part: Part, seen: set[str]) -> Part:
        """The part without what was seen, nor anything twice; and from now on it is seen."""
        places, again = list[int](), list[int]()
        for place, real in enumerate(part.real):
            (again if real in seen else places).append(place)
            seen.add(real)
        self.add("twice", (part.paths[place] for place in again))
        return part.chosen(places) if again else part

    @property
    def barred(self) -> str | None:
        """Why a set is not whole, None where it is: of the folders that cannot be listed, but for a disk's own."""
        names = [name for name in self.found("barred") if os.path.basename(name.rpartition(": ")[0]) != LOST]
        if not names:
            return None
        more = f", nor can {len(names) - 1:,} more" if len(names) > 1 else ""
        folder, _, why = names[0].rpartition(": ")
        return f"the folder '{folder}' cannot be listed{more}: {why}"

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each reason."""
        return tuple(_sentence(why, names) for why in WORDS if (names := self._found.get(why)))


def _sentence(why: Why, names: list[str]) -> str:
    said = WORDS[why][len(names) > 1].format(n=len(names)) + (f" ({_endings(names)})" if why == "form" else "")
    return f"{said}: {'such as ' if len(names) > 1 else ''}'{names[0]}'"


def _endings(names: Iterable[str]) -> str:
    """How often names end how: `.heic 5, none 2`."""
    counts = Counter(os.path.splitext(name)[1].lower() or "none" for name in names).most_common()
    return ", ".join(f"{ending} {n:,}" for ending, n in counts[:MOST]) + (" ..." if len(counts) > MOST else "")


def apart(train: Part, test: Part, told: LeftOut) -> Part:
    """What is trained on: what is held out is not, where it lies among the training pictures."""
    held = set(test.real)
    both = [place for place, real in enumerate(train.real) if real in held]
    told.add("held", (os.path.normpath(train.paths[place]) for place in both))
    return train.chosen(place for place, real in enumerate(train.real) if real not in held) if both else train

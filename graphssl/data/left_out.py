"""What of a set's folders and lists is not taken as it stands there: how many, why, and one of them, said once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal

from .files import Part
from .walk import Walk

__all__ = ["LeftOut", "apart"]

Why = Literal["link", "barred", "loose", "twice", "held", "beside"]
WORDS: dict[Why, tuple[str, str]] = {
    "link": (
        "a link to a folder is not followed, for what it leads to is in the set already",
        "{n:,} links to folders are not followed, for what they lead to is in the set already",
    ),
    "barred": ("a folder cannot be listed", "{n:,} folders cannot be listed"),
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
    "held": (
        "a held-out picture lies among the training pictures too, and is not trained on",
        "{n:,} held-out pictures lie among the training pictures too, and are not trained on",
    ),
}


class LeftOut:
    """By the reason what was left out."""

    def __init__(self) -> None:
        self._found: dict[Why, list[str]] = {}

    def add(self, why: Why, names: Iterable[str]) -> None:
        """Notes some, each once."""
        known = self._found.setdefault(why, [])
        known.extend(name for name in names if why == "twice" or name not in known)

    def walked(self, walk: Walk) -> None:
        """Notes what a walk did not enter."""
        self.add("link", walk.again)
        self.add("barred", walk.barred)

    def once(self, part: Part, seen: set[str]) -> Part:
        """The part without what was seen, nor anything twice; and from now on it is seen."""
        places, again = list[int](), list[int]()
        for place, real in enumerate(part.real):
            (again if real in seen else places).append(place)
            seen.add(real)
        self.add("twice", (part.paths[place] for place in again))
        return part.chosen(places) if again else part

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each reason."""
        return tuple(
            f"{words[len(names) > 1].format(n=len(names))}: {'such as ' if len(names) > 1 else ''}'{names[0]}'"
            for why, words in WORDS.items()
            if (names := self._found.get(why))
        )


def apart(train: Part, test: Part, told: LeftOut) -> Part:
    """What is trained on: what is held out is not, where it lies among the training pictures."""
    held = set(test.real)
    both = [place for place, real in enumerate(train.real) if real in held]
    told.add("held", (os.path.normpath(train.paths[place]) for place in both))
    return train.chosen(place for place, real in enumerate(train.real) if real not in held) if both else train

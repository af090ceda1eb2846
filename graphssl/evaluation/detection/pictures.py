"""Pictures with boxes as files have them, and what of them a detector gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ...data.batch import Sample
from ...data.traces import MOST, Trace, sizes_and_times, spread_evenly
from ...errors import RunError

__all__ = ["BoxSet", "Files", "Object", "Picture"]


class Object(NamedTuple):
    """One object. box: left, top, right, bottom in pixels, from the picture's corner. label: of its class, from 1.

    crowd: COCO's group of many; hard: VOC's `difficult`: neither is learnt from, nor counted. area: in pixels, by which
    it is small, medium or large. mask: as COCO writes it, polygons or a run-length code; None where there is none.
    """

    box: tuple[float, float, float, float]
    label: int
    area: float
    crowd: bool = False
    hard: bool = False
    mask: Any = None

    @property
    def counts(self) -> bool:
        return not (self.crowd or self.hard)


@dataclass(frozen=True)
class Picture:
    """A file with its objects. width, height: in pixels, as annotated."""

    path: str
    width: int
    height: int
    objects: tuple[Object, ...]

    @property
    def learnt(self) -> tuple[Object, ...]:
        """The objects that a detector learns from."""
        return tuple(one for one in self.objects if one.counts)


@dataclass(frozen=True)
class BoxSet:
    """Pictures with boxes. classes: names, of label 1 first. left_out: what is not used, by what it is."""

    pictures: Sequence[Picture]
    classes: Sequence[str]
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def learnt(self) -> list[Picture]:
        """The pictures that have something to learn from."""
        return [picture for picture in self.pictures if picture.learnt]

    def said(self) -> dict[str, Any]:
        """How many there are, for the file of the figure."""
        objects = sum(one.counts for picture in self.pictures for one in picture.objects)
        ignored = sum(not one.counts for picture in self.pictures for one in picture.objects)
        return {"pictures": len(self.pictures), "objects": objects, "ignored": ignored, "left_out": self.left_out}


class Files:
    """The pictures' files, as whoever compares two splits takes them: what may be read twice is the same."""

    steady = True

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self.paths = [picture.path for picture in pictures]

    def trace(self) -> Trace:
        """The files' sizes, of as many as those who compare look at."""
        return {"sizes": sizes_and_times(self.paths[i] for i in spread_evenly(len(self.paths), MOST))[0]}

    def sample(self, position: int) -> Any:
        try:
            return Sample(Path(self.paths[position]).read_bytes(), 0)
        except OSError as error:
            raise RunError(f"{self.paths[position]} cannot be read: {error}") from error

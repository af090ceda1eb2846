"""What a page sets beside each other: runs, those that differ in their seed alone together."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...evaluation.registry import bounds_of
from ...evaluation.spread import Spread
from ..seeds import same_but_seed
from .subject import Subject

__all__ = ["COLOURED", "Entry", "entries_of"]

COLOURED = 10  # entries with a colour and a place in the legend; of more, the others are grey and together
OTHERS = "others"
SEED = re.compile(r"[-_. ]+(s|seed)?[-_. ]*$")  # what stands before its number in names


@dataclass(frozen=True, eq=False)
class Entry:
    """Runs of one graph. number: by which it has its colour, None of one of the many. values: by metric, of each run;
    default: the last that each has measured."""

    name: str
    runs: tuple[Subject, ...]
    number: int | None = 0
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """What a legend calls it."""
        return self.name if self.number is not None else OTHERS

    def values(self, metric: str) -> list[float]:
        """The last finite one of each run."""
        found = [run.found.metrics.get(metric, math.nan) for run in self.runs]
        return [value for value in found if math.isfinite(value)]

    def spread(self, metric: str) -> Spread | None:
        """The mean over the runs, with its interval."""
        values = self.values(metric)
        return Spread.of(values, bounds_of(metric)) if values else None


def entries_of(subjects: Sequence[Subject]) -> list[Entry]:
    """In the order of their first runs; those whose graphs cannot be read are alone."""
    readable = [one for one in subjects if one.graph is not None]
    groups = same_but_seed([one.graph for one in readable if one.graph is not None])
    runs = [tuple(readable[i] for i in group) for group in groups]
    runs += [(one,) for one in subjects if one.graph is None]
    runs.sort(key=lambda group: subjects.index(group[0]))
    return [
        Entry(_called(group), group, number if number < COLOURED else None) for number, group in enumerate(runs)
    ]  # fmt: skip


def _called(group: Sequence[Subject]) -> str:
    """`byol (3 seeds)`: by what all names begin with, or by the first one."""
    if len(group) == 1:
        return group[0].name
    each = itertools.takewhile(lambda at: len(set(at)) == 1, zip(*(run.name for run in group), strict=False))
    shared = SEED.sub("", "".join(at[0] for at in each))
    return f"{shared if len(shared) > 1 else group[0].name} ({len(group)} seeds)"

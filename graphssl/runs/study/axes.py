"""What varies in a study: a key of the graph and its values, files that are laid over it, or a range of numbers."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...graph.language.given import change_of
from .spec import Range

__all__ = ["Axis", "Changes", "axis_of", "changes_of", "grid"]

SUFFIXES = (".yaml", ".yml")
Value = Any


@dataclass(frozen=True)
class Axis:
    """key: of the graph, or any name for files. values: None of a range. folder: from which files are found."""

    key: str
    values: tuple[Value, ...] | None
    range: Range | None
    folder: Path
    files: bool = False

    @property
    def count(self) -> float:
        """How many values there are; not finite of a range without steps."""
        if self.values is not None:
            return len(self.values)
        if self.range is None or self.range.step is None:
            return math.inf
        steps = (self.range.high - self.range.low) / self.range.step + 1e-9
        return math.floor(steps) + 1 if math.isfinite(steps) else math.inf

    def steps(self) -> tuple[Value, ...]:
        """All values, where they are so many that they can be counted."""
        if self.values is not None or self.range is None or self.range.step is None:
            return self.values or ()
        found = (self.range.low + i * self.range.step for i in range(int(self.count)))
        return tuple(found) if self.range.whole else tuple(float(f"{value:.12g}") for value in found)

    def label(self, value: Value) -> str:
        """A value as a table has it."""
        if self.files:
            return "as it is" if value is None else str(value)
        others = map(json.dumps, filter(_is_no_text, self.values or ()))
        plain = isinstance(value, str) and value.isprintable() and value not in others
        return value if plain else json.dumps(value, ensure_ascii=False)

    def distribution(self) -> Any:
        """What Optuna draws from: numbers of a range, and of values their labels."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.range is None:
            assert self.values is not None
            return CategoricalDistribution([self.label(value) for value in self.values])
        low, high, step = self.range.low, self.range.high, self.range.step
        if self.range.whole:
            return IntDistribution(int(low), int(high), log=self.range.log, step=int(step or 1))
        return FloatDistribution(
            float(low), float(high), log=self.range.log, step=None if step is None else float(step)
        )

    def value(self, drawn: Any) -> Value:
        """The value of what Optuna has drawn."""
        if self.range is not None:
            return drawn
        assert self.values is not None
        return next(value for value in self.values if self.label(value) == drawn)

    def drawn(self, value: Value) -> Any:
        """What Optuna calls a value."""
        return value if self.range is not None else self.label(value)


def axis_of(key: str, values: list[Value] | Range, folder: Path) -> Axis:
    """An axis as a study says it: files where each value is the name of a YAML file, or null."""
    if isinstance(values, Range):
        return Axis(key, None, values, folder)
    named = [value for value in values if value is not None]
    files = bool(named) and all(isinstance(value, str) and value.endswith(SUFFIXES) for value in named)
    return Axis(key, tuple(values), None, folder, files)


@dataclass(frozen=True)
class Changes:
    """What makes a cell of the graph: files that are laid over it, then changes as of `--set`."""

    fragments: tuple[Path, ...]
    sets: tuple[str, ...]


def changes_of(axes: Mapping[str, Axis], values: Mapping[str, Value]) -> Changes:
    """Of a cell. What stands for a whole node or exchanges its component comes before what is said of its options."""
    fragments = [axis.folder / values[key] for key, axis in axes.items() if axis.files and values[key] is not None]
    changes = [(key, values[key]) for key, axis in axes.items() if not axis.files]
    changes.sort(key=lambda change: (change[0].count("."), not change[0].endswith(".use")))
    return Changes(tuple(fragments), tuple(change_of(key, value) for key, value in changes))


def grid(axes: Mapping[str, Axis]) -> Iterator[dict[str, Value]]:
    """All cells, the last axis fastest. Each axis has steps."""
    for values in itertools.product(*(axis.steps() for axis in axes.values())):
        yield dict(zip(axes, values, strict=True))


def _is_no_text(value: Value) -> bool:
    return not isinstance(value, str)

"""What the metrics of a run are called in its store: a run of before keeps its names, so that each curve stays one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .grouped import grouped, grouped_all

__all__ = ["Known"]


class Known:
    """The names that a run has. files: of a store of files, where a metric is a file: there `eval/knn` could not stand
    beside `eval/knn/top5`, which is `eval.knn.top5`."""

    def __init__(self, names: Iterable[str] = (), *, files: bool = False) -> None:
        self._key = _flat if files else str
        self._own = {self._key(full): name for name, full in grouped_all(names).items()}

    def find(self, name: str) -> str | None:
        """What the run calls a metric; None for one that it does not have."""
        return self._own.get(self._key(grouped(name)))

    def call(self, name: str) -> str:
        """What a metric is to be called in the run, from now on where it does not have it."""
        return self._own.setdefault(self._key(grouped(name)), self._key(name))

    def steps(self, found: Mapping[str, set[int]]) -> dict[str, set[int]]:
        """By names under groups what is found by those that the run has."""
        return _Steps(self._key, {key: found[own] for key, own in self._own.items() if own in found})


class _Steps(dict[str, set[int]]):
    def __init__(self, key: Any, found: Mapping[str, set[int]]) -> None:
        super().__init__(found)
        self._key = key

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(self._key(name), default)


def _flat(name: str) -> str:
    return name.replace("/", ".")

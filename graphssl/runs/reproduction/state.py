"""Which reproductions there are, and how each stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...program.cost import hours_text
from .ledger import Results, recipe_of, results_of
from .read import Written, listed, read

__all__ = ["State", "states"]


@dataclass(frozen=True)
class State:
    """A reproduction, and what is known of it. current: whether that is of the recipe that the file has now."""

    written: Written
    results: Results | None
    current: bool

    @property
    def ran(self) -> bool:
        return self.results is not None and bool(self.results.seeds)

    @property
    def text(self) -> str:
        """`3 seeds`, `2 of 3 seeds`, or `not run: needs a GPU, about 3.1 h of one`."""
        spec, results = self.written.spec, self.results
        if results is not None and results.seeds:
            done, asked = len(results.seeds), len(spec.seeds)
            count = f"{done} of {asked} seeds" if done < asked else f"{done} seed{'s' * (done > 1)}"
            return count if self.current else f"{count}, of another recipe than the file has now"
        needs = ": needs a GPU" if spec.needs == "gpu" else ""
        cost = None if results is None or not self.current else results.forecast
        if cost is None:
            return f"not run{needs}"
        return f"not run{needs}, {hours_text(len(spec.seeds) * cost.flops)} of one" if needs else "not run"


def states() -> Iterator[State]:
    """Of all that come with graphssl."""
    for name in listed():
        written = read(name)
        results = results_of(written)
        yield State(written, results, results is not None and results.recipe == recipe_of(written.graph, written.spec))

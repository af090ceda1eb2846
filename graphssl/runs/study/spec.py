"""What a study's file holds: a graph, what varies in it, how often, and by which figure cells are compared."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, FiniteFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from ...graph.spec.section import Section

__all__ = ["Range", "Sampler", "Study"]

Text = Annotated[str, Field(min_length=1)]
Sampler = Literal["grid", "random", "tpe"]
MOST_SEEDS, MOST_TRIALS = 1_000, 100_000
HowMany = Annotated[PositiveInt, Field(le=MOST_SEEDS)]


def _each_once(values: list[Any]) -> list[Any]:
    for i, value in enumerate(values):
        if any(type(value) is type(other) and value == other for other in values[:i]):
            raise ValueError(f"{value!r} stands in the list twice")
    return values


Which = Annotated[list[NonNegativeInt], Field(min_length=1), AfterValidator(_each_once)]


class Range(Section):
    """Numbers from low to high. log: drawn by their logarithm. step: from one to the next, from low on."""

    low: FiniteFloat | int
    high: FiniteFloat | int
    log: bool = False
    step: PositiveFloat | PositiveInt | None = None

    @model_validator(mode="after")
    def _holds(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low is {self.low:g}, and high, {self.high:g}, is not above it")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs a low above 0, and it is {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other")
        return self

    @property
    def whole(self) -> bool:
        """Whether it is of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int) and isinstance(self.step, int | None)


class Study(Section):
    """Runs of one graph that differ in what is said here, and in their seeds.

    study: its name, under `studies/`. graph: a packaged graph's name, or a file's path from here. set: changes that all
    cells have, as of `--set`. vary: by key, `nodes.critic.temperature: [0.1, 0.2]`; values are laid over the graph as
    `--set` does it; a list of YAML files, under any name, lays those over it; `{low: 0.01, high: 1, log: true}` is a
    range, for samplers that draw. where: conditions that a cell fulfils, such as `nodes.critic.use != critic.bilinear
    or negatives == queue.yaml`. seeds: how many, from 0 on, or which. sampler: all cells, or `trials` that are drawn:
    `random`, or by what has come out so far, `tpe`. metric: by which cells are compared; default: the first that the
    graph measures. prune: `median` ends a run whose figure is below the others' median at the same epoch.
    """

    study: Text
    graph: Text
    set: list[Text] = Field(default_factory=list)
    vary: dict[str, Annotated[list[Any], Field(min_length=1), AfterValidator(_each_once)] | Range] = Field(min_length=1)
    where: list[Text] = Field(default_factory=list)
    seeds: HowMany | Which = 1
    sampler: Sampler = "grid"
    trials: Annotated[PositiveInt, Field(le=MOST_TRIALS)] | None = None
    metric: Text | None = None
    prune: Literal["median"] | None = None

    @property
    def all_seeds(self) -> tuple[int, ...]:
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else tuple(self.seeds)

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
    """Numbers from low to high."""

    low: FiniteFloat | int = Field(description="the least")
    high: FiniteFloat | int = Field(description="the largest")
    log: bool = Field(default=False, description="drawn by their logarithm")
    step: PositiveFloat | PositiveInt | None = Field(
        default=None, description="from one to the next, from low on; with it a grid takes a range"
    )

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
    """Runs of one graph that differ in what is said here, and in their seeds."""

    study: Text = Field(
        description="its name: the folder `studies/NAME`, and the run in MLflow under which its runs stand"
    )
    graph: Text = Field(description="a packaged graph's name, or a file's path from here")
    set: list[Text] = Field(default_factory=list, description="changes that all cells have, as of `--set`")
    vary: dict[str, Annotated[list[Any], Field(min_length=1), AfterValidator(_each_once)] | Range] = Field(
        min_length=1,
        description="by key, `nodes.critic.temperature: [0.1, 0.2]`, as `--set` changes it; a list of YAML files, "
        "under any name, is laid over the graph; `{low: 0.01, high: 1, log: true}` is a range, for "
        "samplers that draw",
    )
    where: list[Text] = Field(
        default_factory=list,
        description="conditions, all of which a cell fulfils, such as `nodes.critic.use != critic.bilinear or "
        "negatives == queue.yaml`",
    )
    seeds: HowMany | Which = Field(default=1, description="how many, from 0 on, or which")
    sampler: Sampler = Field(
        default="grid",
        description="`grid`: all cells; else `trials` of them are drawn: `random`, or `tpe`, by what has come out so "
        "far",
    )
    trials: Annotated[PositiveInt, Field(le=MOST_TRIALS)] | None = Field(
        default=None, description="cells that are drawn; null: 20"
    )
    metric: Text | None = Field(
        default=None,
        description="by which cells are compared, such as `knn/top5`; null: the first that the graph measures",
    )
    prune: Literal["median"] | None = Field(
        default=None,
        description="`median` ends a run whose figure is worse than the median of the others at the same epoch",
    )

    @property
    def all_seeds(self) -> tuple[int, ...]:
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else tuple(self.seeds)

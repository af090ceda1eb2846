"""What the file of a reproduction holds: the figure, what was published of it, and the recipe."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, FiniteFloat, NonNegativeInt

from ...graph.spec.section import Section

__all__ = ["Beside", "Figure", "Published", "Reproduction"]

Text = Annotated[str, Field(min_length=1)]


def _each_once(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("a seed stands in the list twice")
    return seeds


class Published(Section):
    """value: in the figure's unit. source: who has published it, and where: paper, table, page."""

    value: FiniteFloat
    source: Text


class Figure(Section):
    """One number of an evaluation, `knn` or `linear/top5`.

    options: of the evaluation, where they differ from its defaults; `graphssl components` and docs/evaluation.md have
    them. epoch: the last one's, or the best of those that are judged during the training. unit: of what was published;
    accuracies are shares here, and percent is a hundred times that. published: None where nothing was.
    """

    options: dict[str, Any] = Field(default_factory=dict)
    epoch: Literal["last", "best"] = "last"
    unit: Literal["%", "1"] = "%"
    published: Published | None = None

    @property
    def scale(self) -> float:
        """Units in 1."""
        return 100.0 if self.unit == "%" else 1.0


class Beside(Section):
    """Other code that is trained beside ours in one command, which writes what came of both as JSON lines.

    name: of its side in these lines. module: what it needs to have installed. command: with `{seeds}`, `{root}` of the
    data, `{device}` and `{record}`, the file to add lines to; a script is found from the file's folder. only: what the
    lines that count have, `{method: byol}`, where a file may have others.
    """

    name: Text
    module: Text
    command: list[Text] = Field(min_length=1)
    only: dict[str, str] = Field(default_factory=dict)


class Reproduction(Section):
    """A published figure, or one of our own that is measured beside other code.

    graph: a packaged graph's name, or a file's path from here. set: changes of it, as of `--set`. differs: in words,
    what of the settings is not as published, also what `set` changes. needs: `gpu` where a CPU would take weeks.
    """

    title: Text
    graph: Text
    set: list[Text] = Field(default_factory=list)
    differs: list[Text] = Field(default_factory=list)
    seeds: Annotated[list[NonNegativeInt], Field(min_length=1), AfterValidator(_each_once)] = Field([0])
    needs: Literal["cpu", "gpu"] = "cpu"
    figures: dict[str, Figure] = Field(min_length=1)
    beside: Beside | None = None

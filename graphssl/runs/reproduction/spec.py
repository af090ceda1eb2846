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
    """A number of a paper, or of somebody's benchmark."""

    value: FiniteFloat = Field(description="in the figure's unit")
    source: Text = Field(description="who has published it, and where: paper, table, page")


class Figure(Section):
    """One number of an evaluation."""

    options: dict[str, Any] = Field(
        default_factory=dict, description="of the evaluation, where they differ from its defaults (docs/evaluation.md)"
    )
    epoch: Literal["last", "best"] = Field(
        default="last", description="the last one's, or the best of those that are judged during the training"
    )
    unit: Literal["%", "1"] = Field(
        default="%",
        description="of what was published; accuracies are shares here, and percent is a hundred times that",
    )
    published: Published | None = Field(default=None, description="null where nothing was")

    @property
    def scale(self) -> float:
        """Units in 1."""
        return 100.0 if self.unit == "%" else 1.0


class Beside(Section):
    """Other code that is trained beside ours in one command, which writes what came of both as JSON lines."""

    name: Text = Field(description="of its side in these lines")
    module: Text = Field(description="what it needs to have installed")
    command: list[Text] = Field(
        min_length=1,
        description="with `{seeds}`, `{root}` of the data, `{device}` and `{record}`, the file to add lines to; a "
        "script is found from the file's folder",
    )
    only: dict[str, str] = Field(
        default_factory=dict,
        description="what the lines that count have, `{method: byol}`, where a file may have others",
    )


class Reproduction(Section):
    """A published figure, or one of our own that is measured beside other code."""

    title: Text = Field(description="what it is, in words")
    graph: Text = Field(description="a packaged graph's name, or a file's path from here")
    set: list[Text] = Field(default_factory=list, description="changes of it, as of `--set`")
    differs: list[Text] = Field(
        default_factory=list, description="in words, what of the settings is not as published, also what `set` changes"
    )
    seeds: Annotated[list[NonNegativeInt], Field(min_length=1), AfterValidator(_each_once)] = Field(
        default=[0], description="a run each"
    )
    needs: Literal["cpu", "gpu"] = Field(default="cpu", description="`gpu` where a CPU would take weeks")
    figures: dict[str, Figure] = Field(min_length=1, description="by name, `knn` or `linear/top5`")
    beside: Beside | None = Field(default=None, description="other code that is trained in the same command")

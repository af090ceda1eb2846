"""A whole graph file: its name, its nodes and how they are wired, and a section for each question."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, create_model

from ...schedule import Scheduled
from .codes import CODES
from .data import Data, data_section
from .evaluate import Evaluate, evaluate_section
from .section import Section
from .track import Track
from .train import Train

LONGEST = 200  # characters of a graph's name; a file's has 255 bytes
NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.+/-]*$"
COMPONENTS = r"\S.*\.py|\w+(\.\w+)*"  # a file or a package


def _named(name: str) -> str:
    if not re.fullmatch(NAME, name):
        raise ValueError(
            f"'graph' is '{name}'; a name is letters, digits and _ . + / -, and does not begin with . + / -"
        )
    if len(name) > LONGEST:
        raise ValueError(f"'graph' has {len(name):,} characters: {LONGEST} are the most, as files are called so")
    return name


def _loadable(entry: str) -> str:
    if not re.fullmatch(COMPONENTS, entry):
        raise ValueError(
            f"'{entry}' is neither a component file, such as ./my_critic.py, nor a package, such as mylab.ssl"
        )
    return entry


class TermSpec(Section):
    """A loss term with a weight that may be scheduled: `{value: objective(s), weight: {from: 0, to: 1}}`."""

    value: str = Field(description="the expression, `objective(s)`")
    weight: Scheduled[float] = Field(default=1.0, description="a number, or a schedule")


class UpdateSpec(Section):
    """An update that is not run at each step: `{call: fit(), every: epoch}`."""

    call: str = Field(description="the call of the node's update, `fit()`")
    every: Literal["step", "epoch"] = Field(
        default="step",
        description="step: after each optimizer step; epoch: after the last one of each epoch, with no value of a step",
    )


class GraphFile(Section):
    """A whole graph file."""

    # Of `evaluate:` only what every graph has; `graph_file` gives the model with all that it may hold.

    graph: Annotated[str, AfterValidator(_named), Field(json_schema_extra={"pattern": NAME})] = Field(
        description="its name: runs are called by it"
    )
    description: str | None = Field(default=None, description="in words, for people")
    components: list[Annotated[str, AfterValidator(_loadable)]] = Field(
        default=[],
        description="files of Python of your own, relative to this one, or packages, that hold components, data sets "
        "and evaluations",
    )
    allow: list[Annotated[str, Field(json_schema_extra={"enum": list(CODES)})]] = Field(
        default=[], description="rules that are turned off, by their codes"
    )
    data: Data = Field(default=Data(), description="on what")
    nodes: dict[str, dict[str, Any]] = Field(description="what exists: by name, `use:` a component and its config")
    flow: dict[str, str] = Field(description="what is computed: by the value's name, an expression of calls")
    loss: dict[str, str | TermSpec] = Field(
        description="the terms by name, each an expression, or `{value: ..., weight: ...}`; the loss is their sum"
    )
    update: dict[str, str | UpdateSpec | list[str | UpdateSpec]] = Field(
        default={},
        description="how each state is written, once for each optimizer step, after it, or with `{call: ..., every: "
        "epoch}` at the end of each epoch; a list of these where a node has several",
    )
    train: Train = Field(default=Train(), description="how")
    evaluate: Evaluate = Field(default=Evaluate(), description="how it is judged")
    track: Track = ["mlflow"]


def graph_file(use: object = None) -> type[GraphFile]:
    """The model that graph files are validated against: `evaluate:` has the options of every evaluation there is.

    use: the data set, whose options `data:` has.
    """
    return _graph_file(evaluate_section(), data_section(use))


@cache
def _graph_file(evaluate: type[Evaluate], data: type[Data]) -> type[GraphFile]:
    said = GraphFile.model_fields["evaluate"].description
    fields: dict[str, Any] = {"evaluate": (evaluate, Field(evaluate(), description=said))}
    if data is not Data:
        fields["data"] = (data, Field(Data(), description=GraphFile.model_fields["data"].description))
    return create_model("GraphFile", __base__=GraphFile, __doc__=GraphFile.__doc__, **fields)

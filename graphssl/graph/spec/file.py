"""A whole graph file: its name, its nodes and how they are wired, and a section for each question."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, Field, create_model

from ...schedule import Scheduled
from .codes import CODES
from .data import Data, data_section
from .evaluate import Evaluate, evaluate_section
from .section import Section
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

    value: str
    weight: Scheduled[float] = 1.0


class GraphFile(Section):
    """A whole graph file."""

    # Of `evaluate:` only what every graph has; `graph_file` gives the model with all that it may hold.

    graph: Annotated[str, AfterValidator(_named), Field(json_schema_extra={"pattern": NAME})]
    description: str | None = None
    components: list[Annotated[str, AfterValidator(_loadable)]] = []
    allow: list[Annotated[str, Field(json_schema_extra={"enum": list(CODES)})]] = []
    data: Data = Data()
    nodes: dict[str, dict[str, Any]]
    flow: dict[str, str]
    loss: dict[str, str | TermSpec]
    update: dict[str, str] = {}
    train: Train = Train()
    evaluate: Evaluate = Evaluate()


def graph_file(use: object = None) -> type[GraphFile]:
    """The model that graph files are validated against: `evaluate:` has the options of every evaluation there is.

    use: the data set, whose options `data:` has.
    """
    return _graph_file(evaluate_section(), data_section(use))


@cache
def _graph_file(evaluate: type[Evaluate], data: type[Data]) -> type[GraphFile]:
    fields: dict[str, Any] = {"evaluate": (evaluate, evaluate())}
    if data is not Data:
        fields["data"] = (data, Data())
    return create_model("GraphFile", __base__=GraphFile, __doc__=GraphFile.__doc__, **fields)

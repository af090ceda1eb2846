"""What kind of file a YAML file is, told by its sections: said where a command is given one of another kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ...errors import Problems
from .given import GIVEN
from .source import Source

__all__ = ["TITLES", "FileKind", "kind_of", "refuse_other_kind", "taken_by"]

FileKind = Literal["graph", "reproduction", "study", "recipe", "data", "boxes"]
TITLES: dict[FileKind, str] = {
    "graph": "a graph",
    "reproduction": "a reproduction",
    "study": "a study",
    "recipe": "a recipe of evaluations",
    "data": "a description of data",
    "boxes": "pictures with boxes",
}
USES: dict[FileKind, str] = {
    "graph": "`graphssl run {0}` trains it",
    "reproduction": "`graphssl reproduce {0}` runs it",
    "study": "`graphssl sweep {0}` runs it",
    "recipe": "`graphssl evaluate RUN --protocol {0}` judges a run by it",
    "data": "`graphssl evaluate RUN --data {0}` judges a run on it",
    "boxes": "`graphssl evaluate RUN --protocol detection --data {0}` judges a run on them",
}
ANYWHERE = {"components", "description"}


def kind_of(data: Mapping[str, Any]) -> FileKind | None:
    """None where the sections do not tell."""
    keys = set(data) - ANYWHERE
    if keys & {"nodes", "flow", "loss", "extends"}:
        return "graph"
    if "figures" in keys and keys & {"title", "graph", "set", "seeds"}:
        return "reproduction"
    if {"study", "graph"} <= keys:
        return "study"
    if keys == {"evaluate"}:
        return "recipe"
    inner = data["data"] if keys == {"data"} else data
    if not isinstance(inner, Mapping):
        return None
    if {"training", "test"} <= set(inner):
        return "boxes"
    return "data" if "use" in inner else None


def taken_by(kind: FileKind, name: str) -> str:
    """Which command takes it."""
    return USES[kind].format(name)


def refuse_other_kind(source: Source, wanted: Sequence[FileKind], problems: Problems, hint: str = "") -> None:
    """Raises GraphError for a file of another kind than is wanted, in place of a problem for each of its sections.

    hint: what would be right.
    """
    kind = kind_of(source.data)
    if kind is None or kind in wanted:
        return
    at = source.at(())
    name = "FILE" if at.file == GIVEN else at.file
    hint = "; ".join(filter(None, (taken_by(kind, name), hint)))
    problems.add(f"this is {TITLES[kind]}, and not {TITLES[wanted[0]]}", at, hint)
    problems.stop()

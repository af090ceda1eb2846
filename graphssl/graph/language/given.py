"""What Python hands over in place of a graph's text: mappings, numbers of numpy's, devices; and the text of that."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import UsageError
from .dump import dump

__all__ = ["GIVEN", "change_of", "is_text", "plain", "text_of"]

GIVEN = "<graph>"  # where problems of a graph are that no file holds


def is_text(graph: object) -> bool:
    """Whether it is a graph itself, and no name of one: a file's seldom has lines, or begins with a brace."""
    if not isinstance(graph, str):
        return isinstance(graph, Mapping)
    return ("\n" in graph or graph.lstrip().startswith("{")) and not os.path.isfile(graph)


def text_of(graph: str | Mapping[str, Any]) -> str:
    """The text of a graph that is handed over. Raises UsageError for a mapping with what no file can hold."""
    if isinstance(graph, str):
        return graph
    return dump(plain(graph, "graph")) if graph else ""


def change_of(key: str, value: Any) -> str:
    """A change as `--set` has it: `train.epochs=2`. Raises UsageError for a value that no file can hold."""
    try:
        return f"{key}={json.dumps(plain(value, f'sets[{key!r}]'), ensure_ascii=False, allow_nan=False)}"
    except ValueError:
        raise UsageError(f"sets[{key!r}] has a number that is not finite, which no graph holds") from None


def plain(value: Any, place: str) -> Any:
    """A value as YAML has it: text, numbers, lists and mappings of them. place: how it is named where it is none."""
    try:
        return _plain(value, place)
    except RecursionError:
        raise UsageError(f"{place} holds itself, or is too deep to follow") from None


def _plain(value: Any, place: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(getattr(value, "value", value))  # of an enumeration too
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise UsageError(f"{place} has the key {key!r}: keys are text")
        return {str(key): _plain(one, f"{place}[{key!r}]") for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_plain(one, f"{place}[{i}]") for i, one in enumerate(value)]
    if type(value).__module__ == "torch" and type(value).__name__ in ("device", "dtype"):
        return str(value).removeprefix("torch.")
    if hasattr(value, "tolist") and hasattr(value, "dtype"):  # numpy's and torch's
        return _plain(value.tolist(), place)
    raise UsageError(
        f"{place} is of type {type(value).__name__}, which no graph holds: text, numbers, booleans, None, lists and "
        "mappings of these"
    )

"""In what two graphs differ, and what of that a run that goes on may have otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from ..code import Code
from ..schedule import Schedule
from .graph import Graph
from .later import without_later
from .spec.weights import identity

__all__ = ["Change", "described", "differences", "is_free", "own_places", "stretched"]

# Keys of a resolved graph, with all below them, of which the weights at a step do not depend.
NAMES = ("graph", "description", "allow")
LENGTH = ("train.epochs", "train.steps")  # of which they do by schedules alone: `stretched`
PLACES = ("components", "data.root", "data.files", "data.test", "data.path", "data.download")
READING = ("data.workers", "data.resident", "data.decode", "data.on_bad_image")
COMPUTING = ("train.shard", "train.compile", "train.cuda_graph", "train.channels_last")
KEEPING = ("train.log_every", "train.checkpoint", "evaluate", "track")
FREE = (*NAMES, *LENGTH, *PLACES, *READING, *COMPUTING, *KEEPING)


class Change(NamedTuple):
    """A key of a resolved graph by its dotted name; None where it is not there, or says null."""

    key: str
    was: Any
    now: Any

    @property
    def free(self) -> bool:
        """Whether a run that goes on may have another value there."""
        return is_free(self.key)

    @property
    def override(self) -> str:
        """As `--set` takes it."""
        return f"{self.key}={json.dumps(self.now)}"

    def __str__(self) -> str:
        return f"{self.key}: {_text(self.was)} then, {_text(self.now)} now"


def is_free(key: str) -> bool:
    """Whether the weights at a step do not depend on a key of a resolved graph."""
    return any(key == name or key.startswith(f"{name}.") for name in FREE)


def differences(was: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> Iterator[Change]:
    """Of two resolved graphs, or parts of them at a path."""
    for key in dict.fromkeys([*was, *now]):
        before, after, name = was.get(key), now.get(key), f"{path}{key}"
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from differences(before, after, f"{name}.")
        elif before != after:
            yield Change(name, before, after)


def described(graph: Graph) -> dict[str, Any]:
    """The resolved graph, with files of code and weights by what they are. A checkpoint keeps it."""
    data = without_later(graph.resolved(), graph.spec, graph.nodes)
    for name, entry in data["nodes"].items():
        node = graph.nodes[name]
        if node.common_keys.weights is not None:
            entry["weights"] = identity(entry["weights"])
        entry.update({key: _moved(value) for key, value in node.config if isinstance(value, Code)})
    return data


def own_places(graph: Graph) -> frozenset[str]:
    """The keys of options of a data set of one's own that are paths: where it lies, and not which it is."""
    return frozenset(f"data.{name}" for name, value in graph.spec.data if isinstance(value, Path))


def _moved(code: Code) -> str:
    """The same wherever the file lies."""
    return Path(code.portable().text).name if code.file else code.text


def stretched(graph: Graph) -> list[str]:
    """The keys whose schedules span the whole training, and change with its length."""
    train = graph.spec.train
    found = ["train.schedule"] if train.schedule.shape == "cosine" else []
    models = {
        "train.optimizer": train.optimizer,
        **{f"train.nodes.{name}": entry for name, entry in train.nodes.items()},
        **{f"nodes.{name}": node.config for name, node in graph.nodes.items()},
    }
    found += [f"{place}.{key}" for place, model in models.items() for key, value in _fields(model) if _spans(value)]
    return found + [f"loss.{term.name}.weight" for term in graph.terms if _spans(term.weight)]


def _fields(model: BaseModel) -> Iterator[tuple[str, Any]]:
    """The values of a model by name, those of models in it by a dotted one."""
    for name, value in model:
        if isinstance(value, BaseModel) and not isinstance(value, Schedule):
            yield from ((f"{name}.{inner}", each) for inner, each in _fields(value))
        else:
            yield name, value


def _spans(value: Any) -> bool:
    return isinstance(value, Schedule) and value.over == "train" and value.shape != "constant"


def _text(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value) if isinstance(value, dict | list) else str(value)

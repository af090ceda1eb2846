"""The parts of a graph's resolved form that can be edited one by one, and which belong together."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from .language.expressions import OPTIONS

__all__ = ["KEPT", "MISSING", "Part", "changed_parts", "needed", "with_parts", "with_terms_of"]

MISSING: Any = object()
LINES = ("flow", "loss", "update")
KEPT = ("graph", "description", "allow", "evaluate", "track", "components")  # which say nothing of what is learnt


@dataclass(frozen=True)
class Part:
    """What differs: `nodes.target`, `flow.z`, `train.optimizer`, `data`. was, now: MISSING where it is not there."""

    path: tuple[str, ...]
    was: Any
    now: Any

    @property
    def key(self) -> str:
        return ".".join(self.path)

    @property
    def names(self) -> frozenset[str]:
        """The nodes and values that it is about: of a line, those that it makes, calls and uses."""
        if self.path[0] == "nodes":
            own = {self.path[1]}
            return frozenset(own | {n for side in (self.was, self.now) for n in _named(side)})
        if self.path[0] in LINES:
            made = {name.strip() for name in self.path[1].split(",")} if self.path[0] != "loss" else set()
            return frozenset(made | {n for side in (self.was, self.now) for n in _used(side)})
        return frozenset({self.path[2]} if self.path[:2] == ("train", "nodes") else ())


def _named(config: Any) -> Iterator[str]:
    """The names that stand in a node's options, among other words."""
    for value in config.values() if isinstance(config, Mapping) else ():
        yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


def _used(line: Any) -> Iterator[str]:
    text = line.get("value", line.get("call")) if isinstance(line, Mapping) else line
    if isinstance(text, str):
        tree = ast.parse(f"({text.replace(chr(10), ' ')})", mode="eval")
        options = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg in OPTIONS]
        yield from (node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node not in options)


def changed_parts(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[Part]:
    """In what two resolved graphs differ, part by part: the structure first, then how it is trained."""
    found = []
    for section in dict.fromkeys(("nodes", *LINES, *was, *now)):
        if section in KEPT:
            continue
        before, after = was.get(section, {}), now.get(section, {})
        if section == "data":
            found += [Part(("data",), before, after)] if before != after else []
            continue
        for key in dict.fromkeys([*before, *after]):
            found += _compared((section, key), before.get(key, MISSING), after.get(key, MISSING))
    return found


def _compared(path: tuple[str, ...], was: Any, now: Any) -> list[Part]:
    if was is not MISSING and now is not MISSING and was == now:
        return []
    if path != ("train", "nodes"):
        return [Part(path, was, now)]
    before, after = ({} if side is MISSING else side for side in (was, now))
    found = []
    for key in dict.fromkeys([*before, *after]):
        found += _compared((*path, key), before.get(key, MISSING), after.get(key, MISSING))
    return found


def with_parts(graph: Mapping[str, Any], parts: frozenset[Part] | tuple[Part, ...]) -> dict[str, Any]:
    """A resolved graph with these parts as they are now."""
    made: dict[str, Any] = {key: dict(value) if isinstance(value, Mapping) else value for key, value in graph.items()}
    for part in parts:
        if len(part.path) == 1:
            made[part.path[0]] = part.now
            continue
        holder = made.setdefault(part.path[0], {})
        for key in part.path[1:-1]:
            holder[key] = dict(holder.get(key, {}))
            holder = holder[key]
        if part.now is MISSING:
            holder.pop(part.path[-1], None)
        else:
            holder[part.path[-1]] = part.now
    return made


def with_terms_of(graph: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved graph whose loss terms are called as another's, which are the same or the only ones that differ."""
    mine = {name: term for name, term in graph["loss"].items() if name not in other["loss"]}
    theirs = {name: term for name, term in other["loss"].items() if name not in graph["loss"]}
    called = {}
    for name, term in theirs.items():
        same = [one for one, value in mine.items() if value == term or len(mine) == len(theirs) == 1]
        if same:
            called[same[0]] = name
            del mine[same[0]]
    return {**graph, "loss": {called.get(name, name): term for name, term in graph["loss"].items()}}


def needed(graph: Mapping[str, Any]) -> dict[str, Any]:
    """Of a resolved graph what has a part in what is learnt: two that are equal then compute the same.

    Left out are lines whose values nothing reads, and nodes that nothing calls or follows.
    """
    lines: dict[str, Any] = dict(graph["flow"])
    nodes: dict[str, Any] = dict(graph["nodes"])
    updates: dict[str, Any] = dict(graph.get("update", {}))
    while True:
        written = chain.from_iterable(one if isinstance(one, list) else [one] for one in updates.values())
        texts = [*lines.values(), *graph["loss"].values(), *written]
        named = chain.from_iterable(map(_named, nodes.values()))
        read = {*_judged(graph), *chain.from_iterable(map(_used, texts)), *named}
        dead = [key for key in lines if not {one.strip() for one in key.split(",")} & read]
        unused = [name for name in nodes if name not in read]
        if not dead and not unused:
            return {**graph, "flow": lines, "nodes": nodes, "update": updates}
        lines = {key: text for key, text in lines.items() if key not in dead}
        nodes = {name: config for name, config in nodes.items() if name not in unused}
        updates = {name: text for name, text in updates.items() if name in nodes}


def _judged(graph: Mapping[str, Any]) -> Iterator[str]:
    features = graph.get("evaluate", {}).get("features")
    for name in features if isinstance(features, list) else [features]:
        if isinstance(name, str):
            yield name.partition(".")[0]

"""Graphs that are read from their text, and what their calls take."""

from __future__ import annotations

from conftest import Write

from graphssl.graph.calls import Slot
from graphssl.graph.graph import Graph
from graphssl.graph.read import load


def read(write: Write, text: str, *changes: tuple[str, str]) -> Graph:
    return load(write(text, *changes))


def calls(graph: Graph, node: str) -> list[dict[str, str | tuple[str, ...] | None]]:
    """The arguments of each call of a node, by the names of the slots."""

    def name(argument: object) -> str | tuple[str, ...] | None:
        if isinstance(argument, Slot):
            return argument.name
        return tuple(s.name for s in argument) if isinstance(argument, tuple) else None

    return [{k: name(v) for k, v in c.args.items()} for c in graph.calls if c.node == node]

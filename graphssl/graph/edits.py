"""Single edits of a graph: a part taken out, or exchanged for another of its kind, with the lines that follow from it.

Each is changes as `--set` takes them. Whether what comes out is a graph is not known here: `check` says it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..component import Component, discover
from .graph import Graph
from .nodes import Node
from .rewriting import as_change, calls_of, changed_lines, set_line

__all__ = ["Edit", "edits_of", "kind_of"]

EXCHANGED = ("negatives", "critic", "objective")  # kinds of which another may take the place
WHOLE = ("encoder", "objective")  # without which there is nothing to train, or nothing to be judged
STOP = "stopgrad"


@dataclass(frozen=True)
class Edit:
    """name: what is done, in words. part: what it is done to: a node, `stopgrad`, a loss term, `augment.flip`."""

    name: str
    part: str
    kind: Literal["without", "exchange"]
    sets: tuple[str, ...]


def edits_of(graph: Graph) -> list[Edit]:
    """All single edits, part by part, in the order of the file; what is taken out comes before what is exchanged."""
    nodes = list(graph.nodes.values())
    found = [edit for node in nodes for edit in _removals(graph, node)]
    found += [*_without_stops(graph), *_without_terms(graph)]
    return found + [edit for node in nodes if kind_of(node) in EXCHANGED for edit in _exchanges(graph, node)]


def kind_of(node: Node) -> str:
    """`critic` of `critic.cosine`."""
    return node.component.name.partition(".")[0]


# -- taken out -----------------------------------------------------------------------------------------------


def _removals(graph: Graph, node: Node) -> Iterator[Edit]:
    if "view" in node.component.traits:
        yield from _without_operations(node)
    elif "average" in node.component.traits:
        yield _without_average(graph, node)
    elif kind_of(node) == "negatives":
        yield _without_argument(graph, node)
    elif kind_of(node) not in WHOLE and (edit := _bypassed(graph, node)) is not None:
        yield edit


def _bypassed(graph: Graph, node: Node) -> Edit | None:
    """What a node is given takes the place of what it gives; None of a node that is called with more than that."""
    calls = calls_of(graph, node.name)
    if not calls or any(len(call.args) != 1 or _values(call) for call in calls) or len(node.forward.outputs) != 1:
        return None
    sets = changed_lines(graph, lambda call: call.args[0] if _is_of(call, node.name) else None)
    return Edit(f"without {node.name}", node.name, "without", (*sets, *_taken_out(graph, node)))


def _without_argument(graph: Graph, node: Node) -> Edit:
    """What takes a source of negatives goes without."""

    def fewer(call: ast.Call) -> ast.expr | None:
        left = [arg for arg in call.args if not _is_of(arg, node.name)]
        keywords = [keyword for keyword in call.keywords if not _is_of(keyword.value, node.name)]
        if len(left) + len(keywords) == len(call.args) + len(call.keywords):
            return None
        return ast.Call(call.func, left, keywords)

    sets = changed_lines(graph, fewer)
    return Edit(f"without {node.name}", node.name, "without", (*sets, *_taken_out(graph, node)))


def _values(call: ast.Call) -> list[ast.keyword]:
    """The keywords that give values, and are no options."""
    return [keyword for keyword in call.keywords if keyword.arg not in ("pairs", "views")]


def _without_average(graph: Graph, node: Node) -> Edit:
    """The nodes themselves take the place of their average, whose output no gradient went through."""
    chain = node.refs()

    def online(call: ast.Call) -> ast.expr | None:
        if not _is_of(call, node.name):
            return None
        value: ast.expr = call
        for i, name in enumerate(chain):
            given = list(call.args) if i == 0 else [value]
            value = ast.Call(ast.Name(name), given, list(call.keywords) if i == 0 else [])
        return ast.Call(ast.Name(STOP), [value], [])

    sets = changed_lines(graph, online)
    return Edit(f"without {node.name}", node.name, "without", (*sets, *_judged(graph, node), *_taken_out(graph, node)))


def _judged(graph: Graph, node: Node) -> Iterator[str]:
    """What is judged of an average, its copies too, is judged of the nodes that it follows."""
    named = graph.spec.evaluate.named
    instead = {node.name: node.refs()[0], **{f"{node.name}.{ref}": ref for ref in node.refs()}}
    if instead.keys() & set(named):
        yield as_change("evaluate.features", list(dict.fromkeys(instead.get(name, name) for name in named)))


def _taken_out(graph: Graph, node: Node) -> Iterator[str]:
    """The changes that take a node out of all sections but the flow and the loss."""
    for other in graph.nodes.values():
        refs = other.refs()
        if node.name in refs and other is not node:
            left = [name for name in refs if name != node.name]
            for key in other.component.refs:
                if isinstance(getattr(other.config, key), list | tuple):
                    yield as_change(f"nodes.{other.name}.{key}", left)
    if node.name in graph.spec.update:
        yield set_line(graph, "update", node.name, None)
    if node.name in graph.spec.train.nodes:
        yield as_change(f"train.nodes.{node.name}", None)
    yield as_change(f"nodes.{node.name}", None)


def _without_stops(graph: Graph) -> Iterator[Edit]:
    """The gradient flows through each place where it was stopped; all at once, which are one idea."""
    if calls_of(graph, STOP):
        sets = changed_lines(graph, lambda call: call.args[0] if _is_of(call, STOP) else None)
        yield Edit("without stopgrad", STOP, "without", tuple(sets))


def _without_terms(graph: Graph) -> Iterator[Edit]:
    for name in graph.spec.loss if len(graph.spec.loss) > 1 else ():
        yield Edit(f"without loss.{name}", f"loss.{name}", "without", (set_line(graph, "loss", name, None),))


def _without_operations(node: Node) -> Iterator[Edit]:
    """Each operation of a node that makes views, as its config says how one is turned off."""
    config = node.config
    for key, off in config.turns_off.items():
        value = getattr(config, key)
        if _plain(value) != _plain(off) and not (isinstance(value, tuple) and set(value) == {off}):
            yield Edit(
                f"{node.name} without {key}", f"{node.name}.{key}", "without",
                (as_change(f"nodes.{node.name}.{key}", _plain(off)),),
            )  # fmt: skip
    for key in config.leaves_out:
        entries = config.model_dump(mode="json", by_alias=True)[key] or []
        for i, entry in enumerate(entries if isinstance(entries, list) and len(entries) > 1 else ()):
            name = entry if isinstance(entry, str) else entry.get("use", f"{key} {i + 1}")
            left = [other for j, other in enumerate(entries) if j != i]
            change = as_change(f"nodes.{node.name}.{key}", left)
            yield Edit(f"{node.name} without {name}", f"{node.name}.{key}.{i}", "without", (change,))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


# -- exchanged -----------------------------------------------------------------------------------------------


def _exchanges(graph: Graph, node: Node) -> Iterator[Edit]:
    """Every other component of its kind in its place, with the options that both have."""
    for other in discover().values():
        if other.name == node.component.name or other.name.partition(".")[0] != kind_of(node):
            continue
        sets = [as_change(f"nodes.{node.name}", {"use": other.name, **_shared(node, other)})]
        if kind_of(node) == "negatives":
            more = _fed(graph, node, other)
            if more is None:
                continue
            sets += more
        yield Edit(f"{node.name}: {other.name}", node.name, "exchange", tuple(sets))


def _shared(node: Node, other: Component) -> dict[str, Any]:
    """What is said of a node's options, as far as another component has them too."""
    said = node.config.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {key: value for key, value in said.items() if key in other.config.model_fields}


def _fed(graph: Graph, node: Node, other: Component) -> list[str] | None:
    """The lines by which another source of negatives gets what it takes; None where nobody knows whence."""
    known = _whence(graph, node)
    given = [known.get(port.name) for port in other.forward.inputs]
    if None in given:
        return None
    words = [word for word in given if word is not None]
    new = ast.parse(f"{node.name}({', '.join(words)})", mode="eval").body
    found = changed_lines(graph, lambda call: new if _is_of(call, node.name) else None)
    for method, ports in other.updates.items():
        taken = [known.get(port.name) for port in ports.inputs]
        if None in taken:
            return None
        return [*found, as_change(f"update.{node.name}", f"{method}({', '.join(map(str, taken))})")]
    return [*found, as_change(f"update.{node.name}", None)] if node.name in graph.spec.update else found


def _whence(graph: Graph, node: Node) -> Mapping[str, str]:
    """What could be given to a source of negatives, by the port's name: of the call in which it stands, the key."""
    known = {"index": "batch.index"} | ({"label": "batch.label"} if "label" in graph.batch else {})
    for name in graph.nodes:
        for call in calls_of(graph, name):
            if len(call.args) > 1 and any(_is_of(inner, node.name) for arg in call.args for inner in ast.walk(arg)):
                known["key"] = ast.unparse(call.args[1])
    return known


def _is_of(call: ast.AST, node: str) -> bool:
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == node

"""The `nodes:` section: each entry becomes a component with its validated config and its ports."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, get_args

import networkx as nx
from pydantic import Field
from torch import fx, nn

from ..component import REGISTRY, Component, NodeConfig, discover
from ..errors import Problem, Span, suggest
from ..language.source import Source
from ..language.validation import validate
from ..ports import Signature

RESERVED = {"batch", "stopgrad", "views", "self"}
TAKEN = frozenset(dir(fx.GraphModule(nn.Module(), fx.Graph())))  # nodes become attributes of such a module


class CommonKeys(NodeConfig):
    """The keys of every node, whatever its component."""

    recompute: bool = Field(
        False, description="activations are made again in the backward pass, instead of kept: less memory, more time"
    )


COMMON_KEYS = tuple(CommonKeys.model_fields)
Draft = tuple[Component, NodeConfig, CommonKeys]


@dataclass(frozen=True)
class Node:
    """An entry of `nodes:`. `forward` are its ports for this config; `use_span` is where its component is named."""

    name: str
    component: Component
    config: NodeConfig
    forward: Signature
    span: Span | None
    use_span: Span | None
    common_keys: CommonKeys

    def refs(self) -> list[str]:
        """The nodes that the config names."""
        return [name for field in self.component.refs for name in _names(getattr(self.config, field))]


def name_problem(name: str, what: str) -> str | None:
    """Why a node or a value may not have this name."""
    if not name.isidentifier() or keyword.iskeyword(name):
        return f"'{name}' cannot name a {what}: a name is letters, digits and _, and no word of Python"
    if name in RESERVED or name.startswith("__"):
        return f"'{name}' cannot name a {what}: the word has a meaning of its own"
    if what == "node" and (name in TAKEN or name.startswith("_")):
        return f"'{name}' cannot name a node: a torch module already has something of that name"
    return None


def read_nodes(
    entries: Mapping[str, Mapping[str, Any]],
    source: Source,
    problems: list[Problem],
    *,
    broken: Iterable[str] = (),
    incomplete: bool = False,
) -> dict[str, Node | None]:
    """The nodes by name, in the order of the file; None for one in error.

    broken: nodes in error that are no entries. incomplete: some of the graph's own components did not load, and one
    that nobody knows may be of those.
    """
    discover()
    drafts: dict[str, Draft | None] = dict.fromkeys(broken)
    for name, entry in entries.items():
        if reason := name_problem(name, "node"):
            problems.append(Problem(reason, source.at(("nodes", name), key=True)))
        drafts[name] = _read(name, entry, source, problems, incomplete)
    order = _by_reference(drafts, source, problems)
    nodes: dict[str, Node | None] = {}
    for name in order:
        draft = drafts[name]
        nodes[name] = draft and _node(name, *draft, nodes, source, problems)
    return {name: nodes.get(name) for name in drafts}


def _read(
    name: str, entry: Mapping[str, Any], source: Source, problems: list[Problem], incomplete: bool
) -> Draft | None:
    path = ("nodes", name)
    use = entry.get("use")
    if not isinstance(use, str):
        entries = source.data["nodes"].items()
        others = [n for n, other in entries if n != name and isinstance(other, dict) and "use" in other]
        hint = suggest(name, others).text or ""
        if "use" in entry or not hint.startswith("did you mean"):
            hint = f"as in {name}: {{use: encoder.resnet}}; `graphssl components` lists them"
        problems.append(Problem(f"the node '{name}' does not say which component to use", source.at(path, True), hint))
        return None
    if use not in REGISTRY:
        hint = suggest(use, REGISTRY).text or _same_kind(use) or "`graphssl components` lists them"
        if not incomplete:
            problems.append(Problem(f"no component is called '{use}'", source.at((*path, "use")), hint))
        return None
    component = REGISTRY[use]
    entry = {**dict.fromkeys(_nulls(name, component, source)), **entry}
    config, wrong = validate(component.config, {k: v for k, v in entry.items() if k not in ("use", *COMMON_KEYS)})
    common, more = validate(CommonKeys, {k: v for k, v in entry.items() if k in COMMON_KEYS})
    for at, message, advice in (*wrong, *more):
        key = message.startswith("no key")
        meant = suggest(str(at[-1]), COMMON_KEYS).text if key and len(at) == 1 else None
        advice = meant if meant and meant.startswith("did you mean") else advice
        problems.append(Problem(f"{use}: {message}", source.at((*path, *at), key), advice))
    return (component, config, common) if config is not None and common is not None else None


def _nulls(name: str, component: Component, source: Source) -> Iterator[str]:
    """Options that a null took out and that take null: it means that then, as where nothing is extended."""
    for option, field in component.config.model_fields.items():
        if ("nodes", name, option) in source.removed and NoneType in get_args(field.annotation):
            yield option


def _same_kind(use: str) -> str | None:
    kind = use.split(".")[0]
    same = [name for name in REGISTRY if name.startswith(f"{kind}.")]
    return f"there are {', '.join(same)}" if same else None


def _names(value: Any) -> Iterable[str]:
    return [value] if isinstance(value, str) else value or []


def _by_reference(drafts: Mapping[str, Draft | None], source: Source, problems: list[Problem]) -> list[str]:
    """Node names, each after those that its config names. Wrong names and cycles are noted and left out."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(drafts)
    for name, draft in drafts.items():
        if draft is None:
            continue
        for field in draft[0].refs:
            for i, other in enumerate(_names(getattr(draft[1], field))):
                at = source.at(("nodes", name, field, i)) or source.at(("nodes", name, field))
                if other not in drafts:
                    hint = source.removal(("nodes", other))
                    hint = hint or suggest(other, [n for n in drafts if n != name], "nodes are").text
                    problems.append(Problem(f"no node is called '{other}'", at, hint))
                graph.add_edge(other, name)
    for group in list(nx.strongly_connected_components(graph)):
        if len(group) > 1 or any(graph.has_edge(n, n) for n in group):
            ring = [n for n in drafts if n in group]
            message = f"nodes are made of each other: {' -> '.join([*ring, ring[0]])}"
            problems.append(Problem(message, source.at(("nodes", ring[0]), True)))
            graph.remove_nodes_from(group)
    bad = {n for n in graph if n not in drafts}
    bad |= {n for b in bad for n in nx.descendants(graph, b)}
    return [
        n
        for n in nx.lexicographical_topological_sort(graph, key=list(drafts).index if not bad else str)
        if n not in bad
    ]


def _node(
    name: str,
    component: Component,
    config: NodeConfig,
    common: CommonKeys,
    nodes: Mapping[str, Node | None],
    source: Source,
    problems: list[Problem],
) -> Node | None:
    path = ("nodes", name)
    of = {}
    for field in component.refs:
        for other in _names(getattr(config, field)):
            known = nodes.get(other)
            if known is None:
                return None
            of[other] = known.forward
    try:
        ports = component.signature(config, of)
    except ValueError as error:
        at = source.at((*path, *component.refs[:1]))
        problems.append(Problem(f"'{name}' ({component.name}): {error}", at))
        return None
    return Node(name, component, config, ports, source.at(path, True), source.at((*path, "use")), common)

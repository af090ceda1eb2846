"""The `nodes:` section: each entry becomes a component with its validated config and its ports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import networkx as nx
from pydantic import Field, field_validator, model_validator

from ..code import own_field
from ..component import REGISTRY, Code, Component, NodeConfig, discover, renamed
from ..errors import RAISED, Problems, Refused, Span, suggest
from ..ports import Signature
from .language.source import Source
from .language.validation import Wrong, validate, wrong_defaults
from .names import check_name
from .plugins import unregistered
from .slips import slip_of
from .spec.weights import Weights

__all__ = ["COMMON_KEYS", "CommonKeys", "Node", "copies_of", "keys_of_framework", "read_nodes"]


class CommonKeys(NodeConfig):
    """The keys of every node, whatever its component. A component that has one of its own keeps that."""

    recompute: bool = Field(
        False, description="activations are made again in the backward pass, instead of kept: less memory, more time"
    )
    weights: str | Weights | None = Field(
        None, description="what it starts with: a file, or {run: byol-1, node: encoder}, and more; docs/weights.md"
    )
    freeze: bool = Field(False, description="nothing of it trains, and it is in eval mode, its batch norm too")
    train: str | list[str] | None = Field(
        None, description="the parts of it that train, by name: layer4, [layer3, layer4]; the rest is as with freeze"
    )

    @field_validator("train")
    @classmethod
    def _names_something(cls, train: str | list[str] | None) -> str | list[str] | None:
        if train is not None and not all([train, *train]):
            raise ValueError("train names the parts that train; where none is to, write freeze: true")
        return train

    @model_validator(mode="after")
    def _frozen_or_trained(self) -> CommonKeys:
        if self.freeze and self.train is not None:
            raise ValueError("freeze: true trains nothing of it, and train: names parts of it: leave one out")
        return self

    @property
    def start(self) -> Weights | None:
        """Where its first weights come from; None where they are drawn."""
        return None if self.weights is None else Weights.read(self.weights)

    @property
    def trained_parts(self) -> list[str] | None:
        """The parts that train, none of a frozen node; None where nothing is said."""
        if self.freeze:
            return []
        return [self.train] if isinstance(self.train, str) else self.train


COMMON_KEYS = tuple(CommonKeys.model_fields)


def keys_of_framework(component: Component) -> set[str]:
    """The common keys that a node of this component has."""
    return set(COMMON_KEYS) - set(component.config.model_fields)


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

    def ports(self, method: str) -> Signature:
        """Of `forward`, or of an update."""
        return self.forward if method == "forward" else self.component.updates[method]

    def refs(self) -> list[str]:
        """The nodes that the config names."""
        return _refs(self.component, self.config)


def copies_of(nodes: Mapping[str, Node | None]) -> dict[str, str]:
    """The copies that moving averages keep, `target.encoder`, each with the node that it is of."""
    averages = [n for n in nodes.values() if n is not None and "average" in n.component.traits]
    return {f"{average.name}.{ref}": ref for average in averages for ref in average.refs()}


@dataclass(frozen=True)
class _Draft:
    """An entry whose component is known and whose config is right."""

    component: Component
    config: NodeConfig
    common_keys: CommonKeys


def read_nodes(
    entries: Mapping[str, Mapping[str, Any]],
    source: Source,
    problems: Problems,
    *,
    broken: Iterable[str] = (),
    incomplete: bool = False,
) -> dict[str, Node | None]:
    """The nodes by name, in the order of the file; None for one in error.

    broken: nodes in error that are no entries. incomplete: some of the graph's own components did not load, and one
    that nobody knows may be of those.
    """
    discover()
    drafts: dict[str, _Draft | None] = dict.fromkeys(broken)
    for name, entry in entries.items():
        check_name(name, "node", source.at(("nodes", name), key=True), problems)
        component = _component(name, entry, source, problems, incomplete)
        drafts[name] = None if component is None else _draft(name, component, entry, source, problems)
    nodes: dict[str, Node | None] = {}
    for name in _by_reference(drafts, source, problems):
        draft = drafts[name]
        nodes[name] = None if draft is None else _node(name, draft, nodes, source, problems)
    return {name: nodes.get(name) for name in drafts}


def _component(
    name: str, entry: Mapping[str, Any], source: Source, problems: Problems, incomplete: bool
) -> Component | None:
    path, use = ("nodes", name), entry.get("use")
    if not isinstance(use, str):
        entries = source.data["nodes"].items()
        others = [n for n, other in entries if n != name and isinstance(other, dict) and "use" in other]
        close = suggest(name, others)
        hint = f"as in {name}: {{use: encoder.resnet}}; `graphssl components` lists them"
        if "use" not in entry and close.near:
            hint = str(close)
        problems.add(f"the node '{name}' does not say which component to use", source.at(path, True), hint, about=name)
        return None
    now = renamed(use)
    if use not in REGISTRY and (now or not incomplete):
        near = now or suggest(use, REGISTRY).text
        hint = near or unregistered(source, use) or _same_kind(use) or "`graphssl components` lists them"
        at = source.at((*path, "use"))
        problems.add(f"no component is called '{use}'", at, hint, kind="unknown", about=use)
    return REGISTRY.get(use)


def _same_kind(use: str) -> str | None:
    kind = use.split(".")[0]
    same = [name for name in REGISTRY if name.startswith(f"{kind}.")]
    return f"there are {', '.join(same)}" if same else None


def _draft(
    name: str, component: Component, entry: Mapping[str, Any], source: Source, problems: Problems
) -> _Draft | None:
    entry = {**dict.fromkeys(_nulls(name, component, source)), **entry}
    ours = keys_of_framework(component)
    try:
        config, wrong = validate(component.config, {k: v for k, v in entry.items() if k not in ("use", *ours)})
    except RAISED as error:  # of a validator
        _note_slip(f"'{name}' ({component.name}): its config fails", error, source.at(("nodes", name)), name, problems)
        return None
    common, more = validate(CommonKeys, {k: v for k, v in entry.items() if k in ours})
    for one in (*wrong, *more):
        at = source.at(("nodes", name, *one.path), key=one.kind == "unknown")
        problems.add(f"{component.name}: {one.message}", at, _hint(one), kind=one.kind, about=name)
    if config is None or common is None or not _has_right_defaults(name, component, config, source, problems):
        return None
    return _Draft(component, config.model_copy(update=dict(_placed(name, config, source))), common)


def _has_right_defaults(
    name: str, component: Component, config: NodeConfig, source: Source, problems: Problems
) -> bool:
    """Notes the defaults of a component of the user's own that its own types refuse, of which pydantic says nothing."""
    if component.cls.__module__.partition(".")[0] == __package__.partition(".")[0]:
        return True
    wrong = wrong_defaults(config)
    for one in wrong:
        own = own_field(type(config), str(one.path[0]))
        message = f"'{name}' ({component.name}): a default is not of its own type: {one.message}"
        problems.add(message, source.at(("nodes", name, "use")), one.hint, about=name, own=own)
    return not wrong


def _note_slip(message: str, error: BaseException, at: Span, name: str, problems: Problems) -> None:
    slip = slip_of(error)
    problems.add(f"{message}: {slip.reason}", at, slip.hint, about=name, own=slip.own)


def _placed(name: str, config: NodeConfig, source: Source) -> Iterator[tuple[str, Code]]:
    """The fields that name the user's code, which is looked for from the file that says so."""
    for option, value in config:
        if isinstance(value, Code):
            yield option, replace(value, folder=Path(source.at(("nodes", name, option)).file).parent)


def _hint(wrong: Wrong) -> str | None:
    """A key of no component may be one that all nodes have."""
    if wrong.kind == "unknown" and len(wrong.path) == 1:
        close = suggest(str(wrong.path[-1]), COMMON_KEYS)
        return close.text if close.near else wrong.hint
    return wrong.hint


def _nulls(name: str, component: Component, source: Source) -> Iterator[str]:
    """Options that a null took out and that take null: it means that then, as where nothing is extended."""
    for option, field in component.config.model_fields.items():
        if ("nodes", name, option) in source.removed and NoneType in get_args(field.annotation):
            yield option


def _refs(component: Component, config: NodeConfig) -> list[str]:
    return [name for field in component.refs for name in _names(getattr(config, field))]


def _names(value: Any) -> Iterable[str]:
    return [value] if isinstance(value, str) else value or []


def _by_reference(drafts: Mapping[str, _Draft | None], source: Source, problems: Problems) -> list[str]:
    """Node names, each after those that its config names. Wrong names and cycles are noted and left out."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(drafts)
    for name, draft in drafts.items():
        if draft is not None:
            _check_refs(name, draft, drafts, source, problems)
            graph.add_edges_from((other, name) for other in _refs(draft.component, draft.config))
    for group in list(nx.strongly_connected_components(graph)):
        if len(group) > 1 or any(graph.has_edge(n, n) for n in group):
            ring = [n for n in drafts if n in group]
            message = f"nodes are made of each other: {' -> '.join([*ring, ring[0]])}"
            problems.add(message, source.at(("nodes", ring[0]), True))
            graph.remove_nodes_from(group)
    bad = {n for n in graph if n not in drafts}
    bad |= {n for b in bad for n in nx.descendants(graph, b)}
    order = nx.lexicographical_topological_sort(graph, key=str if bad else list(drafts).index)
    return [n for n in order if n not in bad]


def _check_refs(
    name: str, draft: _Draft, drafts: Mapping[str, _Draft | None], source: Source, problems: Problems
) -> None:
    """Notes nodes that a config names and that are not there."""
    for field in draft.component.refs:
        for i, other in enumerate(_names(getattr(draft.config, field))):
            if other not in drafts:
                at, removal = source.at(("nodes", name, field, i)), source.removal(("nodes", other))
                problems.unknown_name("node", other, at, [n for n in drafts if n != name], removal)


def _node(
    name: str, draft: _Draft, nodes: Mapping[str, Node | None], source: Source, problems: Problems
) -> Node | None:
    path, component = ("nodes", name), draft.component
    of = {}
    for other in _refs(component, draft.config):
        known = nodes.get(other)
        if known is None:
            return None
        of[other] = known.forward
    try:
        ports = component.signature(draft.config, of)
        component.views(draft.config)  # which the wiring asks for
    except ValueError as error:
        option, slip = error.option if isinstance(error, Refused) else None, slip_of(error)
        at = source.at((*path, option)) if option else source.at((*path, *component.refs[:1]))
        problems.add(f"'{name}' ({component.name}): {slip.reason}", at, slip.hint, about=name, own=slip.own)
        return None
    except RAISED as error:
        _note_slip(f"'{name}' ({component.name}): its ports fail", error, source.at(path, True), name, problems)
        return None
    span, use_span = source.at(path, True), source.at((*path, "use"))
    return Node(name, component, draft.config, ports, span, use_span, draft.common_keys)

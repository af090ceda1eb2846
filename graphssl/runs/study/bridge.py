"""From one graph to another by single edits: a chain of graphs that hold, each a cell of a study."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...checks.checked import validated
from ...errors import GraphError, UsageError
from ...graph.graph import Graph
from ...graph.parts import MISSING, Part, changed_parts, needed, with_parts, with_terms_of
from ...graph.read import load
from .cells import SEED
from .listed import Listed, listed_plan
from .outcome import PREVIOUS
from .plan import Plan

__all__ = ["bridge_between", "chain"]

Progress = Callable[[int], None]
Group = tuple[Part, ...]


def bridge_between(first: str, last: str, said: Mapping[str, Any], progress: Progress | None = None) -> Plan:
    """The study of the chain between two graphs. said: as of a study, by the keys of its file.

    All are judged as the first is. Raises GraphError for a graph that is wrong, UsageError for two that do not differ.
    """
    sets = [*said.get("set", ()), SEED]
    begin, end = (load(name, sets) for name in (first, last))
    for graph in (begin, end):
        validated(graph)
    groups = chain(begin, end, progress)
    if not groups:
        raise UsageError(f"'{first}' and '{last}' compute the same")
    graphs, done = [Listed(f"0. {begin.name}", begin)], begin.resolved()
    for i, group in enumerate(groups, start=1):
        done = with_parts(done, group)
        graphs.append(Listed(f"{i}. {words_of(group)}", load(done)))
    kind, made = f"to-{end.name.replace('/', '-')}", f"bridge {first} {last}"
    return listed_plan(first, graphs, said, kind, base=PREVIOUS, made=made)


def chain(begin: Graph, end: Graph, progress: Progress | None = None) -> list[Group]:
    """The edits, in order, after each of which the graph holds and computes something else: each as small as it can be,
    and none taken back.

    A part that cannot change alone, as where a line of the flow calls a node that is taken out, changes with the fewest
    others that make it hold. Of the edits that are possible the smallest comes first, and the structure's before those
    of the training. What has no part in what is learnt yet, such as a node that nothing calls, comes with what uses it.
    """
    target = end.resolved()
    now = with_terms_of(begin.resolved(), target)
    now["evaluate"], now["allow"] = begin.resolved().get("evaluate", {}), _allowed(begin, end)
    left = changed_parts(now, target)
    found: list[Group] = []
    waiting: Group = ()
    while left:
        group = _Search(now, left).smallest()
        left = [part for part in left if part not in group]
        before, now = needed(now), with_parts(now, group)
        if needed(now) == before and found and all(part.now is MISSING for part in group):
            found[-1] = (*found[-1], *group)
        elif needed(now) == before:
            waiting = (*waiting, *group)
        else:
            used = tuple(part for part in waiting if _is_needed(part, now))
            found.append((*used, *group))
            waiting = tuple(part for part in waiting if part not in used)
        if progress is not None:
            progress(len(found))
    if waiting and found:
        found[-1] = (*found[-1], *waiting)
    return found


def _is_needed(part: Part, graph: Mapping[str, Any]) -> bool:
    """Whether something of a graph depends on a part."""
    without = with_parts(graph, (Part(part.path, part.now, part.was),))
    return needed(without) != needed(graph)


def _allowed(begin: Graph, end: Graph) -> list[str]:
    return list(dict.fromkeys([*begin.spec.allow, *end.spec.allow]))


@dataclass
class _Search:
    """For the next edit of a graph, among the parts that are left."""

    graph: Mapping[str, Any]
    left: Sequence[Part]

    def __post_init__(self) -> None:
        self._errors: dict[frozenset[str], int] = {}

    def smallest(self) -> Group:
        """All that is left, where nothing less holds."""
        best: Group = tuple(self.left)
        for part in self.left:
            group = self._grown(part, len(best))
            if group is not None and len(group) < len(best):
                best = group
            if len(best) == 1:
                break
        return best

    def _grown(self, part: Part, most: int) -> Group | None:
        """A part with those that it needs: each time the one after which the fewest things are wrong."""
        group: Group = (part,)
        while (errors := self.errors(group)) > 0:
            if len(group) + 1 >= most:
                return None
            names = frozenset().union(*(one.names for one in group))
            near = [one for one in self.left if one not in group and names & one.names]
            if not near:
                return None
            fewest = min(near, key=lambda one: self.errors((*group, one)))
            if self.errors((*group, fewest)) > errors:
                return None
            group = (*group, fewest)
        return self._lessened(group)

    def _lessened(self, group: Group) -> Group:
        """Without what it holds without."""
        for part in group:
            less = tuple(one for one in group if one is not part)
            if less and self.errors(less) == 0:
                return self._lessened(less)
        return group

    def errors(self, group: Iterable[Part]) -> int:
        """How many things are wrong with the graph after an edit."""
        key = frozenset(part.key for part in group)
        if key not in self._errors:
            self._errors[key] = _errors_of(with_parts(self.graph, tuple(group)))
        return self._errors[key]


def _errors_of(graph: Mapping[str, Any]) -> int:
    """A graph that cannot be read is further away than one whose shapes or rules do not hold."""
    try:
        read = load(graph)
    except GraphError as error:
        return 100 + len(error.problems)
    try:
        validated(read)
    except GraphError as error:
        return sum(p.severity == "error" for p in error.problems)
    return 0


def words_of(group: Group) -> str:
    """What an edit does: nodes first; lines are said where no node is."""
    ordered = sorted(group, key=lambda part: part.path[0] != "nodes")
    nodes = [part for part in ordered if part.path[0] in ("nodes", "train", "data")]
    return "; ".join(_words(part) for part in nodes or ordered)


def _words(part: Part) -> str:
    name = part.path[-1]
    if part.path[0] == "nodes" and (part.was is MISSING or part.now is MISSING):
        side = part.was if part.now is MISSING else part.now
        return f"without {name}" if part.now is MISSING else f"{name}: {side['use']}"
    if isinstance(part.was, Mapping) and isinstance(part.now, Mapping):
        return f"{part.key.removeprefix('nodes.')}: {', '.join(_keys(part.was, part.now))}"
    return f"{part.key}: {'nothing' if part.now is MISSING else _short(part.now)}"


def _keys(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    if was.get("use") != now.get("use"):
        yield f"{now.get('use')}"
        return
    for key in dict.fromkeys([*was, *now]):
        if was.get(key) != now.get(key):
            yield f"{key} {_short(now.get(key))}"


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        said = [f"{key} {_short(one)}" for key, one in value.items() if one is not None]
        return str(value.get("use") or ", ".join(said))
    return "nothing" if value is None else str(value)

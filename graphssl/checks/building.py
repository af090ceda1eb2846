"""Nodes on the meta device, each built as soon as the sizes that it asks for are known from the wires."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import torch
from torch import nn

from ..component import DataFacts, Sizes, Unbound
from ..errors import RAISED, Problems
from ..graph.build import build_node
from ..graph.calls import Call
from ..graph.nodes import Node
from ..graph.slips import slip_of
from .axes import Letters

__all__ = ["Building"]

SAMPLES = "samples"  # what `Unbound` says where the number of training samples is asked for


class Building:
    """The nodes of a graph, those that are built and those that wait.

    letters: for each node those known so far. modules: what is built. failed: nodes with which something is wrong.
    """

    def __init__(self, nodes: Mapping[str, Node], data: DataFacts, found: Problems) -> None:
        self.letters: dict[str, dict[str, tuple[int, str]]] = {name: {} for name in nodes}
        self.modules: dict[str, nn.Module] = {}
        self.failed: set[str] = set()
        self._nodes, self._data, self._found = nodes, data, found
        self._waiting: dict[str, str] = {}
        self._attempts: dict[str, int] = {}  # how many letters were known when a node could not be built

    def has(self, name: str) -> bool:
        """Whether a node is built, and nothing is wrong with it."""
        return name in self.modules and name not in self.failed

    def sizes(self, name: str) -> Sizes:
        """What a node may ask for so far."""
        return Sizes({k: size for k, (size, _) in self.letters[name].items()}, self._data)

    def learn(self, name: str, letters: Letters) -> bool:
        """Adds to the letters of a node; whether one was new."""
        known = self.letters[name]
        new = {k: v for k, v in letters.items() if k not in known and k != "b"}
        known.update(new)
        return bool(new)

    def fail(self, name: str, problems: Problems) -> None:
        """Notes what is wrong with a node, once at each place: copies of a node fail where it does."""
        self.failed.add(name)
        for problem in problems:
            if problem.span is None or all(problem.span != told.span for told in self._found):
                self._found.merge([problem])

    def build(self, names: Iterable[str]) -> bool:
        """Builds those of which more is known than at the last attempt; whether one could be built."""
        before = len(self.modules)
        for name in names:
            node, known = self._nodes[name], len(self.letters[name])
            if name in self.modules or name in self.failed or self._attempts.get(name) == known:
                continue
            if all(r in self.modules for r in node.refs()):
                self._attempts[name] = known
                self._build(node)
        return len(self.modules) > before

    def _build(self, node: Node) -> None:
        try:
            with torch.device("meta"):
                self.modules[node.name] = build_node(node, self.sizes(node.name), self.modules)
        except Unbound as letter:
            self._waiting[node.name] = str(letter)
        except RAISED as error:
            wrong = Problems()
            slip = slip_of(error)
            message = f"'{node.name}' ({node.component.name}) cannot be built: {slip.reason}"
            wrong.add(message, node.span, slip.hint, own=slip.own)
            self.fail(node.name, wrong)

    # -- what is left --------------------------------------------------------------------------------------

    def note_unbound(self, pending: Sequence[Call], filled: Collection[int], excused: bool = False) -> None:
        """Notes the nodes that could not be built, and for want of which the pending calls could not be run.

        filled: the slots that are known. excused: why the number of samples is not known is noted already. Where
        something else is wrong, these may be what follows from it.
        """
        if self._found:
            return
        waiting = [n for n in self._nodes if n in self._waiting and n not in self.modules]
        excuses = [n for n in waiting if excused and self._waiting[n] == SAMPLES]
        for name in waiting:
            if name not in excuses:
                self._note_unbound(self._nodes[name], self._waiting[name], pending, filled)
        if pending and not self._found and not excuses:
            self._note_circle(pending[0])

    def _note_circle(self, call: Call) -> None:
        """Notes that nothing is the first to be known, with the node that another one names, if that is why."""
        left = [(n, ref) for n, node in self._nodes.items() for ref in node.refs() if not {n, ref} & {*self.modules}]
        name, ref = left[0] if left else (call.node, None)
        why = "they depend on each other" if ref is None else f"those of '{ref}' depend on '{name}', which names it"
        self._found.add(f"the sizes here cannot be worked out: {why}", call.span, about=name)

    def _note_unbound(self, node: Node, letter: str, pending: Sequence[Call], filled: Collection[int]) -> None:
        title = f"'{node.name}' ({node.component.name})"
        if letter == SAMPLES:
            message = f"{title} needs the number of training samples, which is not known"
            hint = (
                "it is known for named data sets, for an image folder whose root exists, and for shards by data.samples"
            )
            self._found.add(message, node.span, hint)
            return
        own = [call for call in pending if call.node == node.name]
        followers = [n.name for n in self._nodes.values() if node.name in n.refs()]
        if any(slot.id not in filled for call in own for slot in call.inputs()):  # another node would give it its size
            return
        if not (own or followers):
            message = f"{title} is never called, and so nothing gives it the size of '{letter}'"
            self._found.add(message, node.span, "call it in a line of the flow, or leave the node out", about=node.name)
            return
        message = f"{title} needs the size of '{letter}', and no wire gives it"
        hint = f"something whose '{letter}' is known must flow into '{node.name}'"
        self._found.add(message, node.span, hint if own else f"{hint}, which only '{followers[0]}' names")

"""Shape inference: nodes are built on the meta device and called with meta tensors of the real batch size.

A node is built as soon as the letters that it asks for are known from the wires; a call runs as soon as its node
is built and its arguments are known. Nothing is computed and no memory is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ..code import own_method
from ..component import DataFacts
from ..errors import RAISED, Problems
from ..graph.calls import Call
from ..graph.graph import Graph
from ..ports import tensors_of
from ..ports.draws import GENERATOR
from . import hints
from .axes import Input, match
from .building import Building
from .chance import Chance, Draw, Watch, named_parts
from .failure import Failure
from .shapes import Shapes
from .values import Values

__all__ = ["find_shapes", "infer"]


def infer(graph: Graph, data: DataFacts, batch: int) -> Shapes:
    """Runs the graph on meta tensors; raises GraphError with what does not fit."""
    found = Problems()
    shapes = find_shapes(graph, data, batch, found)
    found.stop()
    assert shapes is not None
    return shapes


def find_shapes(
    graph: Graph, data: DataFacts, batch: int, found: Problems, built: dict[str, nn.Module] | None = None
) -> Shapes | None:
    """As `infer`, but notes what does not fit; None where something does not. built: takes the nodes that are.

    Where it is noted already that the data are not there, nodes that ask for their number of samples cannot be built,
    and neither they nor what waits for them is a problem of its own.
    """
    with GENERATOR:  # components of the user's own may draw as they are built
        inference = _Inference(graph, data, batch)
        pending = inference.run()
    absent = any(p.kind == "missing" and p.about == "data" for p in found)
    inference.nodes.note_unbound(pending, inference.values.known, absent)
    found.merge(inference.found)
    if built is not None:
        built.update(inference.nodes.modules)
    return None if inference.found or pending else inference.shapes()


class _Inference:
    """The values that are known so far, and the nodes that are built so far."""

    def __init__(self, graph: Graph, data: DataFacts, batch: int) -> None:
        self.graph, self.data, self.batch = graph, data, batch
        self.found = Problems()
        self.nodes = Building(graph.nodes, data, self.found)
        self.values = Values(graph, data, batch)
        self.given: dict[int, Any] = {}  # by forward calls
        self.flops: dict[str, int] = {}
        self._watch = Watch()
        self._results: dict[Any, tuple[Any, int, list[Draw]]] = {}  # of calls, with their multiply-adds times two
        self._draws: dict[int, list[Draw]] = {}  # of forward calls
        self._named = {ref for node in graph.nodes.values() for ref in node.refs()}

    def shapes(self) -> Shapes:
        slots = {k: tuple(tuple(t.shape) for t in tensors_of(v)) for k, v in self.values.known.items()}
        sizes = {name: self.nodes.sizes(name) for name in self.graph.nodes}
        signatures = {name: node.forward for name, node in self.graph.nodes.items()}
        modules = self.nodes.modules
        names = {part: name for name, part in named_parts({n: modules[n] for n in self.graph.nodes if n in modules})}
        chance = {number: Chance(tuple(draws), names) for number, draws in self._draws.items() if draws}
        within = {
            names[part]: {names[p] for p in around if p in names}
            for part, around in self._watch.within.items()
            if part in names
        }
        return Shapes(self.batch, self.data, slots, self.given, sizes, modules, signatures, self.flops, chance, within)

    def run(self) -> list[Call]:
        """Runs each call as soon as it can be; notes what does not fit, and gives the calls that wait for a node."""
        pending = list(self.graph.calls)
        progress = True
        while progress:
            progress = self.nodes.build(self.graph.nodes)
            waiting = []
            for call in pending:
                if not self.values.ready(call):
                    # What it waits for may be given by a node that names it, as a mask names its encoder.
                    progress |= call.node in self._named and self._bind(call)
                    waiting.append(call)
                    continue
                if self._bind(call):
                    progress = True
                    self.nodes.build([call.node])
                if call.node == "stopgrad" or self.nodes.has(call.node):
                    self._run(call)
                    progress = True
                elif call.node not in self.nodes.failed:
                    waiting.append(call)
            pending = waiting
        return pending

    def _bind(self, call: Call) -> bool:
        """Learns a node's letters from a call's arguments, those known; notes what does not fit, and fails the node."""
        if call.node == "stopgrad" or call.node in self.nodes.failed:
            return False
        here: dict[str, tuple[int, str]] = {}
        givers: dict[str, Input] = {}
        wrong = Problems()
        for given in self.values.inputs(call):
            self._unify(call, given, here, givers, wrong)
            if wrong:
                self.nodes.fail(call.node, wrong)
                return False
        return self.nodes.learn(call.node, here)

    def _unify(
        self, call: Call, given: Input, here: dict[str, tuple[int, str]], givers: dict[str, Input], found: Problems
    ) -> None:
        """Adds an input's sizes to those of the call so far, and who gave them; notes the first that does not fit."""
        title = ".".join([call.node, *([] if call.method == "forward" else [call.method]), given.port.name])
        matched = match(given.axes, given.shape)
        gets = f"but gets {list(given.shape)} from {given.giver}"
        if matched is None or hints.is_map_for_grid(given):
            found.add(f"{title} takes [{' '.join(given.axes)}], {gets}", call.span, hints.of_axes(given))
            return
        for letter, size in matched:
            first = givers.setdefault(letter, given)
            if letter.isdigit():
                if int(letter) != size:
                    found.add(f"{title} takes {letter} there, {gets}", call.span)
                    return
            elif here.setdefault(letter, (size, f"{title} has {letter}={size} ({given.giver})"))[0] != size:
                message = f"{title} has {letter}={size} ({given.giver}) but {here[letter][1]}"
                found.add(message, call.span, hints.of_sizes(given, first, letter, self.graph))
                return

    def _run(self, call: Call) -> None:
        if call.node == "stopgrad":
            self.values.copy(call)
            return
        try:
            args, kwargs = self.values.arguments(call, self.nodes.modules[call.node])
        except RAISED as error:  # of its draw
            self._note_failure(call, error, (), {})
            return
        key = _likeness(call, args, kwargs)
        if key not in self._results:
            before, versions, own = self._watch.flops, _versions(args, kwargs), self._own_versions(call)
            try:
                self.values.check_parts(call, self.nodes.modules[call.node])
                with torch.no_grad(), self._watch.call():
                    result = getattr(self.nodes.modules[call.node], call.method)(*args, **kwargs)
            except RAISED as error:
                self._note_failure(call, error, args, kwargs)
                return
            if _versions(args, kwargs) != versions:
                self.nodes.fail(call.node, self._writes(call))
                return
            if self._watch.made or self._own_versions(call) != own:
                self.nodes.fail(call.node, self._makes(call))
                return
            self._results[key] = result, self._watch.flops - before, self._watch.draws
        if call.method == "forward":
            result, flops, self._draws[call.id] = self._results[key]
            self.flops[call.node] = self.flops.get(call.node, 0) + flops
            self.given[call.id] = result
            wrong = Problems()
            self.values.store(call, result, wrong, own_method(self.nodes.modules[call.node].forward))
            if wrong:
                self.nodes.fail(call.node, wrong)

    def _writes(self, call: Call) -> Problems:
        """A call that changes what it is given, which others are given too."""
        wrong, node = Problems(), self.graph.nodes[call.node]
        hint = (
            "x = x * 2 in place of x.mul_(2), nn.ReLU() in place of nn.ReLU(inplace=True) where the input comes first"
        )
        message = f"'{call.node}' ({node.component.name}) writes into its input, which other nodes read too"
        wrong.add(message, call.span, hint, about=call.node)
        return wrong

    def _own_versions(self, call: Call) -> list[int]:
        """How often each weight that trains was written, of the node of a forward call."""
        module = self.nodes.modules[call.node]
        return [p._version for p in module.parameters() if p.requires_grad] if call.method == "forward" else []

    def _makes(self, call: Call) -> Problems:
        """A call that makes weights, anew at each step, of which no optimizer knows."""
        wrong, node, module = Problems(), self.graph.nodes[call.node], self.nodes.modules[call.node]
        names = ", ".join(dict.fromkeys(self._watch.made))
        message = f"'{call.node}' ({node.component.name}) makes weights in {call.method} ({names}), which never train"
        hint = f"make them in __init__; {call.method} only calls them"
        if not names:
            message = f"'{call.node}' ({node.component.name}) writes into its weights in {call.method}"
            hint = "the optimizer writes weights; what a node writes itself is a buffer, in an @update method"
        wrong.add(message, call.span, hint, about=call.node, own=own_method(getattr(module, call.method)))
        return wrong

    def _note_failure(self, call: Call, error: BaseException, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        wrong = Problems()
        given = tuple(self.values.inputs(call))
        Failure(call, error, (args, kwargs), given, self.graph, self.nodes.modules, self.nodes.letters).note(wrong)
        self.nodes.fail(call.node, wrong)


def _versions(args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[int]:
    """How often each tensor that a call is given was written."""
    tensors = (t for value in (*args, *kwargs.values()) for t in tree_leaves(value) if isinstance(t, Tensor))
    return [t._version for t in tensors if not t.is_inference()]


def _likeness(call: Call, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Equal for calls that differ in nothing but their data, such as of an encoder with each of many views."""
    given = (*args, *kwargs.values())
    if call.draws or not all(isinstance(a, Tensor) for a in given):
        return call.id
    return call.node, call.method, tuple(kwargs), tuple((a.shape, a.stride(), a.dtype) for a in given)

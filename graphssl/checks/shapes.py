"""Shape inference: nodes are built on the meta device and called with meta tensors of the real batch size.

A node is built as soon as the letters that it asks for are known from the wires; a call runs as soon as its node
is built and its arguments are known. Nothing is computed and no memory is used.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..component import DataFacts, Sizes, Unbound
from ..errors import GraphError, Problem
from ..graph.build import build_node
from ..graph.calls import Argument, Call, Slot
from ..graph.graph import Graph
from ..graph.nodes import Node
from ..ports import Signature, flattened, joined, parted, tensors_of, unflattened
from .counter import Counter
from .failure import Failure, Input, Shape, first_line, inputs_of, match


@dataclass(frozen=True)
class Shapes:
    """What inference found.

    slots: the shape of each tensor of each slot, by the slot's id.
    results: what each forward call gives, on the meta device, by the call's id.
    sizes: the letters of each node. flops: multiply-adds times two of one forward pass, by node.
    """

    batch: int
    data: DataFacts
    slots: Mapping[int, tuple[Shape, ...]]
    results: Mapping[int, Any]
    sizes: Mapping[str, Sizes]
    modules: Mapping[str, nn.Module]
    signatures: Mapping[str, Signature]
    flops: Mapping[str, int]

    def trainable(self) -> set[str]:
        """Nodes with a parameter that an optimizer may change."""
        return {name for name, m in self.modules.items() if any(p.requires_grad for p in m.parameters())}

    def image_size(self, node: str) -> tuple[int, int] | None:
        """Height and width of the images that a node takes, or None for a node that takes none."""
        signature = self.signatures.get(node)
        first = signature.inputs[0] if signature and signature.inputs else None
        if first is None or first.family or first.axes != (("b", "c", "h", "w"),) or "h" not in self.sizes[node]:
            return None
        return self.sizes[node]["h"], self.sizes[node]["w"]


def infer(graph: Graph, data: DataFacts, batch: int) -> Shapes:
    """Runs the graph on meta tensors; raises GraphError with what does not fit."""
    inference = _Inference(graph, data, batch)
    inference.run()
    if inference.problems:
        raise GraphError(inference.problems)
    return Shapes(
        batch, data,
        {k: tuple(tuple(t.shape) for t in tensors_of(v)) for k, v in inference.values.items()}, inference.given,
        {k: Sizes({n: s for n, (s, _) in v.items() if n != "b"}, data) for k, v in inference.letters.items()},
        inference.modules, {k: n.forward for k, n in graph.nodes.items()}, inference.flops,
    )  # fmt: skip


@dataclass
class _Inference:
    graph: Graph
    data: DataFacts
    batch: int
    problems: list[Problem] = field(default_factory=list)
    values: dict[int, Any] = field(default_factory=dict)
    modules: dict[str, nn.Module] = field(default_factory=dict)
    flops: dict[str, int] = field(default_factory=dict)
    given: dict[int, Any] = field(default_factory=dict)  # by forward calls
    counter: Counter = field(default_factory=Counter)
    results: dict[Any, tuple[Any, int]] = field(default_factory=dict)  # of calls, with their multiply-adds times two

    def __post_init__(self) -> None:
        facts = self.data
        shapes = {"image": ((self.batch, facts.channels, facts.height, facts.width), torch.uint8)}
        for name, slot in self.graph.batch.items():
            shape, kind = shapes.get(name, ((self.batch,), torch.int64))
            self.values[slot.id] = torch.empty(shape, dtype=kind, device="meta")
        # For each node the letters known so far, with the words that say where each comes from.
        self.letters: dict[str, dict[str, tuple[int, str]]] = {name: {} for name in self.graph.nodes}
        self.waiting: dict[str, str] = {}
        self.attempts: dict[str, int] = {}  # how many letters were known when a node could not be built
        self.failed: set[str] = set()

    def run(self) -> None:
        pending = list(self.graph.calls)
        progress = True
        while progress:
            progress = self._build_nodes(self.graph.nodes)
            waiting = []
            for call in pending:
                if not all(slot.id in self.values for slot in call.inputs()):
                    waiting.append(call)
                    continue
                if self._bind(call):
                    progress = True
                    self._build_nodes([call.node])
                if call.node == "stopgrad" or (call.node in self.modules and call.node not in self.failed):
                    self._run(call)
                    progress = True
                elif call.node not in self.failed:
                    waiting.append(call)
            pending = waiting
        self._report_unbound(pending)

    # -- nodes ---------------------------------------------------------------------------------------------

    def _build_nodes(self, names: Iterable[str]) -> bool:
        """Builds those of which more is known than at the last attempt; whether one could be built."""
        before = len(self.modules)
        for name in names:
            node, known = self.graph.nodes[name], len(self.letters[name])
            if name in self.modules or name in self.failed or self.attempts.get(name) == known:
                continue
            if all(r in self.modules for r in node.refs()):
                self.attempts[name] = known
                self._build(node)
        return len(self.modules) > before

    def _build(self, node: Node) -> None:
        sizes = Sizes({k: size for k, (size, _) in self.letters[node.name].items()}, self.data)
        try:
            with torch.device("meta"):
                self.modules[node.name] = build_node(node, sizes, self.modules)
        except Unbound as letter:
            self.waiting[node.name] = str(letter)
        except Exception as error:
            message = f"'{node.name}' ({node.component.name}) cannot be built: {first_line(error)}"
            self._fail(node.name, Problem(message, node.span))

    def _report_unbound(self, pending: list[Call]) -> None:
        """Notes the nodes that could not be built, and for want of which the pending calls could not be run."""
        if self.problems:
            return
        for name in self.graph.nodes:
            if name in self.waiting and name not in self.modules:
                self.problems += self._unbound(self.graph.nodes[name], self.waiting[name], pending)
        if pending and not self.problems:
            call = pending[0]
            self.problems.append(Problem("the sizes here cannot be worked out: they depend on each other", call.span))

    def _unbound(self, node: Node, letter: str, pending: list[Call]) -> Iterator[Problem]:
        title = f"'{node.name}' ({node.component.name})"
        if letter == "samples":
            message = f"{title} needs the number of training samples, which is not known"
            hint = (
                "it is known for named data sets, for an image folder whose root exists, and for shards by data.samples"
            )
            yield Problem(message, node.span, hint)
            return
        own = [call for call in pending if call.node == node.name]
        followers = [n.name for n in self.graph.nodes.values() if node.name in n.refs()]
        waits = any(slot.id not in self.values for call in own for slot in call.inputs())
        if waits or not (own or followers):  # it would get its size if another node had its
            return
        message = f"{title} needs the size of '{letter}', and no wire gives it"
        hint = f"something whose '{letter}' is known must flow into '{node.name}'"
        yield Problem(message, node.span, hint if own else f"{hint}, which only '{followers[0]}' names")

    # -- calls ---------------------------------------------------------------------------------------------

    def _signature(self, call: Call) -> Signature:
        node = self.graph.nodes[call.node]
        return node.forward if call.method == "forward" else node.component.updates[call.method]

    def _bind(self, call: Call) -> bool:
        """Learns a node's letters from the arguments of a call; notes what does not fit, and fails the node."""
        if call.node == "stopgrad" or call.node in self.failed:
            return False
        here: dict[str, tuple[int, str]] = {}
        for given in inputs_of(call, self._signature(call), self.values):
            problem = _unify(call, given, here)
            if problem:
                self._fail(call.node, problem)
                return False
        known = self.letters[call.node]
        new = {k: v for k, v in here.items() if k not in known and k != "b"}
        known.update(new)
        return bool(new)

    def _run(self, call: Call) -> None:
        if call.node == "stopgrad":
            (slot,) = call.inputs()
            self.values[call.outputs[0].id] = self.values[slot.id]
            return
        args, kwargs = self._arguments(call)
        key = _likeness(call, args, kwargs)
        if key not in self.results:
            before = self.counter.flops
            try:
                with torch.no_grad(), self.counter:
                    result = getattr(self.modules[call.node], call.method)(*args, **kwargs)
            except Exception as error:
                given = tuple(inputs_of(call, self._signature(call), self.values))
                failure = Failure(call, error, (args, kwargs), given, self.graph.nodes, self.modules, self.letters)
                self._fail(call.node, failure.problem(self.graph.source))
                return
            self.results[key] = result, self.counter.flops - before
        if call.method == "forward":
            result, flops = self.results[key]
            self.flops[call.node] = self.flops.get(call.node, 0) + flops
            self.given[call.id] = result
            self._store(call, result)

    def _arguments(self, call: Call) -> tuple[list[Any], dict[str, Any]]:
        args, kwargs = call.arguments(self._signature(call).inputs, lambda argument: self._known(call, argument))
        if call.draws:
            rows = self.batch * call.fold * math.prod(self._grid(call))
            module = self.modules[call.node]
            kwargs["draws"] = module.draw(rows, None, torch.device("meta"))  # type: ignore[operator]
        return args, kwargs

    def _known(self, call: Call, argument: Argument) -> Any:
        if argument is None:
            return None
        if isinstance(argument, Slot):
            return self._flat(call, argument, self.values[argument.id])
        if call.fold > 1:
            return self._flat(call, argument[0], joined([self.values[s.id] for s in argument]))
        return tuple(self._flat(call, slot, self.values[slot.id]) for slot in argument)

    @staticmethod
    def _flat(call: Call, slot: Slot, value: Any) -> Any:
        """A value with its positions folded into the batch, where the call does so."""
        return flattened(value, call.grid) if call.folds(slot) else value

    def _grid(self, call: Call) -> Shape:
        """The sizes of the positions that are folded into the batch."""
        slot = next((s for s in call.inputs() if call.folds(s)), None)
        return tuple(tensors_of(self.values[slot.id])[0].shape[1 : 1 + call.grid]) if slot else ()

    def _store(self, call: Call, result: Any) -> None:
        """Gives the results to the call's slots."""
        ports = self._signature(call).outputs
        parts = [result] if len(ports) == 1 and not ports[0].name else list(result)
        slots = iter(call.outputs)
        for part, port in zip(parts, ports, strict=True):
            if call.folds(port):
                part = unflattened(part, (-1, *self._grid(call)))
            members = part if port.family else (part,)
            for member in parted(part, call.fold) if call.fold > 1 else members:
                slot = next(slots)
                self.values[slot.id] = member
                for axes, tensor in zip(slot.axes, tensors_of(member), strict=False):
                    if match(axes, tuple(tensor.shape)) is None:
                        message = f"{call.node} gives {list(tensor.shape)}, but says [{' '.join(axes)}]"
                        hint = "its component's annotations are wrong"
                        self._fail(call.node, Problem(message, call.span, hint))

    def _fail(self, node: str, problem: Problem) -> None:
        """Notes what is wrong with a node, once at each place: copies of a node fail where it does."""
        self.failed.add(node)
        if problem.span is None or all(problem.span != p.span for p in self.problems):
            self.problems.append(problem)


def _unify(call: Call, given: Input, here: dict[str, tuple[int, str]]) -> Problem | None:
    """Adds the sizes of an input's letters to those of the call so far; what does not fit is returned."""
    title = ".".join([call.node, *([] if call.method == "forward" else [call.method]), given.port.name])
    matched = match(given.axes, given.shape)
    gets = f"but gets {list(given.shape)} from {given.giver}"
    if matched is None:
        return Problem(f"{title} takes [{' '.join(given.axes)}], {gets}", call.span)
    for letter, size in matched:
        if letter.isdigit():
            if int(letter) != size:
                return Problem(f"{title} takes {letter} there, {gets}", call.span)
        elif here.setdefault(letter, (size, f"{title} has {letter}={size} ({given.giver})"))[0] != size:
            return Problem(f"{title} has {letter}={size} ({given.giver}) but {here[letter][1]}", call.span)
    return None


def _likeness(call: Call, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Equal for calls that differ in nothing but their data, such as of an encoder with each of many views."""
    given = (*args, *kwargs.values())
    if call.draws or not all(isinstance(a, Tensor) for a in given):
        return call.id
    return call.node, call.method, tuple(kwargs), tuple((a.shape, a.stride(), a.dtype) for a in given)


__all__ = ["Shape", "Shapes", "infer", "match"]

"""Shape inference: nodes are built on the meta device and called with meta tensors of the real batch size.

A node is built as soon as the letters that it asks for are known from the wires; a call runs as soon as its node
is built and its arguments are known. Nothing is computed and no memory is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from .component import DataFacts, Sizes, Unbound, build
from .errors import GraphError, Problem
from .graph import Graph
from .nodes import Node
from .ports import Port, Signature, tensors_of
from .values import Argument, Call, Slot

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Shapes:
    """What inference found.

    slots: the shape of each tensor of each slot, by the slot's id.
    sizes: the letters of each node. flops: multiply-adds times two of one forward pass, by node.
    """

    batch: int
    data: DataFacts
    slots: Mapping[int, tuple[Shape, ...]]
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
        {k: tuple(tuple(t.shape) for t in tensors_of(v)) for k, v in inference.values.items()},
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

    def __post_init__(self) -> None:
        facts = self.data
        shapes = {"image": ((self.batch, facts.channels, facts.height, facts.width), torch.uint8)}
        for name, slot in self.graph.batch.items():
            shape, kind = shapes.get(name, ((self.batch,), torch.int64))
            self.values[slot.id] = torch.empty(shape, dtype=kind, device="meta")
        # For each node the letters known so far, with the words that say where each comes from.
        self.letters: dict[str, dict[str, tuple[int, str]]] = {name: {} for name in self.graph.nodes}
        self.waiting: dict[str, str] = {}
        self.failed: set[str] = set()

    def run(self) -> None:
        pending = list(self.graph.calls)
        progress = True
        while progress:
            progress = self._build_nodes()
            for call in list(pending):
                if not all(slot.id in self.values for slot in call.inputs()):
                    continue
                progress |= self._bind(call)
                if call.node in self.failed:
                    pending.remove(call)
                elif call.node == "stopgrad" or call.node in self.modules:
                    pending.remove(call)
                    self._run(call)
                    progress = True
        self._report_unbound(pending)

    # -- nodes ---------------------------------------------------------------------------------------------

    def _build_nodes(self) -> bool:
        before = len(self.modules)
        for name, node in self.graph.nodes.items():
            if name not in self.modules and name not in self.failed and all(r in self.modules for r in node.refs()):
                self._build(node)
        return len(self.modules) > before

    def _build(self, node: Node) -> None:
        sizes = Sizes({k: size for k, (size, _) in self.letters[node.name].items()}, self.data)
        try:
            with torch.device("meta"):
                self.modules[node.name] = build(node.component, node.config, sizes, sources(node, self.modules))
        except Unbound as letter:
            self.waiting[node.name] = str(letter)
        except Exception as error:
            self.failed.add(node.name)
            message = f"'{node.name}' ({node.component.name}) cannot be built: {_first_line(error)}"
            self.problems.append(Problem(message, node.span))

    def _report_unbound(self, pending: list[Call]) -> None:
        if self.problems:
            return
        for name in self.graph.nodes:
            if name in self.modules:
                continue
            node, letter = self.graph.nodes[name], self.waiting.get(name)
            if letter == "samples":
                message = f"'{name}' ({node.component.name}) needs the number of training samples, which is not known"
                hint = "it is known for named data sets, and for an image folder whose root exists"
            elif letter is None or name not in {c.node for c in pending}:
                continue
            else:
                message = f"'{name}' ({node.component.name}) needs the size of '{letter}', and no wire gives it"
                hint = f"something whose '{letter}' is known must flow into '{name}'"
            self.problems.append(Problem(message, node.span, hint))
        if pending and not self.problems:
            call = pending[0]
            self.problems.append(Problem("the sizes here cannot be worked out: they depend on each other", call.span))

    # -- calls ---------------------------------------------------------------------------------------------

    def _signature(self, call: Call) -> Signature:
        node = self.graph.nodes[call.node]
        return node.forward if call.method == "forward" else node.component.updates[call.method]

    def _bind(self, call: Call) -> bool:
        """Learns a node's letters from the arguments of a call; notes what does not fit, and fails the node."""
        if call.node == "stopgrad" or call.node in self.failed:
            return False
        here: dict[str, tuple[int, str]] = {}
        for port, slot in _wires(call, self._signature(call)):
            for axes, tensor in zip(port.axes, tensors_of(self.values[slot.id]), strict=False):
                shape = tuple(tensor.shape)
                if call.fold > 1 and axes[:1] == ("b",):
                    shape = (shape[0] * call.fold, *shape[1:])
                problem = self._unify(call, port, slot, axes, shape, here)
                if problem:
                    self.problems.append(problem)
                    self.failed.add(call.node)
                    return False
        known = self.letters[call.node]
        new = {k: v for k, v in here.items() if k not in known and k != "b"}
        known.update(new)
        return bool(new)

    def _unify(
        self,
        call: Call,
        port: Port,
        slot: Slot,
        axes: tuple[str, ...],
        shape: Shape,
        here: dict[str, tuple[int, str]],
    ) -> Problem | None:
        title = f"{call.node}.{port.name}"
        matched = match(axes, shape)
        if matched is None:
            message = f"{title} takes [{' '.join(axes)}], but gets {list(shape)} from {slot}"
            return Problem(message, call.span)
        for letter, size in matched:
            if letter.isdigit():
                if int(letter) != size:
                    return Problem(f"{title} takes {letter} there, but gets {list(shape)} from {slot}", call.span)
            elif here.setdefault(letter, (size, f"{title} has {letter}={size} ({slot})"))[0] != size:
                return Problem(f"{title} has {letter}={size} ({slot}) but {here[letter][1]}", call.span)
        return None

    def _run(self, call: Call) -> None:
        if call.node == "stopgrad":
            (slot,) = call.inputs()
            self.values[call.outputs[0].id] = self.values[slot.id]
            return
        counter = FlopCounterMode(display=False)
        try:
            with torch.no_grad(), counter:
                result = self._call(call)
        except Exception as error:
            self.problems.append(self._explain(call, error))
            self.failed.add(call.node)
            return
        if call.method == "forward":
            self.flops[call.node] = self.flops.get(call.node, 0) + counter.get_total_flops()
            self._store(call, result)

    def _call(self, call: Call) -> Any:
        module = self.modules[call.node]
        args, kwargs = call.arguments(self._signature(call).inputs, lambda argument: self._known(call, argument))
        if call.draws:
            kwargs["draws"] = module.draw(self.batch * call.fold, None, torch.device("meta"))  # type: ignore[operator]
        return getattr(module, call.method)(*args, **kwargs)

    def _known(self, call: Call, argument: Argument) -> Any:
        if argument is None or isinstance(argument, Slot):
            return argument and self.values[argument.id]
        values = tuple(self.values[s.id] for s in argument)
        return torch.cat(values) if call.fold > 1 else values

    def _store(self, call: Call, result: Any) -> None:
        """Gives the results to the call's slots."""
        ports = self._signature(call).outputs
        parts = [result] if len(ports) == 1 and not ports[0].name else list(result)
        slots = iter(call.outputs)
        for part, port in zip(parts, ports, strict=True):
            members = part if port.family else (part,)
            for member in part.chunk(call.fold) if call.fold > 1 else members:
                slot = next(slots)
                self.values[slot.id] = member
                for axes, tensor in zip(port.axes, tensors_of(member), strict=False):
                    if match(axes, tuple(tensor.shape)) is None:
                        message = f"{call.node} gives {list(tensor.shape)}, but says [{' '.join(axes)}]"
                        self.problems.append(Problem(message, call.span, "its component's annotations are wrong"))
                        self.failed.add(call.node)

    def _explain(self, call: Call, error: Exception) -> Problem:
        """A failed call: where sizes differ from those that the node was built with, that is the reason."""
        node = self.graph.nodes[call.node]
        reason = _first_line(error)
        known = self.letters[call.node]
        if not isinstance(error, ValueError):
            for port, slot in _wires(call, self._signature(call)):
                for axes, tensor in zip(port.axes, tensors_of(self.values[slot.id]), strict=False):
                    for letter, size in match(axes, tuple(tensor.shape)) or ():
                        if letter in known and known[letter][0] != size:
                            reason = f"{call.node}.{port.name} has {letter}={size} ({slot}) but {known[letter][1]}"
                            return Problem(reason, call.span, f"one node has one set of weights, for one {letter}")
        return Problem(f"'{call.node}' ({node.component.name}) cannot take this: {reason}", call.span)


def sources(node: Node, modules: Mapping[str, nn.Module]) -> dict[str, Any]:
    """The modules that a node's config names, by field, for `component.build`."""
    return {
        name: modules[value] if isinstance(value := getattr(node.config, name), str) else [modules[v] for v in value]
        for name in node.component.refs
    }


def match(axes: tuple[str, ...], shape: Shape) -> list[tuple[str, int]] | None:
    """The size of each letter, or None where the number of axes differs. `...` stands for any axes."""
    if "..." not in axes:
        return list(zip(axes, shape, strict=True)) if len(axes) == len(shape) else None
    at = axes.index("...")
    after = len(axes) - at - 1
    if len(shape) < at + after:
        return None
    tail = shape[len(shape) - after :]
    return [*zip(axes[:at], shape, strict=False), *zip(axes[at + 1 :], tail, strict=False)]


def _wires(call: Call, signature: Signature) -> Iterator[tuple[Port, Slot]]:
    for port in signature.inputs:
        argument = call.args.get(port.name)
        slots = (argument,) if isinstance(argument, Slot) else argument or ()
        for slot in slots:
            yield port, slot


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n", 1)[0]
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}"


__all__ = ["Shapes", "infer", "match", "sources"]

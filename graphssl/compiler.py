"""From a checked graph to the step's program: torch.fx code whose lines are the graph's calls.

`Program.forward` is a GraphModule whose children are the nodes by their YAML names, so that the code is readable
(`graphssl show --code`) and state keys are `encoder.*`, `target.*`, `queue.keys`. `Program.commit` holds the
updates. Randomness is drawn by `Program.draw`, outside of both.
"""

from __future__ import annotations

import hashlib
import operator
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import networkx as nx
import torch
from torch import Tensor, fx, nn

from .component import build, schedules_of
from .errors import RunError
from .graph import Graph, Term
from .schedule import Schedule
from .shapes import Shapes, sources
from .values import Argument, Call, Slot

Outputs = Mapping[str, Any]


@dataclass(frozen=True)
class Program:
    """A compiled graph.

    forward(fields..., draws...): takes the batch fields in `inputs`, then one tuple of tensors for each random
    call; gives `loss` (0-d), `terms` (0-d, by name), `carried` (what the updates take) and `watch` (for each
    critic's line, a query and its key, detached).
    commit(carried...): writes the states; called after the optimizer's step.
    """

    graph: Graph
    forward: fx.GraphModule
    commit: fx.GraphModule
    inputs: tuple[str, ...]
    random: tuple[Call, ...]
    batched: tuple[bool, ...]
    schedules: tuple[tuple[Tensor, Schedule[Any]], ...]

    def node(self, name: str) -> nn.Module:
        return self.forward.get_submodule(name)

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> tuple[Any, ...]:
        """The random numbers of one step for a batch of b samples, one entry for each random call."""
        return tuple(self.node(c.node).draw(b * c.fold, generator, device) for c in self.random)  # type: ignore[operator]

    def set_schedules(self, step: int, steps: int, steps_per_epoch: int) -> None:
        """Writes every scheduled value, a 0-d tensor, for an optimizer step."""
        for tensor, schedule in self.schedules:
            tensor.fill_(schedule.at(step, steps, steps_per_epoch))

    def code(self) -> str:
        """The step as Python: the forward pass, then the updates."""
        forward = _readable(self.forward.code)
        commit = _readable(self.commit.code).replace("def forward(", "def update(")
        return f"{forward}\n\n{commit}" if self.graph.update_calls() else forward

    def locate(self, arguments: tuple[Any, ...], error: Exception) -> Exception:
        """Names the graph's line at which the forward pass fails: runs it again, call by call."""
        interpreter = _Locator(self.forward)
        try:
            with torch.no_grad():
                interpreter.run(*arguments)
        except Exception as again:
            call = interpreter.call
            if call is not None:
                where = f"{call.span.file}:{call.span.line}:{call.span.column}"
                reason = str(again).split("\n\nWhile executing", 1)[0].strip()  # what fx adds
                return RunError(f"{where}: '{call.node}' failed: {type(again).__name__}: {reason}")
        return error


def compile_graph(graph: Graph, shapes: Shapes, device: torch.device, seed: int = 0) -> Program:
    """Builds the nodes with their weights and emits the program."""
    nodes = build_nodes(graph, shapes, seed)
    emission = _Emission(graph)
    forward = emission.forward()
    root = nn.Module()
    for name, node in nodes.items():
        root.add_module(name, node)
    schedules = []
    for term in graph.terms:
        if isinstance(term.weight, Schedule):
            root.register_buffer(f"_weight_{term.name}", torch.tensor(float(term.weight.start)), persistent=False)
    module = fx.GraphModule(root, forward, "Step")
    commit = fx.GraphModule(root, emission.commit(), "Commit")
    for name, node in nodes.items():  # GraphModule keeps only the children that the code calls.
        if name not in dict(module.named_children()):
            module.add_module(name, node)
    module.to(device)
    for name, entry in graph.nodes.items():
        schedules += [(getattr(nodes[name], key), s) for key, s in schedules_of(entry.config).items()]
    schedules += [
        (getattr(module, f"_weight_{t.name}"), t.weight) for t in graph.terms if isinstance(t.weight, Schedule)
    ]
    return Program(
        graph,
        module,
        commit,
        tuple(graph.batch),
        tuple(emission.random),
        tuple(emission.batched),
        tuple(schedules),
    )


def build_nodes(graph: Graph, shapes: Shapes, seed: int) -> dict[str, nn.Module]:
    """The nodes with weights, on the CPU. A node's seed is its name's, so that adding one leaves the others."""
    order: nx.DiGraph[str] = nx.DiGraph()
    order.add_nodes_from(graph.nodes)
    order.add_edges_from((ref, name) for name, node in graph.nodes.items() for ref in node.refs())
    nodes: dict[str, nn.Module] = {}
    for name in nx.topological_sort(order):
        node = graph.nodes[name]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(seed, name))
            nodes[name] = build(node.component, node.config, shapes.sizes[name], sources(node, nodes))
    return {name: nodes[name] for name in graph.nodes}


def seed_of(*parts: object) -> int:
    """A seed for anything that is named: a node's weights, a step's randomness, an epoch's order."""
    text = ":".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) & (2**63 - 1)


class _Locator(fx.Interpreter):
    """Remembers the graph's call that is running."""

    call: Call | None = None

    def run_node(self, n: fx.Node) -> Any:
        self.call = n.meta.get("call", self.call)
        return super().run_node(n)


class _Emission:
    """Emits the calls of a graph as fx nodes."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.fx = fx.Graph()
        self.slots: dict[int, fx.Node] = {}
        self.folded: dict[tuple[Slot, ...], fx.Node] = {}
        self.cut: dict[int, fx.Node] = {}
        self.random: list[Call] = []
        self.carried: list[Slot] = []
        self.batched: list[bool] = []

    def forward(self) -> fx.Graph:
        needed = self._needed()
        for name, slot in self.graph.batch.items():
            self.slots[slot.id] = self.fx.placeholder(name)
        self.random = [c for c in self.graph.step_calls() if c.draws and c.id in needed]
        draws = {c.id: self.fx.placeholder(f"draws_{i}_{c.node}") for i, c in enumerate(self.random)}
        for call in self.graph.step_calls():
            if call.id in needed:
                self._call(call, draws.get(call.id))
        terms = {term.name: self._term(term) for term in self.graph.terms}
        loss = self._total(terms)
        self.carried = list(dict.fromkeys(s for c in self.graph.update_calls() for s in c.inputs()))
        self.batched = [s.axes[0][:1] == ("b",) for s in self.carried]
        carried = tuple(self._detached(s) for s in self.carried)
        watch = {k: tuple(self._detached(s) for s in pair) for k, pair in self._watched(needed).items()}
        detached = {k: self._method("detach", v) for k, v in terms.items()}
        self.fx.output({"loss": loss, "terms": detached, "carried": carried, "watch": watch})
        self.fx.lint()
        return self.fx

    def commit(self) -> fx.Graph:
        """The updates, on what the forward pass carried out."""
        self.fx = fx.Graph()
        values = {slot.id: self.fx.placeholder(slot.name) for slot in self.carried}
        for call in self.graph.update_calls():
            node = self.fx.get_attr(call.node)
            arguments = [_map(a, values) for a in call.args.values()]
            self.fx.call_method(call.method, (node, *arguments)).meta["call"] = call
        self.fx.output(None)
        return self.fx

    def _needed(self) -> set[int]:
        """The calls that a loss term or an update depends on."""
        digraph = self.graph.digraph()
        ends = {s.id for t in self.graph.terms for s in t.slots}
        last = {c.id for c in self.graph.calls if c.section == "update" or any(s.id in ends for s in c.outputs)}
        return {n for end in last for n in nx.ancestors(digraph, end) if isinstance(n, int)} | last

    def _watched(self, needed: set[int]) -> dict[str, tuple[Slot, Slot]]:
        """For each line that scores pairs, the first query and key: embeddings to keep an eye on."""
        watched: dict[str, tuple[Slot, Slot]] = {}
        for call in self.graph.step_calls():
            if call.id in needed and call.fold == 1 and any(s.kind == "scores" for s in call.outputs):
                pair = [s for s in call.inputs() if s.kind == "tensor"][:2]
                if len(pair) == 2:
                    watched.setdefault(call.line, (pair[0], pair[1]))
        return watched

    # -- calls ---------------------------------------------------------------------------------------------

    def _call(self, call: Call, draws: fx.Node | None) -> None:
        if call.node == "stopgrad":
            (slot,) = call.inputs()
            self._name(call.outputs[0], self._method("detach", self.slots[slot.id]))
            return
        ports = self.graph.nodes[call.node].forward.inputs
        args, kwargs = call.arguments(ports, lambda argument: self._argument(call, argument))
        if draws is not None:
            kwargs["draws"] = draws
        result = self.fx.call_module(call.node, tuple(args), kwargs)
        result.meta["call"] = call
        self._spread(call, result)

    def _argument(self, call: Call, argument: Argument) -> Any:
        if isinstance(argument, tuple) and call.fold > 1:
            if argument not in self.folded:
                nodes = tuple(self.slots[s.id] for s in argument)
                self.folded[argument] = self.fx.call_function(torch.cat, (nodes,))
            return self.folded[argument]
        return _map(argument, self.slots)

    def _spread(self, call: Call, result: fx.Node) -> None:
        """Gives a call's result to its slots: parts, views of a family, views of a fold."""
        ports = self.graph.nodes[call.node].forward.outputs
        slots = iter(call.outputs)
        for i, port in enumerate(ports):
            part = self._item(result, i) if port.name else result
            mine = [s for s in call.outputs if s.output == port.name]
            if call.fold > 1:
                part = self._method("chunk", part, call.fold)
            for view in range(len(mine)):
                slot = next(slots)
                single = call.fold == 1 and not port.family
                self._name(slot, part if single else self._item(part, view))

    def _item(self, node: fx.Node, index: int) -> fx.Node:
        return self.fx.call_function(operator.getitem, (node, index))

    def _method(self, name: str, *args: Any) -> fx.Node:
        return self.fx.call_method(name, args)

    def _name(self, slot: Slot, node: fx.Node) -> None:
        node._rename(slot.name)
        self.slots[slot.id] = node

    def _detached(self, slot: Slot) -> fx.Node:
        node = self.slots[slot.id]
        if node.op == "placeholder":
            return node
        if slot.id not in self.cut:
            self.cut[slot.id] = self._method("detach", node)
            self.cut[slot.id]._rename(f"{slot.name}_detached")
        return self.cut[slot.id]

    # -- loss ----------------------------------------------------------------------------------------------

    def _term(self, term: Term) -> fx.Node:
        """The mean over the family."""
        total = self.slots[term.slots[0].id]
        for slot in term.slots[1:]:
            total = self.fx.call_function(operator.add, (total, self.slots[slot.id]))
        if len(term.slots) > 1:
            total = self.fx.call_function(operator.truediv, (total, len(term.slots)))
            total._rename(term.name)
        return total

    def _total(self, terms: Mapping[str, fx.Node]) -> fx.Node:
        parts = []
        for term in self.graph.terms:
            part = terms[term.name]
            if isinstance(term.weight, Schedule):
                part = self.fx.call_function(operator.mul, (part, self.fx.get_attr(f"_weight_{term.name}")))
                weight = term.factor
            else:
                weight = term.factor * term.weight
            parts.append(part if weight == 1 else self.fx.call_function(operator.mul, (part, weight)))
        total = parts[0]
        for part in parts[1:]:
            total = self.fx.call_function(operator.add, (total, part))
        if total.target in (operator.add, operator.mul):
            total._rename("loss")
        return total


def _map(argument: Argument, nodes: Mapping[int, fx.Node]) -> Any:
    if argument is None:
        return None
    return nodes[argument.id] if isinstance(argument, Slot) else tuple(nodes[s.id] for s in argument)


def _readable(code: str) -> str:
    """Generated code without the lines and clauses that only free memory."""
    code = re.sub(r";  (\w+ = )+None", "", code)
    return "\n".join(_lines(code)).strip()


def _lines(code: str) -> Iterator[str]:
    for line in code.split("\n"):
        if line.strip() and not re.fullmatch(r"\s*(\w+ = )+None", line):
            yield line.split("  # ")[0].rstrip()

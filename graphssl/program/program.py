"""From a checked graph to the step's program: torch.fx code whose lines are the graph's calls.

`Program.forward` is a GraphModule whose children are the nodes by their YAML names, so that the code is readable
(`graphssl show --code`) and state keys are `encoder.*`, `target.*`, `queue.keys`. `Program.commit` holds the
updates. Randomness is drawn by `Program.draw`, outside of both.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import networkx as nx
import torch
from torch import Tensor, fx, nn

from ..checks.shapes import Shapes
from ..component import schedules_of
from ..errors import RunError
from ..graph.build import build_node
from ..graph.calls import Call
from ..graph.graph import Graph
from ..schedule import Schedule
from .emission import Emission, readable


@dataclass(frozen=True)
class Program:
    """A compiled graph.

    forward(fields..., draws...): takes the batch fields in `inputs`, then one tuple of tensors for each random
    call; gives `loss` (0-d), `terms` (0-d, by name), `bounds` (by term, what its objective says of mutual
    information, in nats), `carried` (what the updates take) and `watch` (for each line that compares embeddings, the
    first pair, detached).
    commit(carried...): writes the states; called after the optimizer's step.
    """

    graph: Graph
    shapes: Shapes
    forward: fx.GraphModule
    commit: fx.GraphModule
    inputs: tuple[str, ...]
    random: tuple[tuple[Call, int], ...]
    batched: tuple[bool, ...]
    schedules: tuple[tuple[Tensor, Schedule[Any]], ...]

    def node(self, name: str) -> nn.Module:
        return self.forward.get_submodule(name)

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> tuple[Any, ...]:
        """The random numbers of one step for a batch of b samples, one entry for each random call."""
        return tuple(self.node(c.node).draw(b * times, generator, device) for c, times in self.random)  # type: ignore[operator]

    def features(self, name: str) -> nn.Module:
        """What gives the features of plain, normalised images that `name` stands for: a node, or a value of the flow.

        It shares the nodes' weights.
        """
        if name in self.graph.nodes:
            return self.node(name)
        code = Emission(self.graph, self.shapes).features(self.graph.values[name])
        module = fx.GraphModule(self.forward, code, "Features")
        module.graph.eliminate_dead_code()
        module.recompile()
        return module

    def set_schedules(self, step: int, steps: int, steps_per_epoch: int) -> None:
        """Writes every scheduled value, a 0-d tensor, for an optimizer step."""
        for tensor, schedule in self.schedules:
            tensor.fill_(schedule.at(step, steps, steps_per_epoch))

    def code(self) -> str:
        """The step as Python: the forward pass, then the updates."""
        forward = readable(self.forward.code)
        commit = readable(self.commit.code).replace("def forward(", "def update(")
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

    def blame(self, error: Exception) -> Exception:
        """Names the node that the error passed through: where a step is recorded, nothing may be run again."""
        names = {id(self.node(name)): name for name in self.graph.nodes}
        for frame, _ in traceback.walk_tb(error.__traceback__):
            name = names.get(id(frame.f_locals.get("self")))
            if name is not None:
                return RunError(f"'{name}' failed: {type(error).__name__}: {error}")
        return error


def compile_graph(graph: Graph, shapes: Shapes, device: torch.device, seed: int = 0) -> Program:
    """Builds the nodes with their weights and emits the program."""
    nodes = {name: node.to(device) for name, node in build_nodes(graph, shapes, seed).items()}
    return assemble(graph, shapes, nodes, device)


def assemble(graph: Graph, shapes: Shapes, nodes: Mapping[str, nn.Module], device: torch.device) -> Program:
    """The program of nodes that are built, and that are on the device."""
    emission = Emission(graph, shapes)
    forward = emission.forward()
    root = nn.Module()
    for name, node in nodes.items():
        root.add_module(name, node)
    schedules = []
    for term in graph.terms:
        if isinstance(term.weight, Schedule):
            root.register_buffer(
                f"_weight_{term.name}", torch.tensor(float(term.weight.start), device=device), persistent=False
            )
    module = fx.GraphModule(root, forward, "Step")
    commit = fx.GraphModule(root, emission.commit(), "Commit")
    kept = dict(module.named_children())  # GraphModule keeps only the children that the code calls.
    for name, node in nodes.items():
        if name not in kept:
            module.add_module(name, node)
    for name, entry in graph.nodes.items():
        schedules += [(getattr(nodes[name], key), s) for key, s in schedules_of(entry.config).items()]
    for term in graph.terms:
        if isinstance(term.weight, Schedule):
            name, weight = f"_weight_{term.name}", getattr(module, f"_weight_{term.name}")
            module.register_buffer(name, weight, persistent=False)  # fx of torch 2.11 makes it a part of the state
            schedules.append((weight, term.weight))
    return Program(
        graph,
        shapes,
        module,
        commit,
        tuple(n.target for n in forward.nodes if n.op == "placeholder" and n.target in graph.batch),
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
            nodes[name] = build_node(node, shapes.sizes[name], nodes)
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

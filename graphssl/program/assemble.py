"""Builds the nodes of a checked graph and puts its program together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import networkx as nx
import torch
from torch import fx, nn

from ..checks.shapes import Shapes
from ..checks.weights.wanted import Loading
from ..component import schedules_of
from ..errors import RAISED, ran_out
from ..graph.build import build_node
from ..graph.graph import Graph
from ..graph.slips import failed
from ..ports.draws import GENERATOR
from ..schedule import Schedule
from .emission import Emission
from .program import Program, ScheduledTensor


def compile_graph(
    graph: Graph, shapes: Shapes, device: torch.device, seed: int = 0, weights: Mapping[str, Loading] | None = None,
    processes: int = 1,
) -> Program:  # fmt: skip
    """Builds the nodes with their weights and emits the program.

    weights: of the nodes that start with others than those that are drawn. Raises RunError where they cannot be read.
    processes: those that run it together, each on its rows of the batch.
    """
    nodes = {name: node.to(device) for name, node in build_nodes(graph, shapes, seed, weights).items()}
    return assemble(graph, shapes, nodes, device, processes)


def assemble(
    graph: Graph, shapes: Shapes, nodes: Mapping[str, nn.Module], device: torch.device, processes: int = 1
) -> Program:
    """The program of nodes that are built, and that are on the device."""
    emission = Emission(graph, shapes, processes)
    forward = emission.forward()
    root = _root(graph, nodes, device)
    module = fx.GraphModule(root, forward, "Step")
    commit = fx.GraphModule(root, emission.commit(), "Commit")
    close = fx.GraphModule(root, emission.commit("epoch"), "Close")
    kept = dict(module.named_children())  # GraphModule keeps only the children that the code calls.
    for name, node in nodes.items():
        if name not in kept:
            module.add_module(name, node)
    return Program(
        graph,
        shapes,
        module,
        commit,
        close,
        inputs=tuple(n.target for n in forward.nodes if n.op == "placeholder" and n.target in graph.batch),
        cut=tuple(emission.cut),
        random=tuple(emission.random),
        batched=tuple(emission.batched),
        schedules=(*_of_nodes(graph, nodes), *_of_terms(graph, module)),
        placing=emission.placing,
    )


def _root(graph: Graph, nodes: Mapping[str, nn.Module], device: torch.device) -> nn.Module:
    """What the code names: the nodes, and the weights of terms that are scheduled."""
    root = nn.Module()
    for name, node in nodes.items():
        root.add_module(name, node)
    for term in graph.terms:
        if isinstance(term.weight, Schedule):
            weight = torch.tensor(float(term.weight.start), device=device)
            root.register_buffer(f"_weight_{term.name}", weight, persistent=False)
    return root


def _of_nodes(graph: Graph, nodes: Mapping[str, nn.Module]) -> Iterator[ScheduledTensor]:
    for name, node in graph.nodes.items():
        yield from ((getattr(nodes[name], key), schedule) for key, schedule in schedules_of(node.config).items())


def _of_terms(graph: Graph, module: fx.GraphModule) -> Iterator[ScheduledTensor]:
    for term in graph.terms:
        if isinstance(term.weight, Schedule):
            name, weight = f"_weight_{term.name}", getattr(module, f"_weight_{term.name}")
            module.register_buffer(name, weight, persistent=False)  # fx of torch 2.11 makes it a part of the state
            yield weight, term.weight


def build_nodes(
    graph: Graph, shapes: Shapes, seed: int, weights: Mapping[str, Loading] | None = None
) -> dict[str, nn.Module]:
    """The nodes with weights, on the CPU. A node's seed is its name's, so that adding one leaves the others.

    A node's weights from elsewhere are there before it is copied: a target starts as the loaded encoder.
    """
    order: nx.DiGraph[str] = nx.DiGraph()
    order.add_nodes_from(graph.nodes)
    order.add_edges_from((ref, name) for name, node in graph.nodes.items() for ref in node.refs())
    nodes: dict[str, nn.Module] = {}
    for name in nx.topological_sort(order):
        node = graph.nodes[name]
        with GENERATOR, torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(seed, name))
            try:
                nodes[name] = build_node(node, shapes.sizes[name], nodes)
            except RAISED as error:  # with values, and not on the meta device
                if ran_out(error):
                    raise
                raise failed(f"'{name}' ({node.component.name}) cannot be built", error, node.span) from error
        if weights is not None and name in weights:
            weights[name].load(nodes[name])
    return {name: nodes[name] for name in graph.nodes}


def seed_of(*parts: object) -> int:
    """A seed for anything that is named: a node's weights, a step's randomness, an epoch's order."""
    text = ":".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) & (2**63 - 1)

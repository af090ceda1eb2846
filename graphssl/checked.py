"""A graph that holds, and what can be made of it without data: its program, or a run's trained nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from . import graph as graphs
from .checks import check as check_rules
from .compiler import Program, compile_graph
from .component import DataFacts
from .data import facts as data_facts
from .errors import Problem, RunError, UsageError
from .graph import Graph
from .runs import RunFolder
from .shapes import Shapes, infer
from .source import load as load_source
from .train.checkpoint import Checkpoints

__all__ = ["Checked", "check", "choose_device", "compile", "load", "trained"]


@dataclass(frozen=True)
class Checked:
    """A graph that holds: its wiring, shapes, the facts of its data, and the warnings."""

    graph: Graph
    shapes: Shapes
    data: DataFacts
    warnings: tuple[Problem, ...]

    @property
    def encoder(self) -> str | None:
        """The node whose features are evaluated: `evaluate.features`, or the first node that takes images."""
        named = self.graph.spec.evaluate.features
        if named is not None:
            return named
        views = {n.name for n in self.graph.nodes.values() if "view" in n.component.traits}
        takes = [n for n in self.graph.nodes if n not in views and self.shapes.image_size(n) is not None]
        trained = self.shapes.trainable()
        return next((n for n in takes if n in trained), None)


def load(path: str | Path, sets: Sequence[str] = ()) -> Graph:
    """Reads a graph file (or a packaged graph by name) and wires it.

    sets: changes such as `nodes.queue.size=65536`. Raises GraphError with everything that is wrong.
    """
    return graphs.read(load_source(path, sets))


def check(graph: Graph | str | Path, sets: Sequence[str] = ()) -> Checked:
    """Everything that can be known without data: shapes, gradient, states, rules. Raises GraphError."""
    if not isinstance(graph, Graph):
        graph = load(graph, sets)
    facts = data_facts(graph.spec.data)
    shapes = infer(graph, facts, graph.spec.data.batch)
    return Checked(graph, shapes, facts, tuple(check_rules(graph, shapes)))


def compile(graph: Checked | Graph | str | Path, device: str | torch.device = "cpu") -> Program:
    """The step's program with freshly initialised weights on a device."""
    checked = graph if isinstance(graph, Checked) else check(graph)
    return compile_graph(checked.graph, checked.shapes, torch.device(device), checked.graph.spec.train.seed)


def trained(folder: RunFolder, node: str | None, device: torch.device) -> tuple[Checked, nn.Module]:
    """A run's graph and one of its nodes with the weights of the last checkpoint."""
    checked = check(folder.graph)
    name = node or checked.encoder
    if name is None or name not in checked.graph.nodes:
        raise UsageError(f"the graph of '{folder.name}' has no node '{name}'; it has {', '.join(checked.graph.nodes)}")
    payload = Checkpoints(folder.checkpoints).latest()
    if payload is None:
        raise RunError(f"the run '{folder.name}' has no checkpoint yet")
    program = compile(checked, device)
    try:
        program.forward.load_state_dict(payload["model"])
    except RuntimeError as error:
        raise RunError(f"the checkpoint of '{folder.name}' does not fit its graph any more: {error}") from error
    return checked, program.node(name)


def choose_device(name: str) -> torch.device:
    """`auto` is a GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError("there is no CUDA device here; leave --device out, or say --device cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device).tolist()  # fails where there is no such device, and on meta
    except (RuntimeError, AssertionError, NotImplementedError):
        raise UsageError(f"'{name}' is no device here: auto, cpu, cuda or cuda:1, say") from None
    return device

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
from .data.present import absence
from .errors import GraphError, Problem, RunError, UsageError
from .features import image_size
from .graph import Graph
from .runs import RunFolder
from .shapes import Shapes, infer
from .source import is_packaged
from .source import load as load_source
from .train.checkpoint import Checkpoints

__all__ = ["Checked", "check", "choose_device", "compile", "load", "trained", "validated"]


@dataclass(frozen=True)
class Checked:
    """A graph that holds: its wiring, shapes, the facts of its data, and the warnings."""

    graph: Graph
    shapes: Shapes
    data: DataFacts
    warnings: tuple[Problem, ...]

    @property
    def features(self) -> str | None:
        """What is evaluated: `evaluate.features`, or else the first node that takes the data's images and learns."""
        named = self.graph.spec.evaluate.features
        if named is not None:
            return named
        views = {n.name for n in self.graph.nodes.values() if "view" in n.component.traits}
        trained = self.shapes.trainable()
        return next((n for n in self.graph.nodes if n in trained - views and self.image_size(n) is not None), None)

    def image_size(self, name: str) -> tuple[int, int] | None:
        """Height and width of the plain images from which a node or a value gives features, None where it cannot."""
        return image_size(self.graph, self.shapes, name)


def load(path: str | Path, sets: Sequence[str] = ()) -> Graph:
    """Reads a graph file (or a packaged graph by name) and wires it.

    sets: changes such as `nodes.queue.size=65536`. Raises GraphError with everything that is wrong.
    """
    return graphs.read(load_source(path, sets))


def check(graph: Graph | str | Path, sets: Sequence[str] = ()) -> Checked:
    """Everything that can be known without a look at the data: shapes, gradient, states, rules, where the data are.

    Raises GraphError with all that is wrong.
    """
    if not isinstance(graph, Graph):
        graph = load(graph, sets)
    missing = absence(graph.spec.data)
    at = graph.source.at(("data", missing.key if missing else "root"))
    if missing is None or is_packaged(at.file):  # a packaged graph says where to put the data
        return validated(graph)
    problem = Problem(missing.message, at, missing.hint)
    facts = data_facts(graph.spec.data)
    # A number of samples to which no rule objects: what follows from a wrong root is no second problem.
    samples = 1000 * graph.spec.data.batch * graph.spec.train.accumulate
    counted = DataFacts(height=facts.height, width=facts.width, samples=samples, mean=facts.mean, std=facts.std)
    try:
        others: Sequence[Problem] = validated(graph, counted).warnings
    except GraphError as error:
        others = error.problems
    raise GraphError([problem, *(p for p in others if p.code != "G403")])  # which counts steps


def validated(graph: Graph | str | Path, data: DataFacts | None = None) -> Checked:
    """As `check`, also where the data set is not there, as on a machine that only looks at the graph or its weights.

    data: the facts of the data set; default: those that are known of it.
    """
    if not isinstance(graph, Graph):
        graph = load(graph)
    facts = data_facts(graph.spec.data) if data is None else data
    if graph.asks_for_batch and (samples := facts.fewer_than(graph.spec.data.batch * graph.spec.train.accumulate)):
        graph = graph.with_batch(max(1, samples // graph.spec.train.accumulate))  # no more than there is
    shapes = infer(graph, facts, graph.spec.data.batch)
    return Checked(graph, shapes, facts, tuple(check_rules(graph, shapes)))


def compile(graph: Checked | Graph | str | Path, device: str | torch.device = "cpu") -> Program:
    """The step's program with freshly initialised weights on a device."""
    checked = graph if isinstance(graph, Checked) else validated(graph)
    return compile_graph(checked.graph, checked.shapes, torch.device(device), checked.graph.spec.train.seed)


def trained(folder: RunFolder, name: str | None, device: torch.device) -> tuple[Checked, nn.Module]:
    """A run's graph and what gives its features, a node or a value, with the weights of the last checkpoint."""
    checked = validated(folder.graph)
    name = name or checked.features
    if name is None:
        raise UsageError(f"the graph of '{folder.name}' has nothing that gives features of images")
    known = [*checked.graph.nodes, *checked.graph.values]
    if name not in known:
        raise UsageError(f"the graph of '{folder.name}' has no node and no value '{name}'; it has {', '.join(known)}")
    payload = Checkpoints(folder.checkpoints).latest()
    if payload is None:
        raise RunError(f"the run '{folder.name}' has no checkpoint yet")
    program = compile(checked, device)
    try:
        program.forward.load_state_dict(payload["model"])
    except RuntimeError as error:
        raise RunError(f"the checkpoint of '{folder.name}' does not fit its graph any more: {error}") from error
    return checked, program.features(name)


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

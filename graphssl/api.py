"""What graphssl does, as functions: load, check, compile, run, embed. The command line is a thin layer on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from . import graph as graphs
from .checks import check as check_rules
from .compiler import Program, compile_graph
from .component import DataFacts
from .data import facts as data_facts
from .errors import GraphError, Problem, RunError
from .graph import Graph
from .runs import RunFolder, find_run
from .shapes import Shapes, infer
from .source import load as load_source

if TYPE_CHECKING:
    from .session import Result


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


def run(
    graph: str | Path | None = None,
    sets: Sequence[str] = (),
    *,
    resume: str | None = None,
    device: str = "auto",
    name: str | None = None,
    report: Callable[[str], None] = print,
) -> Result:
    """Validates, trains, evaluates and tracks a run; with `resume`, goes on with one by its name.

    Raises GraphError for a graph that is wrong and RunError for a run that could not go on.
    """
    from .session import resumed, started

    if resume is not None:
        return resumed(resume, sets, choose_device(device), report)
    if graph is None:
        raise GraphError([Problem("name a graph file, or a run to --resume")])
    return started(check(graph, sets), choose_device(device), name, report)


def embed(run: str, images: Tensor, node: str | None = None, device: str = "auto") -> Tensor:
    """Features of a finished or interrupted run's encoder.

    images: uint8, `b 3 h w`. node: which node; default the evaluated one. Returns float32, `b d`.
    """
    from .data import Batch
    from .evaluate import embed as embed_batches

    where = choose_device(device)
    checked, module = trained(find_run(run), node, where)
    index = torch.arange(len(images))
    size = checked.shapes.image_size(node or checked.encoder or "")
    facts = checked.data
    batches = [Batch(images[i], i, torch.full_like(i, -1)) for i in index.split(checked.graph.spec.data.batch)]
    features, _ = embed_batches(module, batches, facts.mean, facts.std, size=size, device=where)
    return features


def trained(folder: RunFolder, node: str | None, device: torch.device) -> tuple[Checked, nn.Module]:
    """A run's graph and one of its nodes with the weights of the last checkpoint."""
    from .train.checkpoint import Checkpoints

    checked = check(folder.graph)
    name = node or checked.encoder
    if name is None or name not in checked.graph.nodes:
        raise RunError(f"the graph of '{folder.name}' has no node '{name}'; it has {', '.join(checked.graph.nodes)}")
    payload = Checkpoints(folder.checkpoints).latest()
    if payload is None:
        raise RunError(f"the run '{folder.name}' has no checkpoint yet")
    program = compile(checked, device)
    program.forward.load_state_dict(payload["model"])
    return checked, program.node(name)


def choose_device(name: str) -> torch.device:
    """`auto` is a GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise RunError(f"'{name}' is no device: auto, cpu, cuda or cuda:1, say") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RunError("there is no CUDA device here; leave --device out, or say --device cpu")
    return device


__all__ = ["Checked", "check", "choose_device", "compile", "embed", "load", "run", "trained"]

"""Nodes with weights: fresh ones, and those of a run's last checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from ..checks.checked import Checked, validated
from ..checks.weights.wanted import awaited, look
from ..errors import Problems, RunError, UsageError, suggest
from ..graph.graph import Graph
from ..graph.nodes import copies_of
from ..graph.read import load
from ..program.assemble import compile_graph
from ..program.program import Program
from ..train.checkpoint import Checkpoints
from .folder import RunFolder
from .resume import changes_since, fitting, unlike

__all__ = ["Trained", "compile", "load_trained"]

WEIGHTS = ("model", "optimizer", "scaler")  # of a checkpoint; the rest says what it is

log = logging.getLogger(__name__)


def compile(
    graph: Checked | Graph | str | Path, device: str | torch.device = "cpu", *, weights: bool = True, processes: int = 1
) -> Program:
    """The step's program on a device, with the weights that it starts with.

    weights: whether nodes with `weights:` get those; False draws them as the others' are. Raises GraphError where they
    do not fit.
    """
    checked = graph if isinstance(graph, Checked) else validated(graph)
    known = checked.weights
    if weights and not known:
        found = Problems()
        known = look(checked.graph, checked.shapes.modules, found)
        found.stop()
        awaited(checked.graph, known).stop()
    seed, wanted = checked.graph.spec.train.seed, known if weights else None
    return compile_graph(checked.graph, checked.shapes, torch.device(device), seed, wanted, processes)


class Trained(NamedTuple):
    """A run's graph, what gives its features, what its checkpoint says of itself, and all of its step's nodes."""

    checked: Checked
    module: nn.Module
    header: Mapping[str, Any]
    program: Program


def load_trained(folder: RunFolder, name: str | None, device: torch.device) -> Trained:
    """A run's graph and what gives its features, a node or a value, with the weights of the last checkpoint.

    Warns of code that has changed since. Raises UsageError for a graph that its weights are not of.
    """
    checked = validated(load(folder.graph, folder.sets))
    name = name or checked.features
    if name is None:
        raise UsageError(f"the graph of '{folder.name}' has nothing that gives features of images")
    known = [*checked.graph.nodes, *checked.graph.values, *copies_of(checked.graph.nodes)]
    if name not in known:
        near = suggest(name, known, "it has").text or f"it has {', '.join(known)}"
        raise UsageError(f"the graph of '{folder.name}' has no node and no value '{name}': {near}")
    payload = Checkpoints(folder.checkpoints).latest()
    if payload is None:
        raise RunError(f"the run '{folder.name}' has no checkpoint yet")
    if "graph" in payload or folder.sets:
        changes_since(folder, payload, checked.graph, also=["data.batch"])
    for line in unlike(payload, checked.graph, payload.get("computed", "")):
        log.warning("warning: %s", line)
    program = compile(checked, device, weights=False)  # the checkpoint has them
    with fitting(folder):
        program.forward.load_state_dict(payload["model"])
    header = {key: value for key, value in payload.items() if key not in WEIGHTS}
    return Trained(checked, program.features(name), header, program)

"""What a training step costs, before it is taken: memory at its peak, and arithmetic.

The step's program runs forward and backward on fake tensors, which have a device, a type and a size, but no data. Every
storage that comes into being is counted until it is freed, so that the peak is found where it is. A step that is
compiled keeps fewer activations than this; workspaces of the device's libraries come on top.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from ..checks.shapes import Shapes
from ..errors import RAISED, GraphError, RunError, ran_out
from ..graph.calls import Call
from ..graph.graph import Graph
from ..world import World
from .assemble import assemble
from .blank import blank
from .emission import Emission
from .fakes import fake_tensors, giving
from .in_place import problem_of
from .meter import Meter, bytes_of
from .owned import Unlinked, part_banks
from .program import Program
from .sharding import in_parts

__all__ = ["RATE", "Cost", "hours_text", "memory_text", "predict"]

# FLOP/s of one GPU, a third of the 312e12 in bfloat16 that NVIDIA's data sheet has for an A100. Small pictures reach
# less: lightly's published minutes for BYOL with a ResNet-18 at 32 px come to 14e12.
RATE = 1e14


@dataclass(frozen=True)
class Cost:
    """Bytes at the moment when a step needs most of them, and multiply-adds times two.

    weights: those that are trained. gradients: those that exist at that moment. optimizer: its moments. states: all
    else that outlasts a step: targets, queues, banks, running statistics. activations: what does not outlast it. flops:
    of a forward and backward pass of the batch, without the making of views, which each device does in its own way.
    """

    batch: int
    weights: int
    gradients: int
    optimizer: int
    states: int
    activations: int
    flops: int

    @property
    def memory(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.states + self.activations


def predict(
    graph: Graph, shapes: Shapes, device: torch.device, dtype: torch.dtype = torch.float32, processes: int = 1
) -> Cost:
    """The cost of an optimizer step, eager, with batches of `shapes.batch` samples; nothing is allocated.

    dtype: what autocast computes in. processes: of one of so many, each with a batch of this size, and its own rows of
    banks that are parted and of weights. Raises GraphError where the step fails on fake tensors, so in the backward
    pass.
    """
    views: dict[str, list[Any]] = {}
    for call in graph.step_calls():
        if _only_views(graph, shapes, call):
            views.setdefault(call.node, []).append(shapes.results[call.id])
    nodes: dict[str, nn.Module] = copy.deepcopy(dict(shapes.modules))
    with FakeTensorMode():
        fake_tensors(nodes.values(), device)
        if processes > 1:
            _part(graph, shapes, nodes, processes)
        program = assemble(graph, shapes, nodes, device)
        for name, made in views.items():
            program.node(name).forward = giving(made, device)
        meter = Meter(program.forward)
        try:
            with meter:
                _step(program, meter, device, dtype)
        except RAISED as error:
            if ran_out(error) or isinstance(error, RunError):
                raise
            raise GraphError([problem_of(error, program, lambda: _forward(program, device, dtype))]) from error
    weights: list[Tensor] = []
    rest: list[Tensor] = list(program.forward.buffers())
    for parameter in program.forward.parameters():
        (weights if parameter.requires_grad else rest).append(parameter)
    cost = Cost(
        batch=shapes.batch,
        weights=bytes_of(weights),
        gradients=meter.gradients_then,
        optimizer=bytes_of(weights) * graph.spec.train.optimizer.moments,
        states=bytes_of(rest),
        activations=meter.peak - meter.gradients_then,
        flops=meter.flops,
    )
    return _of_each(cost, graph, shapes, processes)


def _part(graph: Graph, shapes: Shapes, nodes: Mapping[str, nn.Module], processes: int) -> None:
    """Leaves of parted banks what one of so many processes has."""
    emission = Emission(graph, shapes, processes)
    emission.forward()
    part_banks(nodes, World(0, processes), emission.placing.why, Unlinked(processes))


def _of_each(cost: Cost, graph: Graph, shapes: Shapes, processes: int) -> Cost:
    """What each of several processes needs of a cost with `train.shard: full`: its part of the weights that are parted.

    And for a time, of the module that has most of them, the whole, with its gradient.
    """
    if graph.spec.train.shard == "none" or processes == 1:
        return cost
    groups = [own for modules in in_parts(graph, shapes).values() for _, own in modules]
    sizes = [(bytes_of(p for p in own if p.requires_grad), bytes_of(own)) for own in groups]
    if not sizes:  # every node keeps its weights whole
        return cost
    trained, all_ = (sum(sizes_) for sizes_ in zip(*sizes, strict=True))
    gone = 1 - 1 / processes
    share = 1 - trained / max(cost.weights, 1) * gone  # of what weights need
    return replace(
        cost,
        weights=int(cost.weights * share) + max(all_ for _, all_ in sizes),
        gradients=int(cost.gradients * share) + max(trained for trained, _ in sizes),
        optimizer=int(cost.optimizer * share),
        states=int(cost.states - (all_ - trained) * gone),
    )


def _step(program: Program, meter: Meter, device: torch.device, dtype: torch.dtype) -> None:
    """Forward, backward and updates, as `train.step` has them; with `accumulate` the second batch finds gradients."""
    outputs = []
    for i in range(min(program.graph.spec.train.accumulate, 2)):
        before = meter.flops
        output = _forward(program, device, dtype)
        torch.autograd.backward(output.pop("loss"))
        outputs.append(output)
        if i:
            meter.flops = before  # of one batch
    program.forward.zero_grad(set_to_none=True)
    meter.gradients = 0
    with torch.no_grad():
        program.commit(*outputs[-1]["carried"])


def _forward(program: Program, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    batch = blank(program, device)
    draws = program.draw(program.shapes.batch, None, device)
    with _autocast(device, dtype):
        output: dict[str, Any] = program.forward(*(getattr(batch, n) for n in program.inputs), *batch.cuts, *draws)
    return output


def _autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[Any]:
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype=dtype)


def _only_views(graph: Graph, shapes: Shapes, call: Call) -> bool:
    """Whether a call makes views of a batch's images and has nothing to learn.

    On a CPU it works on a few images at a time, and would take long even without data.
    """
    node = graph.nodes.get(call.node)
    if node is None or "view" not in node.component.traits or any(True for _ in shapes.modules[call.node].parameters()):
        return False
    return [*call.inputs()] == [graph.batch.get("image")]


def memory_text(cost: Cost, precision: str) -> str:
    """`about 5.3 GiB at batch 256 in fp32 (activations 4.9, weights and gradients 0.2, optimizer 0.1, states 0.1)`."""
    unit, size = ("GiB", 2**30) if cost.memory >= 2**30 else ("MiB", 2**20)
    parts = {
        "activations": cost.activations, "weights and gradients": cost.weights + cost.gradients,
        "optimizer": cost.optimizer, "states": cost.states,
    }  # fmt: skip
    words = ", ".join(f"{name} {_short(part / size)}" for name, part in parts.items())
    return f"about {cost.memory / size:,.1f} {unit} at batch {cost.batch:,} in {precision} ({words})"


def _short(number: float) -> str:
    return f"{number:,.1f}" if number >= 1 else f"{number:.1g}"


def hours_text(flops: float) -> str:
    """How long one GPU takes that does `RATE`: `about 3.1 h`, `about 230 h`, or that it is less than a minute."""
    hours = flops / RATE / 3600
    if hours < 1 / 60:
        return "less than a minute"
    return f"about {hours:,.0f} h" if hours >= 10 else f"about {hours:.2g} h"

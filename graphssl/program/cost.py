"""What a training step costs, before it is taken: memory at its peak, and arithmetic.

The step's program runs forward and backward on fake tensors, which have a device, a type and a size, but no data. Every
storage that comes into being is counted until it is freed, so that the peak is found where it is. A step that is
compiled keeps fewer activations than this; workspaces of the device's libraries come on top.
"""

from __future__ import annotations

import copy
import itertools
import weakref
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, UntypedStorage, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves, tree_map_only

from ..checks.counter import Counter
from ..checks.shapes import Shapes
from ..graph.calls import Call
from ..graph.graph import Graph
from .assemble import assemble
from .program import Program

__all__ = ["Cost", "predict"]


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


def predict(graph: Graph, shapes: Shapes, device: torch.device, dtype: torch.dtype = torch.float32) -> Cost:
    """The cost of an optimizer step, eager, with batches of `shapes.batch` samples; nothing is allocated.

    dtype: what autocast computes in. Raises what a component raises that cannot run on fake tensors.
    """
    views: dict[str, list[Any]] = {}
    for call in graph.step_calls():
        if _only_views(graph, shapes, call):
            views.setdefault(call.node, []).append(shapes.results[call.id])
    nodes: dict[str, nn.Module] = copy.deepcopy(dict(shapes.modules))
    with FakeTensorMode():
        _fake(nodes.values(), device)
        program = assemble(graph, shapes, nodes, device)
        for name, made in views.items():
            program.node(name).forward = _giving(made, device)
        meter = _Meter(program.forward)
        with meter:
            _step(program, meter, device, dtype)
    weights: list[Tensor] = []
    rest: list[Tensor] = list(program.forward.buffers())
    for parameter in program.forward.parameters():
        (weights if parameter.requires_grad else rest).append(parameter)
    return Cost(
        batch=shapes.batch,
        weights=_bytes(weights),
        gradients=meter.gradients_then,
        optimizer=_bytes(weights) * graph.spec.train.optimizer.moments,
        states=_bytes(rest),
        activations=meter.peak - meter.gradients_then,
        flops=meter.flops,
    )


def _step(program: Program, meter: _Meter, device: torch.device, dtype: torch.dtype) -> None:
    """Forward, backward and updates, as `train.step` has them; with `accumulate` the second batch finds gradients."""
    outputs = []
    for i in range(min(program.graph.spec.train.accumulate, 2)):
        batch = [_batch_field(program, name, device) for name in program.inputs]
        draws = program.draw(program.shapes.batch, None, device)
        before = meter.flops
        with _autocast(device, dtype):
            output = program.forward(*batch, *draws)
        torch.autograd.backward(output.pop("loss"))
        outputs.append(output)
        if i:
            meter.flops = before  # of one batch
    program.forward.zero_grad(set_to_none=True)
    meter.gradients = 0
    with torch.no_grad():
        program.commit(*outputs[-1]["carried"])


def _batch_field(program: Program, name: str, device: torch.device) -> Tensor:
    b, facts = program.shapes.batch, program.shapes.data
    if name == "image":
        return torch.empty((b, facts.channels, facts.height, facts.width), dtype=torch.uint8, device=device)
    return torch.empty(b, dtype=torch.int64, device=device)


def _autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[Any]:
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype=dtype)


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)


# -- nodes without data --------------------------------------------------------------------------------------


def _fake(modules: Iterable[nn.Module], device: torch.device) -> None:
    """Gives modules on the meta device fake tensors of another device. What they share, they go on sharing."""
    known: dict[Tensor, Tensor] = {}
    for module in nn.ModuleList(modules).modules():
        held: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
        for tensors in held:
            for name, tensor in tensors.items():
                if tensor is not None:
                    known.setdefault(tensor, _like(tensor, device))
                    tensors[name] = known[tensor]


def _like(tensor: Tensor, device: torch.device) -> Tensor:
    """Without data, on another device."""
    fake = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)
    return nn.Parameter(fake, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else fake


def _only_views(graph: Graph, shapes: Shapes, call: Call) -> bool:
    """Whether a call makes views of a batch's images and has nothing to learn.

    On a CPU it works on a few images at a time, and would take long even without data.
    """
    node = graph.nodes.get(call.node)
    if node is None or "view" not in node.component.traits or any(True for _ in shapes.modules[call.node].parameters()):
        return False
    return [*call.inputs()] == [graph.batch.get("image")]


def _giving(results: list[Any], device: torch.device) -> Any:
    """A function that gives results, one after the other, as fake tensors."""
    turns = itertools.cycle(results)

    def forward(*_: Any, **__: Any) -> Any:
        return tree_map_only(Tensor, lambda tensor: _like(tensor, device), next(turns))

    return forward


# -- counting ------------------------------------------------------------------------------------------------


class _Meter(Counter):
    """Counts the bytes of the storages that operations make and that are alive, and multiply-adds times two.

    The tensors that `root` has outlast the step and are left out. gradients: bytes of them so far; gradients_then: at
    the peak.
    """

    def __init__(self, root: nn.Module) -> None:
        super().__init__()
        self.live = self.peak = self.gradients = self.gradients_then = 0
        self._stored = {t.untyped_storage()._cdata for t in (*root.parameters(), *root.buffers())}
        for parameter in root.parameters():
            if parameter.requires_grad:
                parameter.register_post_accumulate_grad_hook(self._has_gradient)
        self._having: set[int] = set()

    def seen(self, result: Any) -> None:
        for value in (result,) if isinstance(result, Tensor) else tree_leaves(result):
            if isinstance(value, Tensor):
                self._seen(value.untyped_storage())

    def _seen(self, storage: UntypedStorage) -> None:
        key = storage._cdata
        if key in self._stored:
            return
        size = storage.nbytes()
        self._stored.add(key)
        weakref.finalize(storage, self._freed, key, size)
        self.live += size
        if self.live > self.peak:
            self.peak, self.gradients_then = self.live, self.gradients

    def _freed(self, key: int, size: int) -> None:
        self._stored.discard(key)
        self.live -= size

    def _has_gradient(self, parameter: Tensor) -> None:
        if id(parameter) not in self._having:
            self._having.add(id(parameter))
            self.gradients += _bytes([parameter])

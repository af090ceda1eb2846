"""A recorder of steps for a CPU: what a CUDA graph does, operation by operation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from graphssl.train.step import Step

aten = torch.ops.aten
# For these a GPU would have to be waited for: their result's size or value is needed on the host.
WAITS = {
    aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default, aten.equal.default,
    aten.is_nonzero.default, aten._unique2.default, aten.unique_consecutive.default, aten.unique_dim.default,
    aten.repeat_interleave.Tensor, aten.bincount.default, aten.multinomial.default,
    aten.lift_fresh.default,  # of `torch.tensor`: numbers of the host, which the device would copy
}  # fmt: skip


class Tape(TorchDispatchMode):
    """Notes every operation with its arguments: tensors as they lie, numbers as they are. Raises at a wait, or not."""

    def __init__(self, *, raises: bool = True) -> None:
        super().__init__()
        self.raises = raises
        self.operations: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.raises and _waits(func, args):
            raise RuntimeError(f"{func} waits for the device")
        out = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, out))
        return out


def _waits(func: Any, args: Any) -> bool:
    indexed = func in (aten.index.Tensor, aten.index_put_.default, aten.index_put.default)
    return func in WAITS or (indexed and any(i is not None and i.dtype == torch.bool for i in args[1]))


class TapeRecorder:
    """Records a step's operations and computes them again on the same tensors.

    What the recording itself computes is taken back, as nothing is computed while a CUDA graph is recorded.
    """

    def __init__(self) -> None:
        self.step: Step | None = None
        self.tape = Tape()
        self.launched = 0

    def warm_up(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def record(self, run: Callable[[], dict[str, Any]], generators: Sequence[torch.Generator]) -> dict[str, Any]:
        assert self.step is not None
        held = [t for t in tree_leaves(_states(self.step)) if isinstance(t, Tensor)]
        before, seeds = (
            [t.clone() for t in held],
            [torch.default_generator.get_state(), *(g.get_state() for g in generators)],
        )
        try:
            with self.tape:
                return run()
        finally:
            with torch.no_grad():
                for now, old in zip(held, before, strict=True):
                    now.copy_(old)
            for generator, seed in zip([torch.default_generator, *generators], seeds, strict=True):
                generator.set_state(seed)

    def launch(self) -> None:
        self.launched += 1
        with torch.no_grad():
            for func, args, kwargs, out in self.tape.operations:
                again = func(*args, **kwargs)
                for old, new in zip(tree_leaves(out), tree_leaves(again), strict=True):
                    if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)


def _states(step: Step) -> tuple[Any, ...]:
    module = step.program.forward
    scaler = step.precision.scaler
    scale = [] if scaler is None else [scaler._scale, scaler._growth_tracker]
    optimizer = [dict(v) for v in step.optimizer.state.values()]
    return list(module.parameters()), list(module.buffers()), optimizer, step._spoilt, scale


def recorded(make: Callable[[TapeRecorder], Step]) -> tuple[Step, TapeRecorder]:
    """A step that is recorded after its warm-up, and its recorder."""
    recorder = TapeRecorder()
    recorder.step = make(recorder)
    return recorder.step, recorder


def unrecorded(make: Callable[[TapeRecorder], Step]) -> Step:
    """The same step, its rates tensors too, computed as it is."""
    step, _ = recorded(make)
    step.replay = None
    return step

"""The whole step as one CUDA graph: recorded once, then launched as one, where the step allows it.

What a recorded step reads must stay where it is: batches are copied into buffers of its own, schedules and rates are
0-d tensors, and the random generators are registered with the graph, so that each launch draws from the seed that was
set before it.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

from ..data import Batch
from ..errors import reason_of

__all__ = ["CudaRecorder", "Recorder", "Replay", "recording"]

Body = Callable[[Sequence[Batch]], dict[str, Any]]
Run = Callable[[], dict[str, Any]]
WARM_UP = 3  # steps as they are, in which libraries choose their algorithms and torch compiles


class Recorder(Protocol):
    """Records what a function launches, and launches it again."""

    def warm_up(self) -> contextlib.AbstractContextManager[None]:
        """Where the steps before the recording run."""
        ...

    def record(self, run: Run, generators: Sequence[torch.Generator]) -> dict[str, Any]:
        """Records, without computing anything; gives the outputs, which each launch fills.

        generators: those that the function draws from, beside the default ones.
        """
        ...

    def launch(self) -> None:
        """Computes what was recorded."""
        ...


class Replay:
    """Calls a step's body, and launches a recording of it once it has been warmed up.

    size: samples in a batch; one of another size, such as the last of an epoch, is computed as it is.
    undo: takes back what a recording that failed has left.
    active: whether steps are launched as one. reason: why a recording failed, None while none has.
    """

    def __init__(
        self, body: Body, recorder: Recorder, size: int, generators: Sequence[torch.Generator], undo: Callable[[], None]
    ) -> None:
        self._body, self._recorder, self._size = body, recorder, size
        self._generators, self._undo = generators, undo
        self._steps = 0
        self._held: list[Batch] = []
        self._outputs: dict[str, Any] | None = None
        self.reason: str | None = None

    @property
    def active(self) -> bool:
        return self._outputs is not None

    def __call__(self, batches: Sequence[Batch]) -> dict[str, Any]:
        if self.reason is not None or any(len(b.index) != self._size for b in batches):
            return self._body(batches)
        if self._steps < WARM_UP:
            self._steps += 1
            with self._recorder.warm_up():
                return self._body(batches)
        self._hold(batches)
        if self._outputs is None and not self._record():
            return self._body(batches)
        self._recorder.launch()
        assert self._outputs is not None
        return self._outputs

    def restart(self) -> None:
        """Warms up and records once more, for a body that has changed."""
        self._steps, self._held, self._outputs = 0, [], None

    def _hold(self, batches: Sequence[Batch]) -> None:
        """Copies the batches to where the recording reads them."""
        if not self._held:
            self._held = [tree_map_only(Tensor, torch.empty_like, batch) for batch in batches]
        for ours, theirs in zip(tree_leaves(self._held), tree_leaves(list(batches)), strict=True):
            ours.copy_(theirs)

    def _record(self) -> bool:
        reasons: list[str] = []  # ending a broken recording fails as well, and would hide why

        def run() -> dict[str, Any]:
            try:
                return self._body(self._held)
            except Exception as error:
                reasons.append(reason_of(error))
                raise

        try:
            self._outputs = self._recorder.record(run, self._generators)
        except Exception as error:  # whatever a node does that cannot be recorded
            self.reason = (*reasons, reason_of(error))[0].rstrip(".")
            self._held = []
            self._undo()
        return self.reason is None


class CudaRecorder:
    """Records on a CUDA device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._graph: torch.cuda.CUDAGraph | None = None

    @contextlib.contextmanager
    def warm_up(self) -> Iterator[None]:
        """On a stream of its own: gradients accumulate where they did first, and no recording runs on the default."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:  # what is done about a step that failed comes after it
            current.wait_stream(self._stream)

    def record(self, run: Run, generators: Sequence[torch.Generator]) -> dict[str, Any]:
        graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
        for generator in generators:
            graph.register_generator_state(generator)
        try:
            # The stream is left in any case, which `graph` does not do where it cannot end the recording.
            # Threads of the data's may go on using the device: only this thread's calls are held against the recording.
            with (
                torch.cuda.stream(self._stream),
                torch.cuda.graph(graph, pool, self._stream, capture_error_mode="thread_local"),
                _waiting_refused(),
            ):
                outputs = run()
        except Exception:
            self._abandon(pool, generators)
            raise
        self._graph = graph
        return outputs

    def _abandon(self, pool: Any, generators: Sequence[torch.Generator]) -> None:
        """Has torch forget a recording that CUDA broke off, which it takes to be under way still.

        The allocator would put off giving back what other streams have used, batches above all, until its end; and
        generators would refuse to draw.
        """
        index = self._stream.device.index
        with contextlib.suppress(RuntimeError):  # it has ended: only Python failed
            torch._C._cuda_endAllocateToPool(index, pool)
        for generator in (*generators, torch.cuda.default_generators[index]):
            fresh = torch.Generator(self._device)
            fresh.manual_seed(generator.initial_seed())  # nothing has been drawn from it yet
            generator.graphsafe_set_state(fresh)

    def launch(self) -> None:
        assert self._graph is not None
        self._graph.replay()


@contextlib.contextmanager
def _waiting_refused() -> Iterator[None]:
    """An operation that waits for the device fails before it is asked for: CUDA would break the recording off."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():  # that the mode may change
        warnings.simplefilter("ignore")
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


def recording(device: torch.device) -> bool:
    """Whether a recording is under way, in which nothing is computed and nothing may be asked of the device."""
    return device.type == "cuda" and torch.cuda.is_current_stream_capturing()

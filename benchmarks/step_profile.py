"""Where the time of a step goes: by part, and beside what the machine can do.

    python benchmarks/step_profile.py GRAPH [--set KEY=VALUE ...] [--device cpu|cuda] [--output FILE]

The graph is a file or a packaged one, `byol` say. Its data are opened as `graphssl run` does; `--noise` takes noise of
the same size in their place, where the data are not here.

The first table is of the graph's step as it is: compiled and recorded as its `train:` says. The share is that of the
fastest product of two large matrices in the same run and precision. FLOPs are torch's count of an eager step; so are
operations, of all kinds, and bytes: what these read and write, as if each went to memory, where caches and fusion make
it less. Kernels include copies and fills on the GPU; waits are the times that the host waits for it in a step.

The second table is of the same step eagerly, its parts timed one by one. On a GPU each part is waited for, so that they
add up to more than the step.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

import torch
from common import arguments, interleave, machine, matrix_peak, positive, publish, table, wait
from loops import noise, step_of
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from graphssl.api import check, load
from graphssl.checks.checked import validated
from graphssl.data import Batch, open_data
from graphssl.errors import GraphError, RunError
from graphssl.train.step import Step

WARM_UP = 5  # steps, after which a recorded step has been recorded
EAGER = ("train.compile=off", "train.cuda_graph=off")


class Steps:
    """A graph's steps on its batches, one at each call."""

    def __init__(self, graph: str, sets: Sequence[str], device: torch.device, of_noise: bool) -> None:
        checked = validated(load(graph, sets)) if of_noise else check(graph, sets)
        spec = checked.graph.spec
        self.data: Any
        if of_noise:
            self.data = noise(spec.data, checked.data.height, 4, device)
        else:
            self.data = open_data(spec.data, device, spec.train.seed, spec.train.accumulate)
        self.accumulate, self.device = spec.train.accumulate, device
        self.step: Step = step_of(checked, device, self.data.train.steps)
        self.batch = self.step.program.shapes.batch * self.accumulate
        self.next: Callable[[], Batch] = _endless(self.data).__next__
        self.done = 0

    def __call__(self) -> None:
        self.step(self.done, [self.next() for _ in range(self.accumulate)])
        self.done += 1

    def waited(self) -> None:
        self()
        wait(self.device)


def _endless(data: Any) -> Iterator[Batch]:
    epoch = 0
    while True:
        yield from data.train.epoch(epoch)
        epoch += 1


# -- the step as it is ---------------------------------------------------------------------------------------


class Traffic(TorchDispatchMode):
    """Counts operations, and the bytes of all tensors that those which compute take and give."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.operations += 1
        if not func.is_view:
            tensors = (t for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor))
            self.bytes += sum(t.numel() * t.element_size() for t in tensors)
        return out


def whole(steps: Steps, eager: Steps, repeats: int) -> list[list[str]]:
    """Facts of the step, a row each."""
    for _ in range(WARM_UP):
        steps.waited()
    eager.waited()
    seconds = statistics.median(interleave({"": steps.waited}, repeats)[""])
    flops, traffic = FlopCounterMode(display=False), Traffic()
    with flops:
        eager.waited()
    with traffic:
        eager.waited()
    peak = matrix_peak(steps.device, steps.step.precision.dtype)
    speed = flops.get_total_flops() / seconds
    on_gpu = steps.device.type == "cuda"
    rows = [
        ["step", f"{1e3 * seconds:,.1f} ms"],
        ["images/s", f"{steps.batch / seconds:,.1f}"],
        ["arithmetic", f"{flops.get_total_flops() / 1e9:,.1f} GFLOP"],
        ["speed", f"{speed / 1e9:,.1f} GFLOP/s"],
        ["matrix peak", f"{peak / 1e9:,.1f} GFLOP/s"],
        ["share of the peak", f"{100 * speed / peak:.1f} %"],
        ["bytes", f"{traffic.bytes / 1e9:,.2f} GB"],
    ]
    if not on_gpu:
        return [*rows, ["operations", f"{traffic.operations:,}"]]
    return [*rows, ["kernels", f"{kernels(steps):,}"], ["waits for the GPU", f"{waits(steps)}"]]


def kernels(steps: Steps) -> int:
    """Kernels, copies and fills on the GPU in one step."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        steps.waited()
    on_gpu = (event for event in found.events() if event.device_type.name == "CUDA")
    return sum(not event.is_user_annotation for event in on_gpu)


def waits(steps: Steps) -> int:
    """How often the host waits for the GPU in one step."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        steps()
        torch.cuda.set_sync_debug_mode("default")
    wait(steps.device)
    return sum("called a synchronizing" in str(w.message) for w in caught)


# -- its parts -----------------------------------------------------------------------------------------------


class Clock:
    """Seconds by part; what a part calls that is a part itself counts there and not here."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inner = [0.0]

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            wait(self.device)
            self._inner.append(0.0)
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                wait(self.device)
                taken = time.perf_counter() - start
                self.seconds[part] += taken - self._inner.pop()
                self._inner[-1] += taken

        return run


def parts(steps: Steps, repeats: int) -> list[list[str]]:
    """Milliseconds and share of each part of an eager step, the largest first."""
    clock, program = Clock(steps.device), steps.step.program
    optimizer: Any = steps.step.optimizer
    for name, entry in program.graph.nodes.items():
        node: Any = program.node(name)
        node.forward = clock.timed(f"forward: {name}", node.forward)
        if entry.component.forward.draws:
            node.draw = clock.timed(f"draws: {name}", node.draw)
    program.forward.forward = clock.timed("forward: between nodes", program.forward.forward)
    program.commit.forward = clock.timed("updates", program.commit.forward)
    optimizer.step = clock.timed("optimizer", optimizer.step)
    steps.next = clock.timed("data", steps.next)
    one = clock.timed("the rest", steps)
    with mock.patch("torch.autograd.backward", clock.timed("backward", torch.autograd.backward)):
        one()
        clock.seconds.clear()
        for _ in range(repeats):
            one()
    total = sum(clock.seconds.values())
    found = sorted(clock.seconds.items(), key=lambda part: -part[1])
    rows = [[name, f"{1e3 * s / repeats:,.2f}", f"{100 * s / total:.1f} %"] for name, s in found]
    return [["part", "ms", "share"], *rows, ["sum", f"{1e3 * total / repeats:,.2f}", "100.0 %"]]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("graph", metavar="GRAPH")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--noise", action="store_true", help="noise in place of the graph's pictures")
    parser.add_argument("--repeats", type=positive, default=11, help="steps that are timed")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    try:
        steps = Steps(options.graph, options.sets, options.device, options.noise)
        eager = Steps(options.graph, [*options.sets, *EAGER], options.device, options.noise)
    except (GraphError, RunError) as error:
        raise SystemExit(str(error)) from None
    facts = whole(steps, eager, options.repeats)
    how = [steps.step.precision.name, "compiled" if steps.step.compiled else "eager"]
    if steps.step.replay is not None and steps.step.replay.active:
        how.append("recorded")
    title = f"{options.graph} {' '.join(options.sets)}".strip()
    what = f"{title}: batch {steps.batch}, {', '.join(how)}, {options.threads} thread(s)"
    text = f"{machine()}\n{what}\n\n{table(facts)}\n\n{table(parts(eager, options.repeats))}\n"
    publish(text, options.output)


if __name__ == "__main__":
    main()

"""What a step is said to need, beside what it needs: PyTorch's own allocator and its own counter of operations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR, Write
from helpers import CPU, CUDA, fresh
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from graphssl.checks.checked import Checked, check, validated
from graphssl.component import DataFacts
from graphssl.data import Batch
from graphssl.program.cost import Cost, predict
from graphssl.train.precision import resolve
from graphssl.train.step import Step

RESNET18 = ("depth: 10, width: 8", "depth: 18")
NEEDS_BF16 = pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(),
    reason="a CPU without kernels for bf16 computes by others, which need room of their own",
)


def sized(batch: int) -> tuple[str, str]:
    return "batch: 16", f"batch: {batch}"


def predicted(checked: Checked, device: torch.device = CPU) -> Cost:
    return predict(checked.graph, checked.shapes, device, resolve(checked.graph.spec.train.precision, device).dtype)


def step_of(checked: Checked, device: torch.device = CPU) -> Step:
    return fresh(checked, None, device, checked.graph.spec.train.precision, steps=100, steps_per_epoch=10)


def batches(checked: Checked, device: torch.device = CPU) -> list[Batch]:
    b, facts = checked.shapes.batch, checked.data
    image = torch.zeros((b, 3, facts.height, facts.width), dtype=torch.uint8, device=device)
    index = torch.arange(b, device=device)
    return [Batch(image, index, torch.zeros_like(index))] * checked.graph.spec.train.accumulate


def lasting(step: Step) -> int:
    """Bytes of weights, states and what the optimizer keeps."""
    module = step.program.forward
    moments = (v for state in step.optimizer.state.values() for v in state.values() if isinstance(v, torch.Tensor))
    return sum(t.nbytes for t in (*module.parameters(), *module.buffers(), *moments))


def events(roots: Iterable[Any]) -> Iterator[Any]:
    for event in roots:
        yield event
        yield from events(event.children)


def measured(checked: Checked) -> int:
    """Bytes at the peak of a step on the CPU: what lasts, and all that the allocator gives out and takes back."""
    step, given = step_of(checked), batches(checked)
    step(0, given)  # which makes the optimizer's moments
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        step(1, given)
    tree = record.profiler.kineto_results.experimental_event_tree()
    changes = [(e.start_time_ns, e.typed[1].alloc_size) for e in events(tree) if e.tag.name == "Allocation"]
    live = peak = 0
    for _, change in sorted(changes):
        live += change
        peak = max(peak, live)
    assert len(changes) > 100
    return peak + lasting(step)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [8, 16])
@pytest.mark.parametrize("text", [BYOL, SIMCLR, MOCO], ids=["byol", "simclr", "moco"])
def test_memory_of_resnet_18_is_within_15_percent(write: Write, text: str, batch: int) -> None:
    checked = check(write(text, RESNET18, sized(batch)))
    assert predicted(checked).memory == pytest.approx(measured(checked), rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [("width: 8}", "width: 8, recompute: true}"),
     pytest.param(("optimizer:", "precision: bf16, optimizer:"), marks=NEEDS_BF16),
     ("optimizer:", "accumulate: 3, optimizer:"), ("batch: 16", "batch: 64")],
    ids=["recompute", "bf16", "accumulate", "large"],
)  # fmt: skip
def test_memory_of_a_small_encoder_is_within_15_percent(write: Write, change: tuple[str, str]) -> None:
    checked = check(write(BYOL, change))
    assert predicted(checked).memory == pytest.approx(measured(checked), rel=0.15)


@pytest.mark.parametrize(
    ("text", "recompute"),
    [(BYOL, False), (BYOL, True), (SIMCLR, False), (MOCO, False)],
    ids=["byol", "recompute", "simclr", "moco"],
)
def test_operations_are_those_of_a_step(write: Write, text: str, recompute: bool) -> None:
    """Forward, backward and the targets' passes; each operation as torch counts it in a step that runs."""
    checked = check(write(text, ("width: 8", "width: 8, recompute: true" if recompute else "width: 8")))
    step = step_of(checked)
    with FlopCounterMode(display=False) as counter:
        step(0, batches(checked))
    counts = counter.get_flop_counts()
    views = sum(counts.get("Step.augment", {}).values())
    assert predicted(checked).flops == counter.get_total_flops() - views > 10 * views


def test_operations_of_accumulated_batches_are_those_of_one(write: Write) -> None:
    one, three = (predicted(check(write(BYOL, ("optimizer:", f"accumulate: {n}, optimizer:")))) for n in (1, 3))
    assert one.flops == three.flops


def test_every_part_is_what_it_says(write: Write) -> None:
    checked = check(write(MOCO))
    cost, modules = predicted(checked), checked.shapes.modules
    trained = sum(p.nbytes for name in ("encoder", "projector") for p in modules[name].parameters())
    target = sum(p.nbytes for p in modules["target"].parameters())
    buffers = sum(b.nbytes for m in modules.values() for b in m.buffers())
    assert cost.weights == trained
    assert cost.states == target + buffers
    assert cost.optimizer == trained  # momentum
    assert cost.memory == cost.weights + cost.gradients + cost.optimizer + cost.states + cost.activations
    assert predicted(check(write(MOCO, ("sgd, lr: 0.05", "sgd, lr: 0.05, momentum: 0")))).optimizer == 0
    assert predicted(check(write(MOCO, ("sgd, lr: 0.05", "adamw, lr: 0.05")))).optimizer == 2 * trained


def test_activations_grow_with_the_batch_and_nothing_else_does(write: Write) -> None:
    small, large = (predicted(check(write(BYOL, sized(b)))) for b in (32, 64))
    assert (small.weights, small.optimizer, small.states) == (large.weights, large.optimizer, large.states)
    assert large.activations == pytest.approx(2 * small.activations, rel=0.05)


def test_recomputing_keeps_less_and_computes_more(write: Write) -> None:
    plain, again = (
        predicted(check(write(BYOL, RESNET18, ("depth: 18", f"depth: 18{r}")))) for r in ("", ", recompute: true")
    )
    assert again.activations < 0.6 * plain.activations
    assert plain.flops < again.flops < 1.4 * plain.flops


def test_an_encoder_of_kept_patches_keeps_activations_of_these_alone() -> None:
    """A quarter, where three quarters are hidden; a class token is kept besides."""
    sets = ["nodes.encoder.depth=24", "nodes.decoder.depth=1", "nodes.decoder.dim=8", "nodes.decoder.heads=2"]
    few, every = (predicted(check("mae", [*sets, f"nodes.mask.ratio={r}"])) for r in (0.75, 0.01))
    assert 0.22 < few.activations / every.activations < 0.3


def test_half_precision_keeps_about_half(write: Write) -> None:
    full, half = (
        predicted(check(write(BYOL, RESNET18, ("optimizer:", f"precision: {p}, optimizer:")))) for p in ("fp32", "bf16")
    )
    assert 0.45 < half.activations / full.activations < 0.65
    assert half.weights == full.weights


def test_a_prediction_allocates_nothing(write: Write) -> None:
    checked = validated(write(BYOL, sized(1_000_000)), DataFacts(samples=2_000_000))
    assert predicted(checked).memory > 2**39  # more than the machines that run this have


@pytest.mark.gpu
@pytest.mark.parametrize("batch", [64, 256])
@pytest.mark.parametrize("text", [BYOL, SIMCLR, MOCO], ids=["byol", "simclr", "moco"])
def test_memory_on_a_gpu_is_within_15_percent(write: Write, text: str, batch: int) -> None:
    checked = check(write(text, RESNET18, sized(batch), ("train: {", "train: {compile: off, ")))
    step, given = step_of(checked, CUDA), batches(checked, CUDA)
    step(0, given)
    outside = torch.cuda.memory_allocated() - lasting(step)  # the batch, and what other tests left
    torch.cuda.reset_peak_memory_stats()
    step(1, given)
    found = torch.cuda.max_memory_allocated() - outside
    assert predicted(checked, CUDA).memory == pytest.approx(found, rel=0.15)

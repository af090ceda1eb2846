"""What `graphssl check` and `show` print of a graph that holds: nodes, values, the cost of a step; the whole file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from ..checks.checked import Checked, check_parts
from ..checks.inference import infer
from ..checks.weights.said import lines
from ..checks.weights.wanted import awaited
from ..data.foretold import notes_before
from ..data.place import free_device_memory, free_memory
from ..graph.calls import Slot, Value
from ..graph.language.dump import dump
from ..graph.spec import DATA_SETS
from ..program.cost import RATE, Cost, hours_text, memory_text, predict
from ..program.sharding import held_whole
from ..program.traffic import traffic
from ..runs.resume import length
from ..train.precision import DTYPES, resolve
from .table import table

__all__ = ["describe", "resolved_text"]


def describe(checked: Checked, processes: int = 1) -> str:
    """A checked graph: nodes with their parameters, values with their axes and sizes, totals; what processes send."""
    graph = checked.graph
    nodes = [["node", "component", "parameters", "MFLOP per image"], *(_node(checked, name) for name in graph.nodes)]
    values = [["value", "kind", "axes"]]
    values += [[name, value.describe(), _shape(checked, value)] for name, value in graph.values.items()]
    weights = ["\n".join(line for loading in checked.weights.values() for line in lines(loading))]
    weights += [f"weights of {p.about}: awaited, {p.message}; {p.hint}" for p in awaited(graph, checked.weights)]
    parts = [f"{graph.name}: valid", table(nodes), table(values), *filter(None, weights), _totals(checked)]
    parts += ["\n".join(notes) for notes in (notes_before(graph.spec.data),) if notes]
    if processes > 1:
        parts.append(_exchange(checked, processes))
    return "\n\n".join(parts)


def _exchange(checked: Checked, processes: int) -> str:
    """What so many processes send each other in a step."""
    if checked.graph.asks_for_batch:  # whose number stands for another one
        checked = _of_batch(checked, max(checked.shapes.batch // processes, 1) * processes)
    check_parts(checked, processes)
    batch = checked.shapes.batch
    found = traffic(checked.graph, checked.shapes, processes)
    own = _of_batch(checked, batch // processes)
    rows = [[f"between {processes} processes", "", "a process sends"]]
    rows += [[one.what, one.wanted, bytes_text(one.bytes)] for one in found.sent]
    rows.append(["together", "", bytes_text(sum(one.bytes for one in found.sent))])
    notes = [f"'{node}' computes the whole batch in every process: {why}" for node, why in found.whole.items()]
    if checked.graph.spec.train.shard == "full":
        kept = held_whole(checked.graph, checked.shapes.modules)
        notes += [f"'{node}' keeps all of its weights in every process: {why}" for node, why in kept.items()]
    return "\n".join([table(rows), *notes, f"each process, with {batch // processes} samples: {_step(own, processes)}"])


def _of_batch(checked: Checked, batch: int) -> Checked:
    """The same with another batch."""
    graph = checked.graph.with_batch(batch)
    return replace(checked, graph=graph, shapes=infer(graph, checked.data, batch))


def bytes_text(size: float) -> str:
    """`1.2 MiB`."""
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= scale:
            return f"{size / scale:,.1f} {unit}"
    return f"{size:,.0f} B"


def resolved_text(checked: Checked) -> str:
    """The graph as a file: everything merged, with all defaults."""
    return dump(checked.graph.resolved())


def _node(checked: Checked, name: str) -> list[str]:
    shapes = checked.shapes
    module = shapes.modules[name]
    own = sum(p.numel() for p in module.parameters())
    state = sum(b.numel() for b in module.buffers())
    held = f"{own:,}" if own else (f"{state:,} (state)" if state else "-")
    flops = shapes.flops.get(name, 0) / shapes.batch / 1e6
    return [name, checked.graph.nodes[name].component.name, held, f"{flops:.2f}" if flops else "-"]


def _shape(checked: Checked, value: Value) -> str:
    if value.parts is not None:
        return "; ".join(f".{name}: {_shape(checked, part)}" for name, part in value.parts.items())
    seen = dict.fromkeys(_slot_shape(checked, slot) for slot in value.slots)
    return ", ".join(seen)


def _slot_shape(checked: Checked, slot: Slot) -> str:
    """`b d = 256 128`, for each tensor of the slot."""
    shapes = checked.shapes.slots.get(slot.id, ())
    words = [
        f"{' '.join(axes)} = {' '.join(map(str, shape))}"
        for axes, shape in zip(slot.axes, shapes, strict=False)
        if axes
    ]
    return "; ".join(words) or "one number"


def _totals(checked: Checked) -> str:
    """Trainable parameters, and what a step costs where it would run here: on a GPU if there is one."""
    trained = sum(p.numel() for m in checked.shapes.modules.values() for p in m.parameters() if p.requires_grad)
    return f"{trained:,} trainable parameters; {_step(checked)}{_training(checked)}"


def _training(checked: Checked) -> str:
    """How long all of it takes on a GPU, where it takes long, and where that is known without a look at files."""
    spec = checked.graph.spec
    train, samples = spec.train, spec.data.samples or DATA_SETS[spec.data.use].samples
    if (samples is None and train.steps is None) or checked.graph.asks_for_batch:
        return ""
    steps = length(train, (samples or 0) // spec.data.batch // train.accumulate)
    flops = predict(checked.graph, checked.shapes, torch.device("cpu")).flops * train.accumulate * steps
    if flops < RATE * 360:
        return ""
    return (
        f"\n{steps:,} steps: {hours_text(flops)} of a GPU that does {RATE / 1e12:.0f} TFLOP/s, by the arithmetic alone"
    )


def _step(checked: Checked, processes: int = 1) -> str:
    train = checked.graph.spec.train
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision: Any = resolve("auto", device).name if train.precision == "auto" else train.precision
    cost = predict(checked.graph, checked.shapes, device, DTYPES[precision], processes)
    auto = " (batch: auto, for which `graphssl run` takes the most that fits)" if checked.graph.asks_for_batch else ""
    gflop = f"{cost.flops / cost.batch / 1e9:.3g} GFLOP per image and step"
    return f"{memory_text(cost, precision)}{auto}; {gflop}{_too_little(checked, cost, device)}"


def _too_little(checked: Checked, cost: Cost, device: torch.device) -> str:
    """A warning where that is more than there is here, where it may be meant for another machine."""
    free = free_device_memory(device) if device.type == "cuda" else free_memory()
    if cost.memory <= free or checked.graph.asks_for_batch:
        return ""
    where = "on this GPU" if device.type == "cuda" else "in this machine's memory, or as much as may be used of it"
    return (
        f"\nwarning: a step needs more than the {free / 2**30:,.1f} GiB that are free {where}; a smaller data.batch, "
        "data.batch: auto, or recompute: true in the encoder takes less"
    )

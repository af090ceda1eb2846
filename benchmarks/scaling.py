"""How the cost grows: of a step with its sizes, and of loading, checking and compiling with the graph's.

    python benchmarks/scaling.py [--sweep NAME ...] [--plot FILE.png] [--output FILE]
    python benchmarks/scaling.py --redraw RESULT.txt --plot FILE.png

Each sweep changes one number and leaves the rest. The exponent is the slope of log cost over log number through the
larger half of the points, where what is constant weighs least; beside it is the exponent that the arithmetic needs. A
sweep that grows faster than that by more than 0.25 is marked.
"""

from __future__ import annotations

import argparse
import math
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from common import arguments, interleave, machine, positive, publish, table
from loops import step_of
from methods import GRAPHS as METHODS

from graphssl.api import load
from graphssl.checks.checked import validated
from graphssl.checks.inference import infer
from graphssl.checks.rules.all import check as check_rules
from graphssl.component import DataFacts
from graphssl.data import Batch
from graphssl.data.known import facts
from graphssl.errors import Problems
from graphssl.graph.graph import Graph
from graphssl.program.assemble import compile_graph

SLACK = 0.25
ENCODER = "encoder: {use: encoder.resnet, depth: 10, width: 8}"


@dataclass(frozen=True)
class Sweep:
    """A number of the graph, the values that it takes, and the exponent that its cost needs.

    text: of the graph for a value. samples: of its data set, for a value; None for those of the digits.
    """

    what: str
    values: tuple[int, ...]
    exponent: float
    text: Callable[[int], str]
    samples: Callable[[int], int] | None = None


# -- graphs --------------------------------------------------------------------------------------------------


def simclr(batch: int, views: int = 2) -> str:
    return f"""\
graph: simclr
data: {{use: digits, batch: {batch}}}
nodes:
  augment: {{use: augment.simclr, views: {views}, blur: 0}}
  {ENCODER}
  projector: {{use: head.mlp, hidden: 64, out: 32}}
  others: {{use: negatives.in_batch}}
  critic: {{use: critic.cosine, temperature: 0.2}}
  objective: {{use: objective.infonce}}
flow:
  x: augment(batch.image)
  z: projector(encoder(x, views=fold))
loss:
  ntxent: objective(critic(z, z, others(z), pairs=cross))
"""


def moco(queue: int) -> str:
    return f"""\
graph: moco
data: {{use: digits, batch: 64}}
nodes:
  augment: {{use: augment.moco_v2, blur: 0}}
  {ENCODER}
  projector: {{use: head.mlp, hidden: 64, out: 128}}
""" + METHODS["moco_v2"].format(queue=queue)


def bank(sample: int | None) -> str:
    return f"""\
graph: bank
data: {{use: digits, batch: 64}}
nodes:
  augment: {{use: augment.npid}}
  {ENCODER}
  projector: {{use: head.mlp, layers: 1, out: 128}}
  bank: {{use: negatives.memory_bank, sample: {"null" if sample is None else sample}}}
  positive: {{use: augment.npid}}
  critic: {{use: critic.cosine, temperature: 0.2}}
  objective: {{use: objective.infonce}}
flow:
  x: augment(batch.image)
  y: positive(batch.image)
  q: projector(encoder(x[0]))
  k: projector(encoder(y[0]))
loss:
  infonce: objective(critic(q, k, bank(batch.index)))
update:
  bank: store(batch.index, q)
"""


def multicrop(small: int) -> str:
    return f"""\
graph: multicrop
data: {{use: digits, batch: 32}}
nodes:
  augment: {{use: augment.multicrop, small: {small}, blur: 0}}
  {ENCODER}
  projector: {{use: head.mlp, hidden: 64, out: 32}}
  predictor: {{use: head.mlp, hidden: 64, out: 32}}
  target: {{use: target.ema, of: [encoder, projector], momentum: 0.99}}
  critic: {{use: critic.cosine}}
  objective: {{use: objective.regression}}
flow:
  wide, small: augment(batch.image)
  all: views(wide, small)
  p: predictor(projector(encoder(all)))
  z: target(wide)
loss:
  byol: objective(critic(p, z, pairs=cross))
update:
  target: follow()
"""


Line = Callable[[int], str]


def graph_of(nodes: int, layer: Line, value: Line, loss: Line) -> str:
    """BYOL with so many more nodes, numbered from 1, each with a line of its own in three sections."""
    each = range(1, nodes + 1)
    return "\n".join([
        "graph: large", "data: {use: digits, batch: 16}", "nodes:",
        "  augment: {use: augment.byol, blur: 0}", f"  {ENCODER}",
        "  target: {use: target.ema, of: [encoder], momentum: 0.99}",
        "  critic: {use: critic.cosine}", "  objective: {use: objective.regression}",
        *map(layer, each),
        "flow:", "  x: augment(batch.image)", "  v0: encoder(x)", "  z: target(x)", *map(value, each),
        "loss:", *map(loss, each),
        "update:", "  target: follow()", "",
    ])  # fmt: skip


def deep(nodes: int) -> str:
    """One after the other, and one loss at the end."""
    last = f"  end: objective(critic(v{nodes}, z, pairs=cross))"
    return graph_of(
        nodes,
        lambda i: f"  h{i}: {{use: head.mlp, layers: 1, out: 64}}",
        lambda i: f"  v{i}: h{i}(v{i - 1})",
        lambda i: last if i == nodes else "",
    )


def wide(nodes: int) -> str:
    """Side by side, each with a loss of its own."""
    return graph_of(
        nodes,
        lambda i: f"  h{i}: {{use: head.mlp, layers: 1, out: 64}}",
        lambda i: f"  v{i}: h{i}(v0)",
        lambda i: f"  end{i}: objective(critic(v{i}, z, pairs=cross))",
    )


STEPS = {
    "batch": Sweep("samples in a batch; the negatives in it are few here", (16, 32, 64, 128, 256), 1, simclr),
    "queue": Sweep("entries of the queue, all of them negatives", (1024, 4096, 16384, 65536, 262144), 1, moco),
    "bank": Sweep(
        "entries of a memory bank, 1,024 of them drawn", (1024, 4096, 16384, 65536, 262144), 0,
        lambda _: bank(1024), lambda n: n,
    ),
    "whole bank": Sweep(
        "entries of a memory bank, all of them negatives", (1024, 4096, 16384, 65536), 1, lambda _: bank(None),
        lambda n: n,
    ),
    "views": Sweep("small views beside two wide ones", (2, 4, 8, 16), 1, multicrop),
    "pairs": Sweep("views, each pair of them a term of the loss", (2, 4, 8, 16), 2, lambda n: simclr(16, n)),
}  # fmt: skip
GRAPHS = {
    "deep": Sweep("nodes one after the other", (10, 30, 100, 300, 1000), 1, deep),
    "wide": Sweep("nodes side by side, a loss for each", (10, 30, 100, 300, 1000), 1, wide),
}


# -- costs ---------------------------------------------------------------------------------------------------

Costs = dict[str, list[float]]  # seconds for each value, by what was done


def step_costs(sweep: Sweep, values: Sequence[int], repeats: int) -> Costs:
    """Seconds of a step: the median of some, taken in turn over the values."""
    seconds = interleave({str(value): _step(sweep, value) for value in values}, repeats)
    return {"step": [statistics.median(seconds[str(value)]) for value in values]}


def _step(sweep: Sweep, value: int) -> Callable[[], object]:
    graph = _loaded(sweep.text(value))
    known = facts(graph.spec.data)
    samples = sweep.samples(value) if sweep.samples else known.samples
    data = DataFacts(height=known.height, width=known.width, samples=samples, mean=known.mean, std=known.std)
    checked = validated(graph, data)
    step, b = step_of(checked, torch.device("cpu"), 1000), graph.spec.data.batch
    image = torch.randint(0, 256, (b, 3, known.height, known.width), dtype=torch.uint8)
    index = torch.arange(b)
    batch = Batch(image, index, index)
    return lambda: step(0, [batch])


def graph_costs(sweep: Sweep, values: Sequence[int], repeats: int) -> Costs:
    """Seconds of reading and wiring, of shapes, of rules and of compiling: the fastest of some, in turn."""
    turns = [[_stages(sweep.text(value)) for value in values] for _ in range(repeats + 1)][1:]
    return {stage: [min(turn[i][stage] for turn in turns) for i in range(len(values))] for stage in turns[0][0]}


def _stages(text: str) -> dict[str, float]:
    seconds = {}

    def timed(stage: str, function: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = function()
        seconds[stage] = time.perf_counter() - start
        return result

    graph = timed("load", lambda: _loaded(text))
    data = facts(graph.spec.data)
    shapes = timed("shapes", lambda: infer(graph, data, graph.spec.data.batch))
    timed("rules", lambda: check_rules(graph, shapes, Problems()))
    timed("compile", lambda: compile_graph(graph, shapes, torch.device("cpu")))
    return seconds


def _loaded(text: str) -> Graph:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.yaml"
        path.write_text(text)
        return load(path)


def exponent(values: Sequence[float], seconds: Sequence[float]) -> float:
    """Slope of log seconds over log values, through the larger half of the points, by least squares."""
    half = min(len(values) // 2, len(values) - 2)
    slope, _ = statistics.linear_regression([math.log(v) for v in values[half:]], [math.log(s) for s in seconds[half:]])
    return slope


def rows(sweep: Sweep, values: Sequence[int], costs: Costs) -> list[list[str]]:
    """Milliseconds by value, and what they grow with."""
    made = [[sweep.what, *(f"{value:,}" for value in values), "exponent", "needed", ""]]
    for name, seconds in costs.items():
        slope = exponent(values, seconds)
        mark = "grows faster than it must" if slope > sweep.exponent + SLACK else ""
        made.append(
            [f"  {name}, ms", *(f"{1e3 * s:,.1f}" for s in seconds), f"{slope:.2f}", f"{sweep.exponent:g}", mark]
        )
    return made


def read(text: str) -> dict[str, tuple[Sequence[int], Costs]]:
    """What a result says, by sweep."""
    names = {sweep.what: name for name, sweep in {**STEPS, **GRAPHS}.items()}
    found: dict[str, tuple[Sequence[int], Costs]] = {}
    for line in text.splitlines():
        head, *entries = re.split(r" {2,}", line.strip())
        if head in names:
            values = [int(entry.replace(",", "")) for entry in entries[: entries.index("exponent")]]
            costs: Costs = {}
            found[names[head]] = values, costs
        elif head.endswith(", ms"):
            costs[head.removesuffix(", ms")] = [float(e.replace(",", "")) / 1e3 for e in entries[: len(values)]]
    return found


def draw(found: Mapping[str, tuple[Sequence[int], Costs]], path: Path) -> None:
    """All sweeps, each in its own axes, both logarithmic."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    across = min(len(found), 4)
    down = -(-len(found) // across)
    figure = Figure(figsize=(3.5 * across, 3 * down), layout="constrained")
    for axes, (name, (values, costs)) in zip(
        figure.subplots(down, across, squeeze=False).flat, found.items(), strict=False
    ):
        for what, seconds in costs.items():
            axes.loglog(values, [1e3 * s for s in seconds], "o-", label=f"{what}, {exponent(values, seconds):.2f}")
        axes.set(title=name, ylabel="ms")
        axes.set_xticks(values, [_short(value) for value in values])
        axes.yaxis.set_major_formatter("{x:,g}")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_locator(NullLocator())
        bottom, top = axes.get_ylim()
        axes.set_ylim(bottom, top * (top / bottom) ** (0.2 + 0.1 * len(costs)))  # room for the legend
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if top / bottom < 100 else (1,)))
        axes.legend(fontsize="small", title="exponent", title_fontsize="small", loc="upper left")
        axes.grid(visible=True, which="both", alpha=0.2)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _redraw(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    found = read(options.redraw.read_text()) if options.redraw.is_file() else {}
    if not found or not options.plot:
        parser.error(f"argument --redraw: {'no --plot says where' if found else 'that is no result of this benchmark'}")
    draw(found, options.plot)


def _short(value: int) -> str:
    """As a label: 64, 1k (1,000 or 1,024), 256k."""
    return f"{value}" if value < 1000 else f"{value // (1000 if value % 1000 == 0 else 1024)}k"


def main() -> None:
    parser = arguments(__doc__, device=False)
    parser.add_argument("--sweep", nargs="+", choices=(*STEPS, *GRAPHS), default=(*STEPS, *GRAPHS), metavar="NAME")
    parser.add_argument("--points", type=int, choices=range(2, 6), help="take only the first so many values")
    parser.add_argument("--repeats", type=positive, default=7)
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="the sweeps as a picture")
    parser.add_argument("--redraw", type=Path, metavar="RESULT.txt", help="measures nothing: plots an earlier result")
    options = parser.parse_args()
    if options.plot and options.plot.suffix != ".png":
        parser.error("argument --plot: it is a .png")
    if options.redraw:
        _redraw(parser, options)
        return
    torch.set_num_threads(options.threads)
    text = f"{machine()}\n{options.threads} thread(s), {options.repeats} turns\n"
    found: dict[str, tuple[Sequence[int], Costs]] = {}
    for name in options.sweep:
        sweep, cost = (STEPS[name], step_costs) if name in STEPS else (GRAPHS[name], graph_costs)
        values = sweep.values[: options.points]
        found[name] = values, cost(sweep, values, options.repeats)
        text += f"\n{table(rows(sweep, values, found[name][1]))}\n"
    if options.plot:
        draw(found, options.plot)
    publish(text, options.output)


if __name__ == "__main__":
    main()

"""What an online probe costs: a run's training steps with `evaluate: {probe: {}}`, and without.

    python benchmarks/probe.py [--method byol simclr moco_v2] [--encoder small] [--batch 64] [--classes 10]

Both sides are the loop of `graphssl run` on pictures of noise in memory, in turn in one process, with the same weights.
The cost is what training with the probe takes more, in percent of training without: the median over the turns, on a CPU
of the processor's time, on a GPU of the clock's. The accuracy on held-out pictures, every few epochs, comes on top: it
takes an embedding of them.
"""

from __future__ import annotations

import statistics
import time

import torch
from common import arguments, interleave, machine, positive, publish, table
from loops import Training, noise
from methods import ENCODERS, METHODS, Setting

from graphssl.evaluation.online import OnlineProbe


def measure(setting: Setting, classes: int, batches: int, device: torch.device, repeats: int) -> list[str]:
    """A row of the table."""
    sides = {}
    for name, probe in (("without", "null"), ("with", "{}")):
        checked = setting.checked("evaluate.features=encoder", f"evaluate.probe={probe}", "train.compile=off")
        data = noise(checked.graph.spec.data, setting.size, batches, device)
        sides[name] = Training(checked, data, device)
    sides["with"].probe = OnlineProbe(0.1, 0.9, classes, device)
    seconds = interleave(sides, repeats, time.process_time if device.type == "cpu" else time.perf_counter)
    more = [100 * (a / b - 1) for a, b in zip(seconds["with"], seconds["without"], strict=True)]
    quarters = statistics.quantiles(more, n=4)
    return [setting.method, f"{statistics.median(more):+.2f} %", f"{quarters[0]:+.2f} - {quarters[2]:+.2f}"]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--method", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--encoder", choices=ENCODERS, default="small")
    parser.add_argument("--size", type=positive, default=32)
    parser.add_argument("--batch", type=positive, default=64)
    parser.add_argument("--batches", type=positive, default=4, help="of a turn")
    parser.add_argument("--classes", type=positive, default=10)
    parser.add_argument("--repeats", type=positive, default=31)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = [["method", "the probe costs", "half of the turns"]]
    for method in options.method:
        setting = Setting(method, options.encoder, options.size, options.batch)
        rows.append(measure(setting, options.classes, options.batches, options.device, options.repeats))
    how = f"{options.encoder}, {options.size} px, batch {options.batch}, {options.classes} classes, "
    how += f"{options.threads} thread(s), {options.repeats} turns of {options.batches} steps after a warm-up"
    publish(f"{machine()}\n{how}\n\n{table(rows)}\n", options.output)


if __name__ == "__main__":
    main()

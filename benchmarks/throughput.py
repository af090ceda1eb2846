"""Images/s of the whole loop on one device, in every way that a step can run, beside a plain hand-written loop.

    python benchmarks/throughput.py [--method byol simclr moco_v2] [--setting 32 224] [--output FILE]

Meant for a GPU. Setting 32 is ResNet-18 at 32 px with batches of 512, setting 224 ResNet-50 at 224 px with batches of
256; `--batch` and `--encoder` change them. Pictures are noise and lie on the device, so that the loop is gather,
augmentation, forward, backward, optimizer and updates, with what `graphssl run` does around them. Ways: `eager`;
`compiled`; `recorded`, the whole eager step as one CUDA graph; `compiled, recorded`, which is what `train:` means by
itself on a GPU. The hand-written loop is `ByHand` in `methods.py`, eager, on the same pictures with the same
augmentation; each way takes turns with it, an epoch each, and the ratio is within the turn. The share is that of the
fastest product of two large matrices in the same run and precision; FLOPs are torch's count of an eager step.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import statistics
from dataclasses import replace

import torch
from common import arguments, interleave, machine, matrix_peak, positive, publish, ratios, table, wait
from loops import Training, noise
from methods import ENCODERS, METHODS, ByHand, Setting
from torch.utils.flop_counter import FlopCounterMode

from graphssl.train.precision import DTYPES, resolve

SETTINGS = {32: Setting("byol", "resnet18", 32, 512), 224: Setting("byol", "resnet50", 224, 256)}
WAYS = {
    "eager": ("off", "off"),
    "compiled": ("on", "off"),
    "recorded": ("off", "auto"),
    "compiled, recorded": ("on", "auto"),
}
WARM_UP = 5  # steps, after which a recorded step has been recorded


def training(setting: Setting, way: str, batches: int, device: torch.device) -> Training:
    """A graph's loop. The way is what `train.compile` and `train.cuda_graph` are."""
    compiled, recorded = WAYS[way]
    checked = setting.checked(f"train.compile={compiled}", f"train.cuda_graph={recorded}")
    return Training(checked, noise(checked.graph.spec.data, setting.size, batches, device), device)


class HandLoop:
    """An epoch of hand-written steps at each call, on the batches of a graph's loop."""

    def __init__(self, setting: Setting, pictures: Training, device: torch.device) -> None:
        self.step = ByHand(setting, pictures.step.program.node("augment"), device, compiled=False)
        self.pictures, self.device, self.epoch, self.done = pictures, device, itertools.count(), itertools.count()

    def __call__(self) -> None:
        for batch in self.pictures.data.train.epoch(next(self.epoch)):
            self.step(next(self.done), batch)
        wait(self.device)


def rows(setting: Setting, options: argparse.Namespace, device: torch.device, peak: float) -> list[list[str]]:
    """A row for each way, and one for the hand-written loop beside the first."""
    made: list[list[str]] = []
    flops = _flops(setting, device)
    for way in options.way:
        ours = training(setting, way, options.batches, device)
        hand = HandLoop(setting, ours, device)
        for _ in range(-(-WARM_UP // options.batches)):
            ours()
        seconds = interleave({"ours": ours, "hand": hand}, options.repeats)
        speed = {name: ours.images / statistics.median(s) for name, s in seconds.items()}
        share = {name: f"{100 * flops * s / setting.batch / peak:.1f} %" for name, s in speed.items()}
        if not made:
            made.append([f"{setting}: by hand", f"{speed['hand']:,.1f}", share["hand"], "", ""])
        replay = ours.step.replay
        failed = f" ({replay.reason})" if replay is not None and replay.reason else ""
        faster = ratios(seconds["ours"], seconds["hand"])
        made.append([f"  {way}{failed}", f"{speed['ours']:,.1f}", share["ours"], *faster])
        del ours, hand, replay
        _tidy(device)
    return made


def _flops(setting: Setting, device: torch.device) -> float:
    """Of one eager step."""
    ours, counter = training(setting, "eager", 1, device), FlopCounterMode(display=False)
    with counter:
        ours()
    del ours
    _tidy(device)
    return float(counter.get_total_flops())


def _tidy(device: torch.device) -> None:
    """Frees what the last loop held: two recorded steps of a ResNet-50 do not fit side by side."""
    torch._dynamo.reset()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--method", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--setting", nargs="+", type=int, choices=sorted(SETTINGS), default=sorted(SETTINGS))
    parser.add_argument("--way", nargs="+", choices=WAYS, help="default: all of them on a GPU, eager on a CPU")
    parser.add_argument("--encoder", choices=ENCODERS, help="in place of the setting's")
    parser.add_argument("--batch", type=positive, help="in place of the setting's")
    parser.add_argument("--batches", type=positive, default=8, help="batches of an epoch, which is a turn")
    parser.add_argument("--repeats", type=positive, default=7)
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = options.device
    options.way = options.way or (tuple(WAYS) if device.type == "cuda" else ("eager",))
    precision = resolve(options.precision, device).name
    peak = matrix_peak(device, DTYPES[precision])
    found = [["", "images/s", "share of peak", "ratio", "range"]]
    for size, method in itertools.product(options.setting, options.method):
        usual = SETTINGS[size]
        setting = replace(
            usual, method=method, precision=precision,
            encoder=options.encoder or usual.encoder, batch=options.batch or usual.batch,
        )  # fmt: skip
        found += rows(setting, options, device, peak)
    how = f"matrix peak {peak / 1e12:,.2f} TFLOP/s in {precision}, {options.threads} thread(s)"
    how += f", {options.repeats} turns of {options.batches} batches"
    publish(f"{machine()}\n{how}\n\n{table(found)}\n", options.output)


if __name__ == "__main__":
    main()

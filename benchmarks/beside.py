"""What lightly's code learns and what ours does, trained beside it: kNN accuracy over seeds, curves, and time.

    python benchmarks/beside.py --images FOLDER --record FILE.jsonl [--method simclr byol ...] [--seeds 0 1 2]
        [--epochs 20] [--every 5] [--plot FILE.png] [--output FILE.txt]

FOLDER has train/CLASS/* and test/CLASS/*, 32 x 32. Encoder, batch, steps, rates, heads, losses and views are alike on
both sides: `twins.py` says them, and what of each is lightly's own. Both networks are judged by one function: features
of the plain pictures, weighted kNN with k = 200 and temperature 0.1 (lightly's), every `--every` epochs and at the end.

The two sides train in turn, an epoch each, in one process, so that whatever else the machine does falls on both; the
time is that of training alone. What a method and a seed gave is added to the record, and a command that was stopped
goes on after it. `ours` and `lightly` are means over seeds with the 95 % interval by Student's t, `difference` has that
of the difference by Welch's, and `ratio` is how many times as long lightly takes, the median over the seeds.

Differences that remain: weights start from other draws; lightly makes views of each picture with Pillow, ours of a
batch at once; ours keeps weights and pictures channels-last and has a fused optimizer, as `train:` does by itself.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import math
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import arguments, machine, positive, publish, table
from PIL import Image
from torch import Tensor, nn
from twins import MEAN, SIZE, STD, TWINS, Lightly, Ours, Setting, Side

from graphssl.data.folder import SUFFIXES
from graphssl.evaluation.knn import knn_accuracy
from graphssl.evaluation.labelled import Labelled, Splits
from graphssl.evaluation.spread import Spread

K, TEMPERATURE = 200, 0.1
SIDES = {"graphssl": Ours, "lightly": Lightly}
Record = dict[str, Any]

# -- judged --------------------------------------------------------------------------------------------------


class Plain:
    """The plain pictures of a folder's two parts, and how good features of them are."""

    def __init__(self, folder: Path) -> None:
        classes = sorted(p.name for p in (folder / "train").iterdir() if p.is_dir())
        self.train, self.test = (_read(folder / part, classes) for part in ("train", "test"))
        self.classes = len(classes)

    def accuracy(self, encoder: nn.Module, device: torch.device) -> float:
        """Of weighted kNN, a share. encoder: from normalised pixels to features; it is left as it was."""
        training = encoder.training
        encoder.eval()
        known, asked = (Labelled(features(encoder, x, device), y.to(device)) for x, y in (self.train, self.test))
        encoder.train(training)
        return knn_accuracy(Splits(known, asked, self.classes), K, TEMPERATURE)


def _read(folder: Path, classes: Sequence[str]) -> tuple[Tensor, Tensor]:
    """uint8, `n 3 h w`, and the class of each."""
    found, labels = [], []
    for label, name in enumerate(classes):
        for path in sorted(p for p in (folder / name).iterdir() if p.suffix.lower() in SUFFIXES):
            with Image.open(path) as picture:
                if picture.size != (SIZE, SIZE):
                    raise SystemExit(f"{path} is {picture.width} x {picture.height}, and not {SIZE} x {SIZE}")
                found.append(np.asarray(picture.convert("RGB")))
            labels.append(label)
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2), torch.tensor(labels)


@torch.no_grad()
def features(encoder: nn.Module, pictures: Tensor, device: torch.device) -> Tensor:
    """Of plain pictures, `n d`."""
    mean, std = (torch.tensor(values, device=device).view(3, 1, 1) for values in (MEAN, STD))
    parts = [encoder((part.to(device).float() / 255 - mean) / std).flatten(1) for part in pictures.split(500)]
    return torch.cat(parts)


# -- trained -------------------------------------------------------------------------------------------------


def trained(setting: Setting, seed: int, every: int, plain: Plain, device: torch.device) -> list[Record]:
    """What came of a method and a seed on each side, an epoch of each in turn."""
    there = [name for name in SIDES if name != "lightly" or importlib.util.find_spec("lightly")]
    sides: dict[str, Side] = {name: SIDES[name](setting, seed, device) for name in there}
    curves: dict[str, dict[int, float]] = {
        name: {0: plain.accuracy(side.encoder, device)} for name, side in sides.items()
    }
    for epoch in range(1, setting.epochs + 1):
        for name in sides if epoch % 2 else reversed(sides):
            sides[name]()
            if epoch % every == 0 or epoch == setting.epochs:
                curves[name][epoch] = plain.accuracy(sides[name].encoder, device)
        print(f"# {setting.method}, seed {seed}, epoch {epoch}: {_now(sides, curves)}", file=sys.stderr, flush=True)
    if len({side.steps for side in sides.values()}) != 1:
        raise SystemExit(f"{setting.method}: the sides have done {[side.steps for side in sides.values()]} steps")
    return [
        {
            "method": setting.method, "seed": seed, "side": name, "knn": {f"{e}": v for e, v in curves[name].items()},
            "seconds": round(side.seconds, 3), "steps": side.steps, "setting": said(setting, every),
            "machine": f"{machine().rpartition(', ')[0]}, {torch.get_num_threads()} thread(s)",
            "date": f"{datetime.date.today()}",
        }
        for name, side in sides.items()
    ]  # fmt: skip


def _now(sides: Mapping[str, Side], curves: Mapping[str, Mapping[int, float]]) -> str:
    return ", ".join(
        f"{name} {100 * curves[name][max(curves[name])]:.2f} % in {side.seconds:.0f} s" for name, side in sides.items()
    )


def said(setting: Setting, every: int) -> dict[str, Any]:
    """What a record says of how it came about; records of other settings are not mixed."""
    return {
        "images": setting.images.name, "epochs": setting.epochs, "batch": setting.batch, "rate": setting.rate,
        "queue": setting.queue, "width": setting.width, "stem": setting.stem, "every": every,
    }  # fmt: skip


# -- kept ----------------------------------------------------------------------------------------------------


def kept(path: Path, wanted: Mapping[str, Any]) -> list[Record]:
    """The records of a file, without a line that was cut off. Raises SystemExit for those of other settings."""
    found = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    for record in found:
        for key, value in wanted.items():
            if (known := record["setting"].get(key)) != value:
                raise SystemExit(f"{path} has results of {key} {known}, and not {value}: name another --record")
    return found


def keep(path: Path, records: Sequence[Record]) -> None:
    """Adds them, in one write that reaches the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cut = path.exists() and not path.read_text().endswith("\n") and path.stat().st_size > 0
    with path.open("a") as file:
        file.write("\n" * cut + "".join(json.dumps(record) + "\n" for record in records))
        file.flush()
        os.fsync(file.fileno())


# -- told ----------------------------------------------------------------------------------------------------


def last(record: Record) -> float:
    curve: dict[str, float] = record["knn"]
    return float(curve[max(curve, key=int)])


def compared(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """The difference of the means, and half of its 95 % interval, by Welch's t; NaN of one seed."""
    difference = statistics.fmean(ours) - statistics.fmean(theirs)
    if min(len(ours), len(theirs)) < 2:
        return difference, math.nan
    from scipy.stats import t

    parts = [statistics.variance(values) / len(values) for values in (ours, theirs)]
    if not sum(parts):
        return difference, 0.0
    freedom = sum(parts) ** 2 / sum(p**2 / (len(v) - 1) for p, v in zip(parts, (ours, theirs), strict=True))
    return difference, float(t.ppf(0.975, freedom)) * math.sqrt(sum(parts))


def row(method: str, records: Sequence[Record]) -> list[str]:
    """A line of the table: accuracies in %, minutes of a training."""
    sides = {name: {r["seed"]: r for r in records if (r["method"], r["side"]) == (method, name)} for name in SIDES}
    ours, theirs = (list(map(last, side.values())) for side in sides.values())
    both = [seed for seed in sides["graphssl"] if seed in sides["lightly"]]
    cells = [method, f"{len(ours)}", *(_mean(values) for values in (ours, theirs))]
    minutes = [[r["seconds"] / 60 for r in side.values()] for side in sides.values()]
    cells += ["-", "-"] if not both else _verdict(*compared(ours, theirs))
    cells += [f"{statistics.fmean(values):.2f}" if values else "-" for values in minutes]
    ratios = [sides["lightly"][seed]["seconds"] / sides["graphssl"][seed]["seconds"] for seed in both]
    return [*cells, f"{statistics.median(ratios):.2f}" if ratios else "-"]


def _mean(values: Sequence[float]) -> str:
    if not values:
        return "-"
    spread = Spread.of(values)
    half = "" if spread.interval is None else f" ± {100 * (spread.interval[1] - spread.mean):.2f}"
    return f"{100 * spread.mean:.2f}{half}"


def _verdict(difference: float, half: float) -> list[str]:
    if math.isnan(half):
        return [f"{100 * difference:+.2f}", "-"]
    within = "yes" if abs(difference) <= half else "no, more" if difference > 0 else "no, less"
    return [f"{100 * difference:+.2f} ± {100 * half:.2f}", within]


HEAD = ["", "seeds", "ours", "lightly", "difference", "within", "min", "lightly's", "ratio"]


def draw(records: Sequence[Record], methods: Sequence[str], path: Path) -> None:
    """The learning curves, a panel for each method; both sides in the mean, and each seed thinly."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(methods), 3), layout="constrained")
    for axes, method in zip(figure.subplots(1, len(methods), squeeze=False).flat, methods, strict=True):
        for colour, side in zip(("C0", "C1"), SIDES, strict=True):
            curves = [r["knn"] for r in records if (r["method"], r["side"]) == (method, side)]
            for curve in curves:
                axes.plot([int(e) for e in curve], [100 * v for v in curve.values()], color=colour, alpha=0.3, lw=0.8)
            if curves:
                mean = {int(e): 100 * statistics.fmean(c[e] for c in curves) for e in curves[0]}
                axes.plot([*mean], [*mean.values()], "o-", color=colour, ms=3, label=side)
        axes.set(title=method, xlabel="epochs", ylabel="kNN accuracy, %")
        axes.grid(visible=True, alpha=0.2)
        axes.legend(fontsize="small", loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def parsed() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--record", type=Path, required=True, metavar="FILE.jsonl", help="what is done is kept here")
    parser.add_argument("--method", nargs="+", choices=tuple(TWINS), default=list(TWINS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=positive, default=20)
    parser.add_argument("--every", type=positive, default=5, help="epochs between two points of the curve")
    parser.add_argument("--batch", type=positive, default=256)
    parser.add_argument("--rate", type=float, default=0.06, help="for 128 pictures")
    parser.add_argument("--queue", type=positive, default=4096, help="of MoCo v2")
    parser.add_argument("--width", type=positive, default=16, help="of the ResNet, of depth 10")
    parser.add_argument("--stem", choices=("imagenet", "small"), default="imagenet")
    parser.add_argument("--workers", type=int, default=0, help="processes that make lightly's views")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="the learning curves")
    options = parser.parse_args()
    if options.plot and options.plot.suffix != ".png":
        parser.error("argument --plot: it is a .png")
    if options.workers < 0:
        parser.error("argument --workers: it is below 0")
    missing = [part for part in ("train", "test") if not (options.images / part).is_dir()]
    if missing:
        parser.error(f"argument --images: {options.images} has no folder '{missing[0]}'")
    if options.queue % options.batch:
        parser.error(
            f"argument --queue: lightly's bank cuts batches off at its end: take a multiple of {options.batch}"
        )
    return options


def main() -> None:
    options = parsed()
    torch.set_num_threads(options.threads)
    images = options.images.resolve()
    settings = {
        method: Setting(
            method, images, options.epochs, options.batch, options.rate, options.queue, options.width, options.stem,
            options.workers,
        )
        for method in options.method
    }  # fmt: skip
    wanted = said(next(iter(settings.values())), options.every)
    done = kept(options.record, wanted)
    plain = None
    for seed in options.seeds:  # all methods of a seed first: what is stopped has something of each
        for method, setting in settings.items():
            if any((r["method"], r["seed"]) == (method, seed) for r in done):
                continue
            plain = plain or Plain(images)
            made = trained(setting, seed, options.every, plain, options.device)
            keep(options.record, made)
            done += made
    chosen = [r for r in done if r["seed"] in options.seeds]
    how = f"ResNet-10 of width {options.width}, stem {options.stem}, {options.epochs} epochs, batch {options.batch}"
    how += f", rate {options.rate:g} for 128 pictures, {options.threads} thread(s), {options.workers} worker(s)"
    what = f"pictures: {images.name}; kNN, k = {K}, temperature {TEMPERATURE}, accuracies in %"
    rows = [HEAD, *(row(method, chosen) for method in options.method)]
    publish(f"{machine()}\n{how}\n{what}\n\n{table(rows)}\n", options.output)
    if options.plot:
        draw(chosen, options.method, options.plot)


if __name__ == "__main__":
    main()

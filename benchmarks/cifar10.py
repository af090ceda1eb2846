"""kNN accuracy on CIFAR-10 after 200 epochs, beside what lightly has published for the same setting.

    python benchmarks/cifar10.py [METHOD ...] (--images FOLDER | --root FOLDER) [--folder cifar10-runs] [--epochs 200]

Trains `graphs/cifar10/METHOD.yaml`, ResNet-18 with a 3x3 stem and batches of 512, and writes a table after each
method. Meant for a GPU. Runs are kept in `--folder`, one for each method: the same command goes on where it stopped,
and leaves out what is finished. `--root` is where torchvision's `cifar-10-batches-py` lies; `--images` has the pictures
as FOLDER/train/CLASS/* and FOLDER/test/CLASS/*, and if these are JPEGs the pixels are not quite CIFAR-10's.

kNN is weighted, k = 200. lightly's figure is its best of all epochs, and so is `best` here, of those that are judged:
every tenth, unless `--set evaluate.knn.every=1`. `--epochs` and `--set` count for runs that begin. Rates, batches and
augmentation are lightly's for byol, moco_v2 and barlow_twins, but for what the heads of the files say; simclr and
simsiam follow their papers' recipes for CIFAR-10, so that a difference there is also one of recipes.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NamedTuple

from common import machine, positive, publish, table

import graphssl
from graphssl.errors import GraphError, RunError
from graphssl.runs.results import Result

IMAGES = 50_000  # of an epoch


class Published(NamedTuple):
    """kNN accuracy, the best epoch's, and minutes on lightly's GPU."""

    knn: float
    minutes: float


# lightly's table for CIFAR-10: ResNet-18, batch 512, 200 epochs.
PUBLISHED = {
    "byol": Published(0.868, 108.3),
    "moco_v2": Published(0.847, 112.2),
    "simclr": Published(0.848, 87.1),
    "simsiam": Published(0.764, 87.8),
    "barlow_twins": Published(0.819, 153.3),
}


def trained(method: str, sets: list[str], device: str) -> Result:
    """The method's run in the current folder: begun, gone on with, or found finished."""
    if (Path("runs") / method / "graph.yaml").is_file():
        return graphssl.run(resume=method, device=device)
    return graphssl.run(f"cifar10/{method}", sets, name=method, device=device)


def row(method: str, result: Result, epochs: int) -> list[str]:
    """A line of the table; minutes are those of training alone at the speed of the last epoch."""
    knn, published = result.outcome.scores["knn"], PUBLISHED[method]
    learnt = {epoch: accuracy for epoch, accuracy in knn.items() if epoch > 0}
    best = max(learnt.values())
    minutes = epochs * IMAGES / result.outcome.images_per_second / 60
    return [
        method, f"{max(learnt)}", f"{100 * knn[0]:.2f}", f"{100 * best:.2f}", f"{100 * learnt[max(learnt)]:.2f}",
        f"{100 * published.knn:.1f}", f"{100 * (best - published.knn):+.2f}",
        f"{result.outcome.images_per_second:,.0f}", f"{minutes:.1f}", f"{published.minutes:.1f}",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", metavar="METHOD", help=f"of {', '.join(PUBLISHED)}; default: all")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--images", type=Path, metavar="FOLDER")
    where.add_argument("--root", type=Path, metavar="FOLDER")
    parser.add_argument("--folder", type=Path, default=Path("cifar10-runs"))
    parser.add_argument("--epochs", type=positive, default=200)
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    if unknown := set(options.methods) - set(PUBLISHED):
        parser.error(f"nothing is published for {', '.join(sorted(unknown))}: there are {', '.join(PUBLISHED)}")
    use, root = ("image_folder", options.images) if options.images else ("cifar10", options.root)
    data = [f"data.use={use}", f"data.root={root.resolve()}", "data.size=32", "data.download=false"]
    sets = [*data, f"train.epochs={options.epochs}", "evaluate.knn.k=200", *options.sets]
    output = options.output.resolve() if options.output else None
    options.folder.mkdir(parents=True, exist_ok=True)
    os.chdir(options.folder)
    head = ["method", "epochs", "untrained", "best", "last", "lightly", "more", "images/s", "minutes", "lightly's"]
    rows = [head]
    for method in options.methods or PUBLISHED:
        try:
            result = trained(method, sets, options.device)
        except (GraphError, RunError) as error:
            raise SystemExit(f"{method}: {error}") from None
        if result.interrupted:
            raise SystemExit(f"{method} was interrupted: the same command goes on with it")
        rows.append(row(method, result, options.epochs))
        title = f"CIFAR-10 from {'files' if options.images else 'torchvision'}, kNN k = 200, accuracies in %"
        publish(f"{machine()}\n{title}\n\n{table(rows)}\n", output)


if __name__ == "__main__":
    main()

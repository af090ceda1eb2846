"""Does every method learn? Accuracy of each graph's encoder before its training and after it.

    python benchmarks/learn.py [GRAPH ...] [--seeds N] [--images FOLDER] [--jobs N] [--set KEY=VALUE ...]

Before it in two ways: as it is drawn, and with the running statistics of an epoch in which no weight moves. Batch norms
with these alone change accuracy by several points, up or down: what a method has learnt is what is above them.

Trains each graph as `graphssl run` does, on the embedded digits, or on an image folder (FOLDER/train/CLASS/*,
FOLDER/test/CLASS/*) at 32 px, and prints weighted kNN and linear accuracy (`logistic`: by L-BFGS) on the held-out
split. Without a GRAPH: all packaged graphs that have an embedded recipe and are evaluated. With several seeds, 0 to
N - 1, a figure is their mean with Student's 95 % interval of it. A method that does not beat its own untrained encoder,
with its statistics, is marked. Weights that a graph leaves open are those of a run here: `graphssl run byol --name
teacher` before distill.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch
from common import command, machine, positive, table

import graphssl
from graphssl.errors import GraphError, RunError
from graphssl.evaluation.spread import Spread
from graphssl.graph.language.packaged import packaged

PAPERS = ("cifar10/", "imagenet/")  # recipes of real data sets, which take days
STILL = ["train.epochs=1", "train.schedule={shape: constant}", "train.optimizer.lr=1e-12"]  # no weight moves
MEASURES = ("knn", "logistic")
WHEN = ("drawn", "statistics", "after")


class Learnt(NamedTuple):
    """One training. accuracies, 0 to 1: kNN as drawn, with statistics, and trained; so linear. seconds: in all."""

    graph: str
    seed: int
    accuracies: tuple[float, ...]
    seconds: float
    failure: str = ""


def learn(graph: str, seed: int, sets: list[str], threads: int) -> Learnt:
    """One graph, in a folder that goes away."""
    torch.set_num_threads(threads)
    path = str(Path(graph).resolve()) if Path(graph).is_file() else graph
    began = time.perf_counter()
    here = [run.resolve() for run in Path("runs").glob("*")]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("runs").mkdir()
        for run in here:  # what a graph starts from, as a teacher
            Path("runs", run.name).symlink_to(run)
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # progress of several at once would be unreadable
                options = ["evaluate.logistic={}", f"train.seed={seed}", *sets]
                still, trained = (graphssl.run(path, [*options, *more]).outcome.scores for more in (STILL, []))
        except (GraphError, RunError) as error:
            return Learnt(graph, seed, (), time.perf_counter() - began, str(error))
        finally:
            os.chdir("/")
    if not all(trained.get(name) for name in MEASURES):
        return Learnt(graph, seed, (), time.perf_counter() - began, "it is not evaluated")
    found = (_ends(still[name]) + _ends(trained[name])[1:] for name in MEASURES)
    return Learnt(graph, seed, tuple(itertools.chain.from_iterable(found)), time.perf_counter() - began)


def _ends(scores: Mapping[int, float]) -> tuple[float, ...]:
    """Before the first epoch, and after the last that was judged."""
    return scores[min(scores)], scores[max(scores)]


def row(learnt: list[Learnt]) -> list[str]:
    """A line of the table: a graph's trainings together."""
    graph, seconds = learnt[0].graph, f"{sum(one.seconds for one in learnt) / len(learnt):.0f}"
    if failures := [one.failure for one in learnt if one.failure]:
        return [graph, *["-"] * 3 * len(MEASURES), seconds, failures[0].splitlines()[0]]
    spreads = [Spread.of(values, (0.0, 1.0)) for values in zip(*(one.accuracies for one in learnt), strict=True)]
    knn, linear = (spreads[i + 2].mean - spreads[i + 1].mean for i in (0, 3))
    verdict = "in one of two" if knn > 0 or linear > 0 else "does not beat its untrained encoder"
    return [graph, *map(said, spreads), seconds, "" if knn > 0 and linear >= 0 else verdict]


def said(spread: Spread) -> str:
    """In percent, with the interval where there is one."""
    if spread.interval is None:
        return f"{100 * spread.mean:.2f}"
    low, high = spread.interval
    return f"{100 * spread.mean:.2f} ({100 * low:.1f} - {100 * high:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graphs", nargs="*", metavar="GRAPH")
    parser.add_argument("--images", type=Path, metavar="FOLDER")
    parser.add_argument("--seeds", type=positive, default=1, metavar="N")
    parser.add_argument("--jobs", type=positive, default=1, help="trainings at a time")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    graphs = options.graphs or [g for g in packaged() if not g.startswith(PAPERS)]
    sets = list(options.sets)
    if options.images is not None:
        root = options.images.resolve()
        sets = [f"data={{use: image_folder, root: {root}, size: 32}}", *sets]
    print(f"# {command()}")
    print(f"# {machine()}", flush=True)
    threads = max((os.cpu_count() or 1) // options.jobs, 1)
    head = ["graph", *(f"{one} {when}" for one in ("kNN", "linear") for when in WHEN), "seconds", ""]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context, max_tasks_per_child=1) as pool:
        wanted = [(graph, seed) for graph in graphs for seed in range(options.seeds)]
        found: dict[str, list[Learnt]] = {graph: [] for graph in graphs}
        for one in pool.map(learn, *zip(*wanted, strict=True), [sets] * len(wanted), [threads] * len(wanted)):
            found[one.graph].append(one)
            print(f"# {one.graph}, seed {one.seed}: {' '.join(row([one])[1:])}".rstrip(), file=sys.stderr, flush=True)
    print(table([head, *map(row, found.values())]))


if __name__ == "__main__":
    main()

"""Does every method learn? Accuracy of each graph's encoder before its training and after it.

    python benchmarks/learn.py [GRAPH ...] [--images FOLDER] [--jobs N] [--set KEY=VALUE ...]

Trains each graph as `graphssl run` does, on the embedded digits, or on an image folder (FOLDER/train/CLASS/*,
FOLDER/test/CLASS/*) at 32 px, and prints weighted kNN and linear accuracy on the held-out split. Without a GRAPH:
all packaged graphs that have an embedded recipe and are evaluated. A method that does not beat its own untrained
encoder is marked.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch
from common import command, machine, positive, table

import graphssl
from graphssl.errors import GraphError, RunError
from graphssl.graph.language.packaged import packaged

PAPERS = ("cifar10/", "imagenet/")  # recipes of real data sets, which take days


class Learnt(NamedTuple):
    """Accuracies, 0 to 1, before and after; NaN where there are none. seconds: of the training, in all."""

    graph: str
    knn: tuple[float, float]
    linear: tuple[float, float]
    seconds: float
    failure: str = ""


def learn(graph: str, sets: list[str], threads: int) -> Learnt:
    """One graph, in a folder that goes away."""
    torch.set_num_threads(threads)
    path = str(Path(graph).resolve()) if Path(graph).is_file() else graph
    nothing = (math.nan, math.nan)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # progress of several at once would be unreadable
                result = graphssl.run(path, ["evaluate.linear={}", *sets])
        except (GraphError, RunError) as error:
            return Learnt(graph, nothing, nothing, time.perf_counter() - began, str(error))
        finally:
            os.chdir("/")
    knn, linear = (result.outcome.scores.get(name) for name in ("knn", "linear"))
    if not knn or not linear:
        return Learnt(graph, nothing, nothing, time.perf_counter() - began, "it is not evaluated")
    ends = min(knn), max(knn)
    both = [(scores[ends[0]], scores[ends[1]]) for scores in (knn, linear)]
    return Learnt(graph, both[0], both[1], time.perf_counter() - began)


def row(learnt: Learnt) -> list[str]:
    """A line of the table."""
    if learnt.failure:
        return [learnt.graph, "-", "-", "-", "-", f"{learnt.seconds:.0f}", learnt.failure.splitlines()[0]]
    numbers = [f"{100 * v:.2f}" for v in (*learnt.knn, *learnt.linear)]
    better = learnt.knn[1] > learnt.knn[0] and learnt.linear[1] >= learnt.linear[0]
    some = learnt.knn[1] > learnt.knn[0] or learnt.linear[1] > learnt.linear[0]
    verdict = "" if better else "in one of two" if some else "does not beat its untrained encoder"
    return [learnt.graph, *numbers, f"{learnt.seconds:.0f}", verdict]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graphs", nargs="*", metavar="GRAPH")
    parser.add_argument("--images", type=Path, metavar="FOLDER")
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
    rows = [["graph", "kNN before", "kNN after", "linear before", "linear after", "seconds", ""]]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context, max_tasks_per_child=1) as pool:
        for learnt in pool.map(learn, graphs, [sets] * len(graphs), [threads] * len(graphs)):
            rows.append(row(learnt))
            print(f"# {learnt.graph}: {' '.join(rows[-1][1:])}".rstrip(), file=sys.stderr, flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()

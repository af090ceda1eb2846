"""Where runs are begun, disturbed, resumed and held against one that nothing has happened to; see `faults.py`."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import torch
from flaky import Server
from torch.utils._pytree import tree_leaves

from graphssl.train.checkpoint import Checkpoints

SMALL = ["data.batch=96", "train.log_every=1", "train.compile=off"]
GRAPHS = {
    "byol": ["train.checkpoint.steps=2"],
    "moco_v2": ["train.checkpoint.steps=1"],
    "npid": ["train.checkpoint.steps=3"],
    "simclr": ["train.accumulate=2", "train.checkpoint.steps=2"],
    "swav": ["train.checkpoint.steps=5"],
}
FILES = "folder"  # as simclr, on pictures in files that two workers read
PATIENCE = 300.0  # seconds for one process
TRIES = 6  # resumes of one run

Point = tuple[str, int]
Words = tuple[str, ...]
Process = subprocess.Popen[str]


@dataclass
class Outcome:
    """Of one fault. resumed: runs that ended early and went on."""

    injected: int = 0
    resumed: int = 0
    identical: int = 0
    once: int = 0
    lost: int = 0
    said: list[str] = field(default_factory=list)


@dataclass
class Lab:
    """Where runs are made and tracked. whole: how long an undisturbed run of a graph takes, in seconds."""

    folder: Path
    server: Server
    steps: int
    threads: int
    draw: random.Random
    whole: dict[str, float] = field(default_factory=dict)
    _count: int = 0

    def begin(
        self, graph: str, uri: str | None = None, before: tuple[str, ...] = ()
    ) -> tuple[str, subprocess.Popen[str]]:
        """Starts a run of that graph, and gives its name. before: what stands for `python -m graphssl`."""
        self._count += 1
        name = f"{graph}-{self._count}"
        return name, self.start(*self.words(graph), "--name", name, uri=uri, before=before)

    def words(self, graph: str) -> list[str]:
        sets = [*SMALL, f"train.steps={self.steps}", *GRAPHS.get(graph, GRAPHS["simclr"])]
        if graph == FILES:
            root = f"{{use: image_folder, root: {self.folder / 'pictures'}, labels: none, held_out: none, size: 32}}"
            sets += [f"data={root}", "data.batch=20", "data.workers=2", "data.resident=workers", "evaluate.knn=null"]
        return ["run", "simclr" if graph == FILES else graph, *(f"--set={change}" for change in sets)]

    def start(self, *words: str, uri: str | None = None, before: Words = ()) -> Process:
        env = {**os.environ, "MLFLOW_TRACKING_URI": uri or self.server.uri, "OMP_NUM_THREADS": str(self.threads)}
        command = [
            sys.executable,
            *(before or ("-m", "graphssl")),
            *words,
            *(("--device", "cpu") if "run" in words else ()),
        ]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=env, stdout=pipe, stderr=subprocess.STDOUT, text=True)

    def wait(self, process: Process) -> str:
        """What it said. Raises TimeoutError for one that hangs."""
        try:
            return process.communicate(timeout=PATIENCE)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            raise TimeoutError(f"still running after {PATIENCE:.0f} s: {process.args}") from None

    def finish(self, graph: str, name: str, outcome: Outcome) -> None:
        """Resumes a run until it has finished; one that had no folder yet is begun again under its name."""
        folder = self.folder / "runs" / name
        for attempt in range(TRIES):
            facts = folder / "run.json"
            if facts.exists() and json.loads(facts.read_text()).get("status") == "finished":
                if (folder / "undelivered.jsonl").exists():
                    self.wait(self.start("track", name))
                return
            words = ("run", "--resume", name) if folder.is_dir() else (*self.words(graph), "--name", name)
            outcome.resumed += attempt == 0
            process = self.start(*words)
            said = self.wait(process).strip()
            if process.returncode:
                outcome.said.append(said.splitlines()[-1] if said else f"exit code {process.returncode}")
        outcome.said.append(f"{name} has not finished after {TRIES} resumes")

    def look(self, name: str, than: str, outcome: Outcome) -> None:
        """Holds a run against the undisturbed one."""
        one, two = (Checkpoints(self.folder / "runs" / run / "checkpoints").latest() for run in (name, than))
        mine, whole = ([v for v in tree_leaves(found) if isinstance(v, torch.Tensor)] for found in (one, two))
        pairs = zip(mine, whole, strict=True) if len(mine) == len(whole) and mine else [(torch.zeros(1), torch.ones(1))]
        outcome.identical += all(torch.equal(a, b) for a, b in pairs)
        found, wanted = self.points(name), self.points(than)
        outcome.lost += sum(point not in found for point in wanted)
        outcome.once += found.keys() == wanted.keys() and max(found.values(), default=1) == 1

    def points(self, name: str) -> Counter[Point]:
        """How often MLflow has each point of a run."""
        from mlflow.tracking import MlflowClient

        client = MlflowClient(self.server.uri)
        experiments = [found.experiment_id for found in client.search_experiments()]
        runs = client.search_runs(experiments, f"attributes.run_name = '{name}'")
        metrics = [
            m for run in runs for key in run.data.metrics for m in client.get_metric_history(run.info.run_id, key)
        ]
        return Counter((m.key, m.step) for m in metrics)

"""A run by several processes, as a user starts it: one voice, one folder, the numbers of one process, and restarts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch
from conftest import SIMCLR, Write

from graphssl.graph.read import load

pytestmark = pytest.mark.slow

QUICK = ("epochs: 2,", "epochs: 2, compile: off, log_every: 1, checkpoint: {steps: 4, keep: 9},")
SMALL = ("batch: 16", "batch: 160")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", *map(str, arguments)]


def done(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def last(folder: Path, run: str) -> dict[str, Any]:
    path = max((folder / "runs" / run / "checkpoints").glob("step-*.pt"))
    found: dict[str, Any] = torch.load(path)
    return found


def same(one: dict[str, Any], other: dict[str, Any], tolerance: float = 0.0) -> bool:
    pairs = [(value.double(), other["model"][key].double()) for key, value in one["model"].items()]
    return one["step"] == other["step"] and all(torch.allclose(a, b, rtol=tolerance, atol=tolerance) for a, b in pairs)


@pytest.fixture
def graph(write: Write) -> Path:
    return write(SIMCLR, QUICK, SMALL)


def test_two_processes_speak_with_one_voice_and_give_what_one_does(graph: Path, tmp_path: Path) -> None:
    step = "--set=train.steps=1"  # in float32 roundings grow from step to step
    both = done(tmp_path, "graphssl", "run", graph, "--processes", 2, "--name", "both", step)
    assert both.returncode == 0, both.stderr
    assert both.stdout.count("finished after step 1") == 1
    assert "Traceback" not in both.stderr
    one = done(tmp_path, "graphssl", "run", graph, "--name", "one", step)
    assert one.returncode == 0, one.stderr
    assert same(last(tmp_path, "one"), last(tmp_path, "both"), 5e-3)  # another number of threads moves as much
    score = [line.split() for text in (one.stdout, both.stdout) for line in text.splitlines() if "untrained encoder" in line
             or "before training" in line]  # fmt: skip
    assert score[0][-2:] == score[1][-2:], "features come from parts, and are judged together"


@pytest.mark.parametrize(("first", "then"), [(2, 1), (1, 2)])
def test_a_checkpoint_is_of_no_number_of_processes(graph: Path, tmp_path: Path, first: int, then: int) -> None:
    assert done(tmp_path, "graphssl", "run", graph, "--processes", first, "--name", "run").returncode == 0
    whole = last(tmp_path, "run")
    *_, to_go_on, _ = sorted((tmp_path / "runs/run/checkpoints").glob("step-*.pt"))
    for later in (tmp_path / "runs/run/checkpoints").glob("step-*.pt"):
        if later > to_go_on:
            later.unlink()
    found = done(tmp_path, "graphssl", "run", "--resume", "run", "--processes", then)
    assert found.returncode == 0, found.stderr
    assert f"resumed after step {int(to_go_on.stem[5:])} of 18" in found.stdout
    assert same(whole, last(tmp_path, "run"), 1e-4)


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        (["data.batch=15"], 2, "data.batch is 15, and 2 processes cannot part it evenly: 14 or 16 can be parted"),
        (["data.use=image_folder", "data.root=nowhere"], 2, "there is no folder"),
        (["train.optimizer.lr=1e30"], 1, "not finite"),
    ],
)
def test_an_error_is_told_once(graph: Path, tmp_path: Path, changes: list[str], code: int, text: str) -> None:
    sets = [f"--set={change}" for change in changes]
    found = done(tmp_path, "graphssl", "run", graph, "--processes", 2, *sets)
    assert found.returncode == code, found.stderr
    assert found.stderr.count(text) == 1, found.stderr
    assert "Traceback" not in found.stderr


def test_an_automatic_batch_is_that_of_all(write: Write, tmp_path: Path) -> None:
    small = ("encoder.resnet, depth: 10, width: 8", "encoder.vit, patch: 16, dim: 16, depth: 1, heads: 1")
    sets = ["--set=data.batch=auto", "--set=train.steps=1"]
    found = done(tmp_path, "graphssl", "run", write(SIMCLR, QUICK, small), "--processes", 2, "--name", "auto", *sets)
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("batch auto: 512, 256 in each of 2 processes, the most that is taken on a CPU") == 1
    assert load(tmp_path / "runs/auto/graph.yaml").spec.data.batch == 512


def test_a_number_of_processes_is_one(graph: Path, tmp_path: Path) -> None:
    found = done(tmp_path, "graphssl", "run", graph, "--processes", "many")
    assert found.returncode == 2
    assert "'many' is no number of processes: 2, say, or auto, one for each GPU" in found.stderr


def killed(folder: Path, *arguments: object) -> int:
    """Starts a run, and kills its second process once there is a checkpoint; the exit code in the end."""
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    started = subprocess.Popen(
        command(*arguments), cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 200
    while not list(folder.glob("runs/wild/checkpoints/step-*.pt")):
        assert time.monotonic() < until
        time.sleep(0.1)
    os.kill(_second(started.pid), signal.SIGKILL)
    return started.wait(300)


def _second(parent: int) -> int:
    """The process of rank 1 below a process."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            environment = (path / "environ").read_bytes().split(b"\0")
            line = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if b"RANK=1" in environment and int(line[1]) == parent:
            return int(path.name)
    raise AssertionError("there is no second process")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the process by /proc")
def test_a_process_that_is_killed_leaves_no_trace(graph: Path, tmp_path: Path) -> None:
    run = ("torch.distributed.run", "--nproc-per-node=2", "--max-restarts=3", "-m", "graphssl", "run", graph)
    assert done(tmp_path, *run, "--name", "calm").returncode == 0
    assert killed(tmp_path, *run, "--name", "wild") == 0
    assert same(last(tmp_path, "calm"), last(tmp_path, "wild"))
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    client = mlflow.MlflowClient()
    (found,) = [
        run for e in client.search_experiments() for run in client.search_runs([e.experiment_id])
        if run.info.run_name == "wild"
    ]  # fmt: skip
    steps = [metric.step for metric in client.get_metric_history(found.info.run_id, "loss")]
    assert sorted(steps) == list(range(1, 19))

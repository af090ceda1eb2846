"""A run by several processes, as a user starts it: one voice, one folder, the numbers of one process, and restarts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import SIMCLR, Write
from finished_runs import last, points, same
from PIL import Image

from graphssl.graph.read import load
from graphssl.track.grouped import LOSS
from graphssl.train.checkpoint import Checkpoints
from graphssl.train.checkpoint_parts import remove

pytestmark = pytest.mark.slow

WITHOUT = SIMCLR + "track: [csv]\n"  # MLflow takes as long to start as the rest
QUICK = ("epochs: 2,", "epochs: 2, compile: off, log_every: 1, checkpoint: {steps: 4, keep: 9},")
SMALL = ("batch: 16", "batch: 160")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", *map(str, arguments)]


def done(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=folder, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def graph(write: Write) -> Path:
    return write(WITHOUT, QUICK, SMALL)


def test_two_processes_speak_with_one_voice_and_give_what_one_does(graph: Path, tmp_path: Path) -> None:
    step = "--set=train.steps=1"  # in float32 roundings grow from step to step
    both = done(tmp_path, "graphssl", "run", graph, "--processes", 2, "--name", "both", step)
    assert both.returncode == 0, both.stderr
    assert both.stdout.count("finished after step 1") == 1
    assert "Traceback" not in both.stderr
    one = done(tmp_path, "graphssl", "run", graph, "--name", "one", step)
    assert one.returncode == 0, one.stderr
    assert same(last(tmp_path, "one"), last(tmp_path, "both"), 5e-3)  # another number of threads moves as much
    one_is, both_are = (
        [line for line in text.splitlines() if "before training" in line] for text in (one.stdout, both.stdout)
    )
    assert one_is == both_are, "features come from parts, and are judged together"


@pytest.mark.parametrize(("first", "then"), [(2, 1), (1, 2)])
def test_a_checkpoint_is_of_no_number_of_processes(graph: Path, tmp_path: Path, first: int, then: int) -> None:
    steps = "--set=train.steps=17"  # one after the checkpoint: in float32 roundings grow from step to step
    assert done(tmp_path, "graphssl", "run", graph, "--processes", first, "--name", "run", steps).returncode == 0
    whole = last(tmp_path, "run")
    *_, to_go_on, _ = sorted((tmp_path / "runs/run/checkpoints").glob("step-*.pt"))
    for later in (tmp_path / "runs/run/checkpoints").glob("step-*.pt"):
        if later > to_go_on:
            later.unlink()
    found = done(tmp_path, "graphssl", "run", "--resume", "run", "--processes", then)
    assert found.returncode == 0, found.stderr
    assert f"resumed after step {int(to_go_on.stem[5:])} of 17" in found.stdout
    assert same(whole, last(tmp_path, "run"), 1e-4)


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        (["data.batch=15"], 2, "2 processes cannot part a batch of 15 evenly"),
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
    found = done(tmp_path, "graphssl", "run", write(WITHOUT, QUICK, small), "--processes", 2, "--name", "auto", *sets)
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("batch auto: 512, 256 in each of 2 processes, the most that is taken on a CPU") == 1
    assert load(tmp_path / "runs/auto/graph.yaml").spec.data.batch == 512


def test_a_number_of_processes_is_one(graph: Path, tmp_path: Path) -> None:
    found = done(tmp_path, "graphssl", "run", graph, "--processes", "many")
    assert found.returncode == 2
    assert "'many' is no number of processes: 2, say, or auto, one for each GPU" in found.stderr


def signalled(
    folder: Path, number: int, to: str, run: str, *arguments: object, once: str = "checkpoints/step-*.pt"
) -> tuple[int, str, str]:
    """Starts a run, and once something is in its folder sends a signal to its `agent`, or to the process of a rank.

    Gives the exit code in the end and what was said.
    """
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    started = subprocess.Popen(
        command(*arguments), cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 200
    while not list(folder.glob(f"runs/{run}/{once}")):
        assert time.monotonic() < until
        time.sleep(0.1)
    os.kill(started.pid if to == "agent" else _of_rank(to, started.pid), number)
    out, err = started.communicate(timeout=300)
    return started.returncode, out, err


def _of_rank(rank: str, parent: int) -> int:
    """The process of that rank below a process."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            environment = (path / "environ").read_bytes().split(b"\0")
            line = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if f"RANK={rank}".encode() in environment and int(line[1]) == parent:
            return int(path.name)
    raise AssertionError(f"there is no process of rank {rank}")


def test_fewer_held_out_pictures_than_processes(write: Write, tmp_path: Path) -> None:
    for split, label, count in (("train", "ant", 12), ("train", "bee", 12), ("test", "ant", 1)):
        (tmp_path / "set" / split / label).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (16, 16), (10 * i, 0, 9 * len(label))).save(tmp_path / "set" / split / label / f"{i}.png")
    graph = write(WITHOUT, ("{use: digits, batch: 16}", "{use: image_folder, root: set, size: 16, batch: 8}"),
                  ("epochs: 2", "steps: 1, compile: off"))  # fmt: skip
    found = [done(tmp_path, "graphssl", "run", graph, "--processes", n, "--name", f"of-{n}") for n in (1, 2)]
    assert [one.returncode for one in found] == [0, 0], found[1].stderr
    facts = [json.loads((tmp_path / f"runs/of-{n}/run.json").read_text())["scores"]["knn"] for n in (1, 2)]
    assert facts[0]["0"] == facts[1]["0"]


by_proc = pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the processes by /proc")
TORCHRUN = ("torch.distributed.run", "--nproc-per-node=2", "--max-restarts=3", "-m", "graphssl", "run")


@by_proc
@pytest.mark.parametrize(
    ("number", "to", "code"),
    [(signal.SIGUSR1, "agent", 75), (signal.SIGTERM, "1", 75), (signal.SIGHUP, "0", 75), (signal.SIGINT, "agent", 130)],
)
def test_a_signal_to_one_of_them_stops_all_with_a_checkpoint(
    graph: Path, tmp_path: Path, number: int, to: str, code: int
) -> None:
    long = ("--set=train.epochs=500", "--set=evaluate.knn=null")
    found, out, err = signalled(
        tmp_path, number, to, "run", "graphssl", "run", graph, "--name", "run", "--processes", 2, *long
    )
    assert found == code, err
    assert (out + err).count("graphssl run --resume run") == 1
    assert "Traceback" not in err
    facts = json.loads((tmp_path / "runs/run/run.json").read_text())
    assert (facts["step"], facts["status"]) == (last(tmp_path, "run")["step"], "stopped" if code == 75 else "killed")


@by_proc
def test_a_signal_before_the_first_step_ends_them_too(graph: Path, tmp_path: Path) -> None:
    run = ("graphssl", "run", graph, "--name", "run", "--processes", 2)
    found, out, err = signalled(tmp_path, signal.SIGTERM, "1", "run", *run, once="graph.yaml")
    assert found == 75, err
    assert (out + err).count("go on with `graphssl run --resume run`") == 1
    assert "Traceback" not in err
    assert err.count("\n") == 1
    resumed = done(tmp_path, "graphssl", "run", "--resume", "run")
    assert resumed.returncode == 0, resumed.stderr


@by_proc
def test_a_run_that_is_stopped_is_not_trained_again_by_torchrun(graph: Path, tmp_path: Path) -> None:
    """Which starts its processes three times more, and has one exit code for all ends."""
    found, out, err = signalled(tmp_path, signal.SIGTERM, "1", "run", *TORCHRUN, graph, "--name", "run",
                                "--set=train.epochs=500", "--set=evaluate.knn=null")  # fmt: skip
    assert found == 1
    assert out.count("stopped from outside after step") == 1
    assert err.count("stopped by the signal that has stopped it in this job") == 3
    assert err.count("exitcode  : 75") >= 1
    assert "resumed after step" not in out


@by_proc
def test_a_process_that_is_killed_leaves_no_trace(write: Write, tmp_path: Path) -> None:
    run = (*TORCHRUN, write(SIMCLR, QUICK, SMALL), "--name")
    assert done(tmp_path, *run, "calm").returncode == 0
    code, _, err = signalled(tmp_path, signal.SIGKILL, "1", "wild", *run, "wild")
    assert code == 0, err
    assert same(last(tmp_path, "calm"), last(tmp_path, "wild"))
    found = points(tmp_path, "wild")
    assert found == points(tmp_path, "calm")
    assert len(found) == len(set(found))
    assert [step for key, step in found if key == LOSS] == list(range(1, 19))


PARTED = """
extends: npid
graph: parted
data: {batch: 160}
nodes:
  encoder: {width: 8}
  bank:    {shard: rows, sample: 4}
train: {epochs: 2, compile: off, optimizer: {use: sgd, lr: 1e-6}, checkpoint: {steps: 3, keep: 9}}  # roundings grow slowly
evaluate: null
track: [csv]
"""


@pytest.mark.parametrize(
    "text", [PARTED, PARTED.replace("shard: rows, ", "").replace("train: {", "train: {shard: full, ")]
)
def test_what_is_in_parts_goes_on_with_any_number_of_processes(text: str, tmp_path: Path) -> None:
    """2, then 1, then 4, and what 2 give that are left alone; a bank's rows, and weights."""
    (tmp_path / "parted.yaml").write_text(text)
    whole = done(tmp_path, "graphssl", "run", "parted.yaml", "--processes", 2, "--name", "run")
    assert whole.returncode == 0, whole.stderr
    expected, store = last(tmp_path, "run"), Checkpoints(tmp_path / "runs/run/checkpoints", keep=9)
    assert all(path.is_dir() for path in store.paths())
    for processes, first in ((1, 2), (4, 4)):
        for path in store.paths()[first:]:
            remove(path)
        found = done(tmp_path, "graphssl", "run", "--resume", "run", "--processes", processes)
        assert found.returncode == 0, found.stderr
        assert f"resumed after step {3 * first} of" in found.stdout
        assert expected["model"]["bank.keys"].shape[0] == 1500
        assert same(expected, last(tmp_path, "run"), 1e-4)

"""Runs in threads, daemons, loops and spawned processes: they work, or the message says this very thing."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import graphssl
from graphssl.data import workers
from graphssl.errors import RunError
from graphssl.runs.folder import RunFolder

SETS = {"train.steps": 1, "evaluate": {"knn": None, "linear": None}, "nodes.encoder.width": 8, "data.batch": 16}
SCRIPT = """
import multiprocessing, os
if multiprocessing.get_start_method(allow_none=True) is None:
    multiprocessing.set_start_method("spawn")
import graphssl
data = {"use": "image_folder", "root": "pictures", "size": 32, "batch": 4, "workers": 1, "resident": "workers"}
sets = {"data": data, "train.steps": 1, "evaluate": {"knn": None, "linear": None}, "nodes.encoder.width": 8}
graphssl.run("simclr", sets, device="cpu", report=lambda text: None)
print("done")
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")


def in_threads(*functions: Callable[[], Any]) -> list[Any]:
    """What functions give, each in a thread of its own, at the same time."""
    found: list[Any] = [None] * len(functions)

    def put(i: int) -> None:
        try:
            found[i] = functions[i]()
        except Exception as error:
            found[i] = error

    threads = [threading.Thread(target=put, args=(i,)) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def run(name: str) -> dict[str, torch.Tensor]:
    result = graphssl.run("simclr", SETS, name=name, device="cpu", report=lambda text: None)
    (last,) = (result.folder.path / "checkpoints").glob("step-*")
    return torch.load(last, weights_only=True)["model"]


def test_two_runs_at_once_are_those_that_they_are_alone() -> None:
    alone = run("alone")
    for weights in in_threads(lambda: run("one"), lambda: run("two")):
        assert isinstance(weights, dict), weights
        assert all(torch.equal(weights[key], value) for key, value in alone.items())


def test_a_run_in_a_loop() -> None:
    async def main() -> dict[str, torch.Tensor]:
        return run("looped")

    assert asyncio.run(main())


def test_what_is_built_in_threads_is_what_is_built_alone() -> None:
    alone = graphssl.compile("simclr").forward.state_dict()
    for program in in_threads(*[lambda: graphssl.compile("simclr")] * 3):
        state = program.forward.state_dict()
        assert all(torch.equal(state[key], value) for key, value in alone.items())


def test_one_run_is_trained_by_one_thread(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.claimed():
        (refusal,) = in_threads(lambda: folder.claimed().__enter__())
        assert "is being trained by another thread" in str(refusal)
    with folder.claimed():
        pass


def test_a_daemon_reads_by_itself_or_says_that_it_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    assert workers.default_workers() == 0
    loader = torch.utils.data.DataLoader([1, 2], num_workers=1)  # type: ignore[arg-type]
    with pytest.raises(RunError, match="this process is a daemon, which may start no others"):
        workers._started(loader)


def spawned(folder: Path, script: str, *, stdin: bool = False) -> subprocess.CompletedProcess[str]:
    """A program that spawns workers; its script is a file, or read from stdin."""
    (folder / "script.py").write_text(script)
    for i in range(12):
        (folder / "pictures" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (i * 20, 99, 0)).save(folder / "pictures" / "ab"[i % 2] / f"{i}.png")
    return subprocess.run(
        [sys.executable, "-" if stdin else "script.py"], input=script if stdin else None, cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_of_it(tmp_path: Path) -> None:
    done = spawned(tmp_path, SCRIPT)
    last = done.stderr.strip().splitlines()[-1]
    assert "graphssl.run is called again by a process that imports the script that has started it" in done.stderr
    assert "RunError: a worker process that reads pictures ended before it read one" in last
    assert 'below `if __name__ == "__main__":`' in last
    assert len(list((tmp_path / "runs").iterdir())) == 1  # no child has begun one


@pytest.mark.slow
def test_a_program_from_stdin_spawns_workers(tmp_path: Path) -> None:
    done = spawned(tmp_path, SCRIPT, stdin=True)
    assert done.stdout.strip().endswith("done"), done.stderr[-2000:]

"""`faults` and `soak` put runs to the test: they go on after faults, a torn write is one, and what grows is told."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmark_scripts import BENCHMARKS


@pytest.mark.slow
def test_runs_go_on_after_faults(run: Callable[..., str]) -> None:
    """One of each kind that needs no luck: what is told of more of them is in `results/`."""
    text = run("faults", "--times", "1", "--steps", "8", "--faults", "kill", "write", "disk", "twice", "server_500")
    rows = [line for line in text.splitlines() if re.search(r"  1 +\d +1 +1 +0$", line)]
    assert len(rows) == 5, text


@pytest.mark.slow
def test_a_soak_says_whether_anything_grows(run: Callable[..., str]) -> None:
    text = run("soak", "--graph", "simclr", "--minutes", "0.6")
    for what in ("MiB", "handles", "threads", "ms a step"):
        found = re.search(rf"^{what}, last quarter over the second: ([\d.]+)$", text, re.M)
        assert found, text
        assert what == "ms a step" or 0.5 < float(found[1]) < 2


def test_a_run_that_ends_in_the_middle_of_a_write(tmp_path: Path) -> None:
    """What `faults.py` takes for a torn write is one."""
    sets = [
        "--set",
        "train.steps=3",
        "--set",
        "train.checkpoint.steps=1",
        "--set",
        "evaluate={knn: null, monitor: null}",
    ]
    words = [
        sys.executable,
        str(BENCHMARKS / "torn.py"),
        "2",
        "0.5",
        "run",
        "simclr",
        "--device",
        "cpu",
        "--name",
        "a",
        *sets,
    ]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, check=False, timeout=180)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = sorted((tmp_path / "runs/a/checkpoints").iterdir())
    assert [path.name for path in left][1:] == ["step-00000001.pt"]
    assert left[0].name.endswith(".tmp")
    assert 0.3 < left[0].stat().st_size / left[1].stat().st_size < 0.9

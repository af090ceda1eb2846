"""The template of docs/scale.md under a Slurm that is played: stopped, queued again, and trained to its end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import SIMCLR, Write
from finished_runs import last, points, same

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the processes by /proc"),
]

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
# Two tasks on this machine stand for two nodes. As srun does, it ends with the highest exit code of its tasks.
SRUN = """#!/bin/bash
for node in $(seq $SLURM_JOB_NUM_NODES); do OF_STEP=$SLURM_JOB_ID "$@" & tasks+=($!); done
for task in ${tasks[@]}; do wait $task; code=$?; [ $code -gt ${most:-0} ] && most=$code; done
exit ${most:-0}
"""
SCONTROL = """#!/bin/bash
case "$1 $2" in
    "show hostnames") echo localhost; echo another;;
    "requeue $SLURM_JOB_ID") echo "$1" >> requeued;;
    *) exit 9;;
esac
"""


def free_job() -> int:
    """A job whose port is free."""
    for job in range(os.getpid() % 5000, 10000):
        with socket.socket() as tried:
            if tried.connect_ex(("localhost", 20000 + job)) != 0:
                return job
    raise AssertionError("no port is free")


class Slurm:
    def __init__(self, folder: Path, graph: Path) -> None:
        (script,) = re.findall(r"```\n(#!/bin/bash\n.*?)```", PAGE.read_text(), re.DOTALL)
        assert "imagenet/simclr --processes 8" in script
        bin = folder / "bin"
        bin.mkdir()
        own = f'#!/bin/bash\nexec {sys.executable} -m graphssl "$@"\n'
        for name, text in (("srun", SRUN), ("scontrol", SCONTROL), ("graphssl", own)):
            (bin / name).write_text(text)
            (bin / name).chmod(0o755)
        (folder / "job.sh").write_text(script.replace("imagenet/simclr --processes 8", f"{graph} --processes 1"))
        self.folder, self.job = folder, str(free_job())
        self.environment = {
            **os.environ, "PATH": f"{bin}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1", "SLURM_JOB_NODELIST": "n[1-2]",
            "SLURM_JOB_ID": self.job, "SLURM_JOB_NUM_NODES": "2", "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        }  # fmt: skip

    def start(self, restarts: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "job.sh"], cwd=self.folder, env={**self.environment, "SLURM_RESTART_COUNT": str(restarts)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def signal_all(self, number: int) -> int:
        """Sends a signal to every process of the step, as Slurm does: launchers, processes, readers of pictures."""
        marked = f"OF_STEP={self.job}".encode()
        found = [path for path in Path("/proc").glob("[0-9]*") if marked in _environment(path)]
        for path in found:
            os.kill(int(path.name), number)
        return len(found)


def _environment(path: Path) -> list[bytes]:
    try:
        return (path / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_the_template_goes_on_where_it_was(tmp_path: Path, write: Write, number: int) -> None:
    graph = write(SIMCLR, ("batch: 16", "batch: 160"),
                  ("epochs: 2,", "epochs: 4, compile: off, log_every: 1, checkpoint: {steps: 4},"))  # fmt: skip
    slurm = Slurm(tmp_path, graph)
    job = slurm.start(0)
    until = time.monotonic() + 200
    while not list(tmp_path.glob("runs/simclr/checkpoints/step-*.pt")):
        assert time.monotonic() < until, job.communicate()
        assert job.poll() is None, job.communicate()
        time.sleep(0.02)
    assert slurm.signal_all(number) >= 4
    out, err = job.communicate(timeout=200)
    assert job.returncode == 0, out + err
    assert (tmp_path / "requeued").read_text() == "requeue\n"
    assert out.count("stopped from outside after step") == 1
    assert "Traceback" not in err
    assert json.loads((tmp_path / "runs/simclr/run.json").read_text())["status"] == "stopped"
    stopped = last(tmp_path, "simclr")["step"]
    assert 4 <= stopped < 36

    job = slurm.start(1)
    out, err = job.communicate(timeout=300)
    assert job.returncode == 0, out + err
    assert f"resumed after step {stopped} of 36" in out
    assert (tmp_path / "requeued").read_text() == "requeue\n"

    calm = [sys.executable, "-m", "graphssl", "run", str(graph), "--processes", "2", "--name", "calm"]
    subprocess.run(calm, cwd=tmp_path, env=slurm.environment, check=True, capture_output=True, timeout=300)
    assert same(last(tmp_path, "calm"), last(tmp_path, "simclr"))
    found = points(tmp_path, "simclr")
    assert found == points(tmp_path, "calm")
    assert len(found) == len(set(found))

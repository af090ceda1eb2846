"""Stands in for `graphssl run` where only what a study does with its runs is looked at: nothing is imported or trained.

It keeps a run's folder as `run` does: claimed, with `metrics.csv` and `run.json`, gone on with where it was stopped. The
figure of a run is 1 - temperature + seed / 100. `fake.json` says what else happens: `epochs`, `pause` before each in
seconds, `until`, a file for which it waits after the first, `fails` and `nan`, parts of the names of runs that do.
`trained.log` has a line for each epoch that was trained.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["DRIVER", "PYTHON", "Nobody", "ended_lines", "fake_python", "held", "say", "trained"]

PYTHON = sys.executable  # before a test puts another in its place
SCRIPT = r"""
import fcntl, json, pathlib, re, signal, sys, time
words = sys.argv[3:]
name = words[words.index("--name") + 1]
seed = int(re.search(r"train\.seed=(\d+)", " ".join(words)).group(1))
temperature = float(re.search(r"temperature: ([-\d.e]+)", pathlib.Path(words[1]).read_text()).group(1))
said = json.loads(pathlib.Path("fake.json").read_text())
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
time.sleep(said.get("begins", 0))
folder = pathlib.Path("runs", name)
folder.mkdir(parents=True, exist_ok=True)
facts, rows = folder / "run.json", folder / "metrics.csv"
if facts.exists():
    sys.exit(0)
lock = open(folder / ".lock", "w")
try:
    fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("graphssl: the run is being trained by another process")
    sys.exit(1)
value, epochs = round(1 - temperature + seed / 100, 6), said.get("epochs", 1)
if any(part in name for part in said.get("nan", [])):
    value = float("nan")
if not rows.exists():
    rows.write_text("step,metric,value\n0,knn,0.1\n")
for epoch in range(len(rows.read_text().splitlines()) - 1, epochs + 1):
    time.sleep(said.get("pause", 0))
    while epoch > 1 and not asked and not pathlib.Path(said.get("until", ".")).exists():
        time.sleep(0.02)
    if asked:
        print("stopped; go on with --resume")
        sys.exit(75)
    with open("trained.log", "a") as log:
        log.write(f"{name} {epoch}\n")
    with rows.open("a") as file:
        file.write(f"{epoch},knn,{value}\n")
if any(part in name for part in said.get("fails", [])):
    print("loading\ngraphssl: the loss is not finite")
    sys.exit(1)
facts.write_text(json.dumps({"status": "finished", "scores": {"knn": {"0": 0.1, str(epochs): value}}}))
"""

# A whole command in a process of its own, `python -c DRIVER FAKE_PYTHON WORD...`, without MLflow.
DRIVER = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
fake, sys.argv = sys.argv[1], ["graphssl", *sys.argv[2:]]
import fake_runs
import graphssl.runs.study.verbs as verbs
from graphssl.cli import main
verbs.Parent = fake_runs.Nobody
sys.executable = fake
main()
"""


class Nobody:
    """In place of the study's run in MLflow."""

    def __init__(self, *_: object) -> None: ...

    def finish(self, *_: object, **__: object) -> list[str]:
        return []


@contextmanager
def held(lock: Path) -> Iterator[None]:
    """Meanwhile another process, which trains a run as it were, holds its lock."""
    code = (
        "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print('', flush=True); input()"
    )
    with subprocess.Popen([PYTHON, "-c", code, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"\n"
            yield
        finally:
            other.kill()


def fake_python(folder: Path) -> str:
    """An interpreter that runs, whatever it is told to run, a fake run."""
    script, python = folder / "fake_run.py", folder / "fake_python"
    script.write_text(SCRIPT)
    python.write_text(f'#!/bin/sh\nexec {PYTHON} -S {script} "$@"\n')
    python.chmod(0o755)
    return str(python)


def say(folder: Path, **facts: Any) -> None:
    """What happens to the runs of a folder from now on."""
    (folder / "fake.json").write_text(json.dumps(facts))


def trained(folder: Path) -> list[str]:
    """The epochs that were trained, `RUN EPOCH`."""
    log = folder / "trained.log"
    return log.read_text().splitlines() if log.exists() else []


def ended_lines(lines: list[str]) -> list[str]:
    """Of what a study has said, that runs have ended."""
    return [line for line in lines if line.startswith("[")]

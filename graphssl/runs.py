"""The folder of a run: `runs/byol-1` with the resolved graph, the checkpoints and what it is known as in MLflow."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import RunError, UsageError, suggest

RUNS = Path("runs")


@dataclass(frozen=True)
class RunFolder:
    """One run on disk. Its name is the folder's name, and the run's name in MLflow."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def graph(self) -> Path:
        """The resolved graph: everything merged, defaults filled in."""
        return self.path / "graph.yaml"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def spool(self) -> Path:
        """Metrics that could not be delivered yet."""
        return self.path / "undelivered.jsonl"

    def facts(self) -> dict[str, Any]:
        """What was noted of the run: graph file, hash, MLflow run and store, results."""
        try:
            facts: dict[str, Any] = json.loads((self.path / "run.json").read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path / 'run.json'} cannot be read: {error}") from error
        return facts

    def note(self, **facts: Any) -> None:
        """Adds to the facts; the file is replaced whole."""
        write_whole(self.path / "run.json", json.dumps({**self.facts(), **facts}, indent=2) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Writes a file so that it is there whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name, path)


def new_run(name: str | None, graph: str) -> RunFolder:
    """A new folder under `runs/`: the given name, or the graph's with the next free number."""
    if name is not None and (not name.strip() or "/" in name or name.startswith(".")):
        raise UsageError(f"'{name}' cannot name a run: it becomes a folder under {RUNS}/")
    try:
        RUNS.mkdir(exist_ok=True)
        if name is not None:
            return _make(RUNS / name)
        stem = graph.replace("/", "-")
        number = 1
        while True:
            try:
                return _make(RUNS / f"{stem}-{number}")
            except FileExistsError:
                number += 1
    except FileExistsError:
        raise UsageError(f"there is a run called '{name}' already: choose another name, or --resume {name}") from None
    except OSError as error:
        raise RunError(f"no run can be kept in {RUNS.resolve()}: {error}") from error


def _make(path: Path) -> RunFolder:
    path.mkdir()
    folder = RunFolder(path)
    folder.checkpoints.mkdir()
    return folder


def find_run(name: str) -> RunFolder:
    """The run of that name under `runs/`, or the run whose folder is given."""
    for path in (Path(name), RUNS / name):
        if (path / "graph.yaml").is_file():
            return RunFolder(path)
    known = sorted(p.parent.name for p in RUNS.glob("*/graph.yaml")) if RUNS.is_dir() else []
    hint = suggest(name, known, "runs are") or f"there are no runs under {RUNS}/ here"
    raise UsageError(f"there is no run called '{name}': {hint}")

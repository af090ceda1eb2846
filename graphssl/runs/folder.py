"""The folder of a run: `runs/byol-1` with the resolved graph, the checkpoints and what it is known as in MLflow."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import RunError, Stopped, UsageError, reason_of, suggest
from ..files import read_regular, special, write_whole
from ..world import current, stops_elsewhere
from .naming import check_name

RUNS = Path("runs")
_claimed: set[str] = set()  # by the threads of this process
LARGEST = 1 << 24  # bytes of run.json
NOTED: dict[str, type | tuple[type, ...]] = {
    "mlflow": (str, type(None)), "changes": dict, "notes": list, "scores": dict, "loss": (int, float), "status": str,
    "images_per_second": (int, float), "study": dict, "register": str,
}  # fmt: skip
WITHOUT = "delete it to go on without what it says: which run of MLflow's it is, and how it stood"


@dataclass(frozen=True)
class RunFolder:
    """One run on disk. Its name is the folder's name, and the run's name in MLflow.

    sets: changes of its graph, as of `--set`, for who looks at it: where its data lie now, say.
    """

    path: Path
    sets: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def called(self) -> str:
        """As a command names it, from here."""
        return shlex.quote(self.name if self.path.parent == RUNS else str(self.path))

    @property
    def graph(self) -> Path:
        """The resolved graph: everything merged, defaults filled in."""
        return self.path / "graph.yaml"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def rows(self) -> Path:
        """Its metrics, a row each."""
        return self.path / "metrics.csv"

    @property
    def spool(self) -> Path:
        """Metrics that could not be delivered yet."""
        return self.path / "undelivered.jsonl"

    def facts(self) -> dict[str, Any]:
        """What was noted of the run: graph file, hash, MLflow run and store, results."""
        path = self.path / "run.json"
        try:
            facts: dict[str, Any] = json.loads(read_regular(path, LARGEST) or b"")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise RunError(f"{path} cannot be read: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            raise RunError(f"{path} is damaged ({reason_of(error)}); {WITHOUT}") from error
        if (wrong := _wrong(facts)) is not None:
            raise RunError(f"{path} is damaged ({wrong}); {WITHOUT}")
        return facts

    def note(self, **facts: Any) -> None:
        """Adds to the facts; the file is replaced whole. Of several processes the first does it."""
        if current().first:
            write_whole(self.path / "run.json", json.dumps({**self.facts(), **facts}, indent=2) + "\n")

    def write(self, graph: str) -> None:
        """Writes the resolved graph. Of several processes the first does it."""
        if current().first:
            write_whole(self.graph, graph)

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Meanwhile no other run trains here. Raises RunError where one does. The first process claims it for all."""
        import fcntl

        if not current().first:
            yield
            return
        here = os.path.realpath(self.path)
        with contextlib.ExitStack() as stack:
            if here in _claimed:  # a lock is a process's, not a thread's
                raise RunError(f"the run '{self.name}' is being trained by another thread: wait, or end that")
            _claimed.add(here)
            stack.callback(_claimed.discard, here)
            try:
                file = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
                stack.callback(os.close, file)
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not inherited by workers, and gone with the process
            except BlockingIOError:
                raise RunError(
                    f"the run '{self.name}' is being trained by another process: wait, or end that"
                ) from None
            except OSError:  # a file system without locks
                pass
            yield

    def is_claimed(self) -> bool:
        """Whether another process trains here now."""
        import fcntl

        try:
            with open(self.path / ".lock", "r+b") as file:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # no run yet, or a file system without locks
            return False
        return False


@contextlib.contextmanager
def named(folders: Sequence[RunFolder]) -> Iterator[None]:
    """A signal that ends a run knows how it is called. folders: its own, as soon as there is one."""
    try:
        with stops_elsewhere():
            yield
    except Stopped as stopped:
        stopped.run = folders[0].called if folders else None
        raise


def new_run(name: str | None, graph: str, fill: Callable[[RunFolder], None] = lambda _: None) -> RunFolder:
    """A new folder under `runs/`: the given name, or the graph's with the next free number.

    fill: writes what a run has from its beginning; the folder is there with it, or not at all.
    """
    check_name(name)
    names = [name] if name is not None else (f"{graph.replace('/', '-')}-{i}" for i in itertools.count(1))
    try:
        RUNS.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=RUNS, prefix=".new-") as aside:
            draft = RunFolder(Path(aside, "run"))
            draft.checkpoints.mkdir(parents=True)
            fill(draft)
            for free in names:
                if _moved(draft.path, RUNS / free):
                    return RunFolder(RUNS / free)
    except OSError as error:
        raise RunError(f"no run can be kept in {RUNS.resolve()}: {error.strerror or error}") from error
    if not (RUNS / str(name) / "graph.yaml").is_file():
        raise UsageError(
            f"{RUNS / str(name)} is there already, and is no run's folder: remove it, or choose another name"
        )
    raise UsageError(
        f"there is a run called '{name}' already: choose another name, or go on with it by "
        f"`graphssl run --resume {shlex.quote(str(name))}`"
    )


def _moved(draft: Path, path: Path) -> bool:
    """Whether a folder is at its place now; not where something else is."""
    if os.path.lexists(path):
        return False
    try:
        draft.rename(path)
    except OSError as error:  # another process was faster
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            return False
        raise
    return True


def find_run(name: str | Path, sets: Sequence[str] = ()) -> RunFolder:
    """The run of that name under `runs/`, or the run whose folder is given. sets: changes of its graph."""
    if not isinstance(name, str | Path):
        raise UsageError(f"run is the name of a run, or its folder, not {type(name).__name__}")
    name = str(name)
    for path in (RUNS / name, Path(name)) if name else ():
        with contextlib.suppress(OSError):  # too long a name, say
            if (path / "graph.yaml").is_file():
                return RunFolder(path if path.name.strip(".") else path.resolve(), tuple(sets))
        if reason := _barred(path):
            raise UsageError(f"there is no run that can be read in {path}: {reason}")
    known = sorted(p.parent.name for p in RUNS.glob("*/graph.yaml") if p.is_file())
    none = f"there are {len(known)} under {RUNS}/" if known else f"there are no runs under {RUNS}/ here"
    raise UsageError(f"there is no run called '{name}': {suggest(name, known, 'runs are').text or none}")


def _barred(path: Path) -> str | None:
    """Why what seems to be a run's folder is none; None for what is not there."""
    graph = path / "graph.yaml"
    try:
        graph.lstat()
    except PermissionError as error:
        return error.strerror
    except (OSError, ValueError):
        return None
    return f"its graph.yaml is {special(graph) or 'a link that leads nowhere'}"


def _wrong(facts: object) -> str | None:
    """What of a run's facts is none."""
    if not isinstance(facts, dict):
        return f"it holds no facts, but {type(facts).__name__}"
    found = next((key for key, kind in NOTED.items() if key in facts and not isinstance(facts[key], kind)), None)
    return None if found is None else f"its {found} is {type(facts[found]).__name__}"

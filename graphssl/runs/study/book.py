"""The book of a study, kept by Optuna: its definition, its cells, and a trial for each run.

By default a journal in the study's folder, which a process that is killed leaves whole; or any storage of Optuna's, for
several machines. A trial is one run: a cell with a seed. Whoever takes it says so in it, and goes on saying so until it
is told; a trial whose taker is silent, or gone from this machine, is anybody's to take, and its run goes on from its
checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import RunError, UsageError, reason_of
from .axes import Axis

__all__ = ["BEAT", "Book", "Trial", "books_in", "open_book"]

BEAT = 30.0  # seconds between two signs of life
SILENT = 240.0  # seconds without one, after which a trial of another machine is taken over
JOURNAL = "journal.log"
WITHOUT = "studies need Optuna: pip install 'graphssl[study]'"


@dataclass(frozen=True)
class Trial:
    """A run of the study. state: `waiting`, `running`, `complete`, `pruned` or `failed`.

    cell: its digest. value: of the metric. why: it has failed, or was pruned. drawn: by axis, as Optuna has it. taker:
    the process that has it, with its last sign of life. started: seconds since 1970.
    """

    number: int
    state: str
    cell: str
    seed: int
    run: str
    value: float | None
    why: str | None
    drawn: Mapping[str, Any]
    taker: Mapping[str, Any]
    started: float | None


STATES = {"WAITING": "waiting", "RUNNING": "running", "COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise RunError(WITHOUT) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def open_book(
    name: str, folder: Path, storage: str | None, *, more: bool = True, sampler: str = "grid", new: bool = True
) -> Book:  # fmt: skip
    """The book of a study. storage: a URL of Optuna's, default the journal in its folder. new: whether it may begin.

    more: whether more of the metric is better. Raises UsageError where there is none, RunError where it does not open.
    """
    optuna = _optuna()
    try:
        with _telling(storage):
            kept = _storage(optuna, folder, storage, new=new)
            known = [one.study_name for one in optuna.get_all_study_summaries(kept)]
            if name not in known and not new:
                raise UsageError(f"there is no study '{name}' in {storage or folder}")
            direction = "maximize" if more else "minimize"
            pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=0)
            study = optuna.create_study(
                storage=kept, study_name=name, direction=direction, pruner=pruner, load_if_exists=True,
                sampler=optuna.samplers.RandomSampler(),
            )  # fmt: skip
            study.sampler = _sampler(optuna, sampler, len(study.get_trials(deepcopy=False)))
    except FileNotFoundError:
        raise UsageError(f"there is no study in {folder}") from None
    return Book(study, storage)


def _storage(optuna: Any, folder: Path, storage: str | None, *, new: bool) -> Any:
    if storage is not None:
        return optuna.storages.get_storage(storage)
    journal = folder / JOURNAL
    if not new and not journal.is_file():
        raise FileNotFoundError(journal)
    journal.parent.mkdir(parents=True, exist_ok=True)
    lock = optuna.storages.journal.JournalFileOpenLock(str(journal), grace_period=10)
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journal), lock_obj=lock))


def _sampler(optuna: Any, name: str, seed: int) -> Any:
    """seed: other where a study goes on, which else would draw again what it has drawn."""
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    return optuna.samplers.RandomSampler(seed=seed)


@contextlib.contextmanager
def _telling(storage: str | None) -> Iterator[None]:
    """What goes wrong with the book is a RunError."""
    try:
        yield
    except (RunError, FileNotFoundError, KeyboardInterrupt):
        raise
    except Exception as error:  # Optuna's, SQLAlchemy's, the system's
        where = "" if storage is None else " of the storage"
        raise RunError(f"the study's book{where} cannot be used: {reason_of(error)}") from error


class Book:
    """A study as it is kept."""

    def __init__(self, study: Any, storage: str | None) -> None:
        self._study, self._where = study, storage
        self._mine: dict[int, Any] = {}
        self._beaten = time.monotonic()

    # -- what it holds -------------------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        """What was noted of the study."""
        with _telling(self._where):
            return dict(self._study.user_attrs)

    def note(self, **facts: Any) -> None:
        """Notes facts of the study, each anew."""
        with _telling(self._where):
            known = self._study.user_attrs
            for key, value in facts.items():
                if known.get(key) != value:
                    self._study.set_user_attr(key, value)

    def trials(self) -> list[Trial]:
        """All of them, in order; what has no run, as it was drawn and is refused, is left out."""
        with _telling(self._where):
            return [_trial(one) for one in self._study.get_trials(deepcopy=False) if "run" in one.user_attrs]

    def drawn(self) -> int:
        """How many configurations were drawn."""
        with _telling(self._where):
            return sum("draw" in one.user_attrs for one in self._study.get_trials(deepcopy=False))

    # -- trials --------------------------------------------------------------------------------------------

    def add(self, cell: str, seed: int, run: str, drawn: Mapping[str, Any]) -> None:
        """A trial that waits to be taken."""
        with _telling(self._where):
            self._study.enqueue_trial(dict(drawn), user_attrs={"cell": cell, "seed": seed, "run": run})

    def take(self, axes: Mapping[str, Axis]) -> Trial | None:
        """A trial that waited, which is this process's from now on; None where none waits."""
        optuna = _optuna()
        waiting = (optuna.trial.TrialState.WAITING,)
        with _telling(self._where):
            while self._study.get_trials(deepcopy=False, states=waiting):
                trial = self._ask(axes)
                if "run" in trial.user_attrs:
                    return self._taken(trial)
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)  # another was faster: this one never waited
        return None

    def draw(self, axes: Mapping[str, Axis]) -> Trial | tuple[int, dict[str, Any]]:
        """A configuration by the sampler: the number of its trial, which is this process's, and the values by key. Or a
        trial, where one waits after all."""
        with _telling(self._where):
            trial = self._ask(axes)
            if "run" in trial.user_attrs:
                return self._taken(trial)
            self._mine[trial.number] = trial
            return trial.number, {key: axis.value(trial.params[key]) for key, axis in axes.items()}

    def _ask(self, axes: Mapping[str, Axis]) -> Any:
        return self._study.ask({key: axis.distribution() for key, axis in axes.items()})

    def begin(self, number: int, cell: str, seed: int, run: str) -> Trial:
        """What was drawn becomes a run."""
        with _telling(self._where):
            trial = self._mine[number]
            for key, value in {"cell": cell, "seed": seed, "run": run, "draw": True}.items():
                trial.set_user_attr(key, value)
            return self._taken(trial)

    def _taken(self, trial: Any) -> Trial:
        self._mine[trial.number] = trial
        trial.set_user_attr("taker", _me())
        return _trial(self._study.get_trials(deepcopy=False)[trial.number])

    def put_back(self, number: int, value: float | None = None) -> None:
        """What was drawn is no run: it is refused, or of a cell that is there, whose value it has then."""
        self.tell(number, value, state="failed" if value is None else "complete")

    def beat(self) -> None:
        """Says that this process lives, where it is time to."""
        if time.monotonic() - self._beaten < BEAT:
            return
        self._beaten = time.monotonic()
        with _telling(self._where):
            for trial in self._mine.values():
                trial.set_user_attr("taker", _me())

    def report(self, number: int, epoch: int, value: float, *, prune: bool) -> bool:
        """Notes the metric at an epoch; whether the run is to be pruned."""
        with _telling(self._where):
            trial = self._mine[number]
            trial.report(value, epoch)
            return prune and bool(trial.should_prune())

    def tell(self, number: int, value: float | None = None, *, state: str = "complete", why: str | None = None) -> None:
        """How a trial has ended."""
        optuna = _optuna()
        name = next(key for key, known in STATES.items() if known == state)
        with _telling(self._where):
            trial = self._mine.pop(number)
            if why is not None:
                trial.set_user_attr("why", why)
            self._study.tell(trial, value if state == "complete" else None, state=optuna.trial.TrialState[name])

    def give_back(self, number: int) -> None:
        """A trial whose run was stopped waits again."""
        with _telling(self._where):
            known = _trial(self._study.get_trials(deepcopy=False)[number])
        self.tell(number, state="failed", why="stopped")
        self.add(known.cell, known.seed, known.run, known.drawn)

    def free(self) -> list[Trial]:
        """Trials whose takers are gone wait again; those."""
        gone = [one for one in self.trials() if one.state == "running" and _is_gone(one)]
        optuna = _optuna()
        for one in gone:
            with _telling(self._where), contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
                self._study.tell(one.number, state=optuna.trial.TrialState.FAIL)  # or another was faster
                self.add(one.cell, one.seed, one.run, one.drawn)
        return gone


def _trial(found: Any) -> Trial:
    attrs = found.user_attrs
    drawn = dict(found.params) or dict(found.system_attrs.get("fixed_params", {}))
    value = found.value if found.state.name == "COMPLETE" else None
    return Trial(
        found.number, STATES[found.state.name], attrs["cell"], attrs["seed"], attrs["run"], value, attrs.get("why"),
        drawn, attrs.get("taker", {}), None if found.datetime_start is None else found.datetime_start.timestamp(),
    )  # fmt: skip


def _me() -> dict[str, Any]:
    return {"host": platform.node(), "pid": os.getpid(), "began": _began(os.getpid()), "beat": time.time()}


def _began(pid: int) -> str | None:
    """When a process of this machine began, None where that is not known: a number is given again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _is_gone(trial: Trial) -> bool:
    """Whether whoever has taken a trial does not work on it any more."""
    taker = trial.taker
    if not taker:  # it was taken just now, or by a process that ended at once
        return trial.started is not None and time.time() - trial.started > BEAT
    if taker["host"] != platform.node():
        return time.time() - float(taker["beat"]) > SILENT
    try:
        os.kill(int(taker["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return taker["began"] is not None and _began(int(taker["pid"])) != taker["began"]


def books_in(folder: Path) -> Sequence[str]:
    """The names of the studies whose journals lie in a folder."""
    return sorted(path.parent.name for path in folder.glob(f"*/{JOURNAL}"))

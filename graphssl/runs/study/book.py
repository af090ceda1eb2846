"""The book of a study, kept by Optuna: its definition, its cells, and a trial for each run.

By default a journal in the study's folder, which a process that is killed leaves whole; or any storage of Optuna's, for
several machines. A trial is one run: a cell with a seed. Whoever takes it says so in it, and goes on saying so until it
is told; a trial whose taker is silent, or gone from this machine, is anybody's to take, and its run goes on from its
checkpoint.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .axes import Axis
from .opening import JOURNAL, opened, optuna_here, telling

__all__ = ["BEAT", "Book", "Trial", "find_book", "is_gone"]

BEAT = 30.0  # seconds between two signs of life
SILENT = 240.0  # seconds without one, after which a trial of another machine is taken over


@dataclass(frozen=True)
class Trial:
    """A run of the study. state: `waiting`, `running`, `complete`, `pruned` or `failed`.

    cell: its digest. value: of the metric. why: it has failed, or was pruned; None of one that was given back, to be
    run again. drawn: by axis, as Optuna has it. taker: the process that has it, with its last sign of life. started:
    seconds since 1970.
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


def find_book(
    name: str, folder: Path, storage: str | None, *, more: bool = True, sampler: str = "grid", new: bool = False
) -> Book | None:  # fmt: skip
    """The book of a study, None where there is none. storage: a URL of Optuna's, default the journal in its folder.

    new: whether it begins where there is none. more: whether more of the metric is better. Raises RunError where it
    does not open.
    """
    study = opened(name, folder, storage, new=new, more=more, sampler=sampler)
    return None if study is None else Book(study, "the storage" if storage is not None else str(folder / JOURNAL))


class Book:
    """A study as it is kept."""

    def __init__(self, study: Any, where: str) -> None:
        self._study, self._where = study, where
        self._mine: dict[int, Any] = {}
        self._beaten = time.monotonic()

    # -- what it holds -------------------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        """What was noted of the study."""
        with telling(self._where):
            return dict(self._study.user_attrs)

    def note(self, **facts: Any) -> None:
        """Notes facts of the study, each anew."""
        with telling(self._where):
            known = self._study.user_attrs
            for key, value in facts.items():
                if known.get(key) != value:
                    self._study.set_user_attr(key, value)

    def trials(self) -> list[Trial]:
        """All of them, in order; what has no run, as it was drawn and is refused, is left out."""
        with telling(self._where):
            return [_trial(one) for one in self._study.get_trials(deepcopy=False) if "run" in one.user_attrs]

    def drawn(self) -> int:
        """How many configurations were drawn."""
        with telling(self._where):
            return sum({"draw", "run"} <= set(one.user_attrs) for one in self._study.get_trials(deepcopy=False))

    def is_foreign(self) -> bool:
        """Whether it is somebody's own study with Optuna."""
        with telling(self._where):
            return "digest" not in self._study.user_attrs and bool(self._study.get_trials(deepcopy=False))

    # -- trials --------------------------------------------------------------------------------------------

    def add(self, cell: str, seed: int, run: str, drawn: Mapping[str, Any]) -> None:
        """A trial that waits to be taken."""
        with telling(self._where):
            self._study.enqueue_trial(dict(drawn), user_attrs={"cell": cell, "seed": seed, "run": run})

    def take(self, axes: Mapping[str, Axis]) -> Trial | None:
        """A trial that waited, which is this process's from now on; None where none waits."""
        optuna = optuna_here()
        waiting = (optuna.trial.TrialState.WAITING,)
        with telling(self._where):
            while self._study.get_trials(deepcopy=False, states=waiting):
                trial = self._ask(axes)
                if "run" in trial.user_attrs:
                    return self._taken(trial)
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)  # another was faster: this one never waited
        return None

    def draw(self, axes: Mapping[str, Axis]) -> Trial | tuple[int, dict[str, Any]]:
        """A configuration by the sampler: the number of its trial, which is this process's, and the values by key. Or a
        trial, where one waits after all."""
        with telling(self._where):
            trial = self._ask(axes)
            if "run" in trial.user_attrs:
                return self._taken(trial)
            self._mine[trial.number] = trial
            return trial.number, {key: axis.value(trial.params[key]) for key, axis in axes.items()}

    def _ask(self, axes: Mapping[str, Axis]) -> Any:
        return self._study.ask({key: axis.distribution() for key, axis in axes.items()})

    def begin(self, number: int, cell: str, seed: int, run: str) -> Trial:
        """What was drawn becomes a run."""
        with telling(self._where):
            trial = self._mine[number]
            for key, value in {"draw": True, "cell": cell, "seed": seed, "run": run}.items():  # the run makes it one
                trial.set_user_attr(key, value)
            return self._taken(trial)

    def _taken(self, trial: Any) -> Trial:
        self._mine[trial.number] = trial
        trial.set_user_attr("taker", _me())
        return _trial(self._study.get_trials(deepcopy=False)[trial.number])

    def put_back(self, number: int, value: float | None = None) -> None:
        """What was drawn is no run: it is refused, or of a cell that is there, whose value it has then."""
        self.tell(number, value, state="failed" if value is None else "complete")

    def beat(self) -> list[int]:
        """Says that this process lives, where it is time to; the trials that another has taken over meanwhile."""
        if time.monotonic() - self._beaten < BEAT:
            return []
        self._beaten = time.monotonic()
        return [number for number in list(self._mine) if not self._write(number, "taker", _me())]

    def _write(self, number: int, key: str, value: Any) -> bool:
        """Notes something in a trial of this process; False where it is another's now, and none of this any more."""
        with telling(self._where):
            try:
                self._mine[number].set_user_attr(key, value)
            except optuna_here().exceptions.UpdateFinishedTrialError:
                del self._mine[number]
                return False
        return True

    def report(self, number: int, epoch: int, value: float, *, prune: bool) -> bool:
        """Notes the metric at an epoch; whether the run is to be pruned."""
        with telling(self._where):
            trial = self._mine[number]
            try:
                trial.report(value, epoch)
            except optuna_here().exceptions.UpdateFinishedTrialError:  # another has taken it over: `beat` tells that
                return False
            return prune and bool(trial.should_prune())

    def tell(self, number: int, value: float | None = None, *, state: str = "complete", why: str | None = None) -> None:
        """How a trial has ended."""
        optuna = optuna_here()
        name = next(key for key, known in STATES.items() if known == state)
        if why is not None and not self._write(number, "why", why):
            return
        with telling(self._where):
            trial, told = self._mine.pop(number), value if state == "complete" else None
            self._study.tell(trial, told, state=optuna.trial.TrialState[name], skip_if_finished=True)

    def give_back(self, number: int) -> None:
        """A trial whose run was stopped waits again."""
        with telling(self._where):
            known = _trial(self._study.get_trials(deepcopy=False)[number])
        self.tell(number, state="failed")
        self.add(known.cell, known.seed, known.run, known.drawn)

    def free(self) -> list[Trial]:
        """Trials whose takers are gone wait again; those."""
        gone = [one for one in self.trials() if one.state == "running" and is_gone(one)]
        optuna = optuna_here()
        for one in gone:
            with telling(self._where):
                try:
                    self._study.tell(one.number, state=optuna.trial.TrialState.FAIL)
                except (ValueError, optuna.exceptions.UpdateFinishedTrialError):  # another process was faster
                    continue
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


def is_gone(trial: Trial) -> bool:
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

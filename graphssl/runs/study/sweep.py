"""Runs a study: takes trials from its book, a process for each, until nothing waits."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...console import INTERRUPTED, STOPPED
from ...errors import Refused, RunError
from ...files import write_whole, writing
from ...track import read_rows
from ...train.signals import Interrupt
from ..figures import records
from ..folder import RunFolder
from ..membership import Membership
from .book import Book, Trial
from .cells import Cell, Invalid, cell_of
from .children import Child, Place
from .metric import Metric
from .plan import Plan, note_cell

__all__ = ["Sweep"]

PAUSE = 0.2  # seconds between two looks at the children
LONG_PAUSE = 1.0  # where there are none, and runs elsewhere are waited for
TRIES = 50  # cells in a row that are drawn and refused
PATIENCE = 60.0  # seconds for runs that were asked to end


@dataclass
class Sweep:
    """membership: of its runs, beside their values. ended: told of each run that has. say: told of what else there is.
    show: told how it stands, often. waits: for runs that go on elsewhere, too."""

    plan: Plan
    book: Book
    places: Sequence[Place]
    say: Callable[[str], None]
    ended: Callable[[Trial], None]
    show: Callable[[Sweep], None]
    membership: Membership
    waits: bool = False
    running: dict[int, Child] = field(default_factory=dict, init=False)  # by the trial's number
    pruned: dict[int, str] = field(default_factory=dict, init=False)
    reported: dict[int, int] = field(default_factory=dict, init=False)
    read: dict[int, int] = field(default_factory=dict, init=False)  # bytes of the rows that were looked at
    draws: bool = field(default=True, init=False)

    def run(self) -> int:
        """To the end, or to a signal; the exit code of a study that was stopped, else 0."""
        with Interrupt() as stop:
            stop.training, stop.at_once = True, False
            try:
                while not stop.requested:
                    self._leave(self.book.beat())
                    self._start()
                    if not self.running and not (self.waits and self._goes_on()):
                        return 0
                    self._look()
                    self.show(self)
                    time.sleep(PAUSE if self.running else LONG_PAUSE)
                self._end()
                return stop.code
            except BaseException:
                for child in self.running.values():
                    child.kill()
                raise

    def _goes_on(self) -> bool:
        """Whether runs of the study go on elsewhere."""
        return any(trial.state == "running" for trial in self.book.trials())

    def _leave(self, numbers: Iterable[int]) -> None:
        """Ends runs that another machine has taken over, as this one gave no sign of life for long."""
        for number in numbers:
            if (child := self.running.pop(number, None)) is not None:
                child.kill()
                self.say(f"{child.run} goes on elsewhere: this machine gave no sign of life")

    # -- begin ---------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Starts what waits, where there is a place."""
        free = list(self.places)
        for child in self.running.values():
            free.remove(child.place)
        for place in free:
            if (trial := self._next()) is None:
                return
            self._launch(trial, place)

    def _next(self) -> Trial | None:
        axes = self.plan.asked.axes
        self.book.free()
        if (trial := self.book.take(axes)) is not None or self.plan.cells is not None:
            return trial
        return self._drawn() if self.draws else None

    def _drawn(self) -> Trial | None:
        """A run of a cell that is drawn; its other seeds wait. None where enough are, or all were refused."""
        for _ in range(TRIES):
            if self.book.drawn() >= self.plan.trials:
                return None
            found = self.book.draw(self.plan.asked.axes)
            if isinstance(found, Trial):
                return found
            number, values = found
            cell = self._cell(values)
            there = [one for one in self.book.trials() if cell is not None and one.cell == cell.digest]
            if cell is None or there:
                self.book.put_back(number, next((one.value for one in there if one.value is not None), None))
                continue
            note_cell(self.book, cell)
            first, *rest = self.plan.seeds
            trial = self.book.begin(number, cell.digest, first, self.plan.run_name(cell.digest, first))
            for seed in rest:
                self.book.add(cell.digest, seed, self.plan.run_name(cell.digest, seed), cell.drawn)
            return trial
        self.draws = False
        self.say(
            f"of the last {TRIES} cells that were drawn none could run, or each was there already: no more are drawn"
        )
        return None

    def _cell(self, values: Mapping[str, object]) -> Cell | None:
        try:
            found = cell_of(self.plan.asked, self.plan.metric, values, set())
        except Refused as error:
            raise RunError(str(error)) from None
        if isinstance(found, Invalid):
            said = ", ".join(f"{key} {label}" for key, label in found.labels.items())
            self.say(f"refused: {said}: {found.reasons[0]}")
        return found if isinstance(found, Cell) else None

    def _launch(self, trial: Trial, place: Place) -> None:
        metric, folder = self.plan.metric, self.plan.folder
        graph = folder / "cells" / f"{trial.cell}.yaml"
        cell = self.book.facts()[f"cell {trial.cell}"]
        text = cell["graph"]
        with writing(graph):
            if not graph.is_file() or graph.read_text() != text:
                graph.parent.mkdir(parents=True, exist_ok=True)
                write_whole(graph, text)
        then = None if metric.in_runs else metric.evaluation
        log = folder / "logs" / f"{trial.run}.log"
        known = replace(self.membership, varied=cell["labels"])
        self.running[trial.number] = Child(trial.run, graph, trial.seed, place, log, then, known.environment)

    # -- while they run ------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Notes what has ended, and prunes."""
        for number, child in list(self.running.items()):
            code = child.poll()
            if code is not None:
                self._ended(number, child, code)
            elif self.plan.asked.spec.prune and number not in self.pruned:
                self._prune(number, child)

    def _prune(self, number: int, child: Child) -> None:
        """Reports what a run has measured since, and ends it where others were better then."""
        try:
            size = os.path.getsize(child.folder.rows)
            if size == self.read.get(number):
                return
            self.read[number] = size
            rows = [point for point in read_rows(child.folder.rows) if point.metric == self.plan.metric.name]
        except OSError:  # there are none yet; else the run warns of it
            return
        for i, point in enumerate((row for row in rows if row.step > 0), start=1):
            if i <= self.reported.get(number, 0):
                continue
            self.reported[number] = i
            if self.book.report(number, i, point.value, prune=True):
                self.pruned[number] = f"below the median of the others at step {point.step}"
                child.stop()
                return

    def _ended(self, number: int, child: Child, code: int) -> None:
        del self.running[number]
        if code == 0:
            self._tell_figure(number, child)
        elif number in self.pruned:
            self.book.tell(number, state="pruned", why=self.pruned[number])
        elif child.stopped:
            self.book.give_back(number)
            return
        elif code in (STOPPED, INTERRUPTED):
            self.book.tell(number, state="failed", why="stopped by a signal from outside; its checkpoint is kept")
        else:
            self.book.tell(number, state="failed", why=f"{child.reason()} ({child.log})")
        self.ended(next(one for one in self.book.trials() if one.number == number))

    def _tell_figure(self, number: int, child: Child) -> None:
        name = self.plan.metric.name
        try:
            value = figure_of(child.folder, self.plan.metric)
        except RunError as error:  # its run.json is damaged, say
            self.book.tell(number, state="failed", why=str(error))
            return
        if value is None:
            self.book.tell(number, state="failed", why=f"it has not measured {name} ({child.log})")
        elif not math.isfinite(value):
            self.book.tell(number, state="failed", why=f"its {name} is {value} ({child.log})")
        else:
            self.book.tell(number, value)

    def _end(self) -> None:
        """Asks what runs to end with a checkpoint, and gives it back."""
        for child in self.running.values():
            child.stop()
        until = time.monotonic() + PATIENCE
        while self.running:
            for number, child in list(self.running.items()):
                if child.waits:  # it was never begun here
                    del self.running[number]
                    self.book.give_back(number)
            self._look()
            if time.monotonic() > until:
                for child in self.running.values():
                    child.kill()
            time.sleep(PAUSE)


def figure_of(folder: RunFolder, metric: Metric) -> float | None:
    """What a finished run has of the metric: as it ended, or as it was evaluated after that."""
    facts = folder.facts()
    if facts.get("status") != "finished":
        return None
    found = facts.get("scores", {}).get(metric.name)
    if metric.in_runs and found:
        return float(found[max(found, key=int)])
    return next((float(r.scores[metric.name]) for r in records(folder) if metric.name in r.scores), None)

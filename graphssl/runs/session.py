"""One run from its start to its end: prepared, trained, closed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..checks.checked import Checked, check_parts
from ..checks.weights.said import lines
from ..checks.weights.wanted import pin
from ..console import restarts
from ..data import Datasets
from ..errors import RunError, Stopped, UsageError
from ..evaluation.judge import Judge
from ..graph.language.dump import dump
from ..graph.read import load
from ..program.assemble import compile_graph
from ..track import Status
from ..train.checkpoint import Checkpoints
from ..train.failures import enough_memory
from ..train.loop import Loop
from ..train.outcome import Outcome, saved_scores
from ..train.precision import Precision, resolve
from ..train.progress import Progress
from ..train.signals import Interrupt
from ..train.step import Step
from ..train.stopping import Stop
from ..world import current, stops_elsewhere, the_same, together
from .artifacts import log_artifacts
from .batch_size import fit_batch
from .data import bad_images, change_since, closed_on_error, known_by, open_run_data, worker_failures
from .ended import ended, has_ended
from .figures import keep_last, recorded
from .folder import RunFolder, find_run, named, new_run
from .job import STOPPED_IN, allocation, end_where_stopped, run_to_go_on_with
from .judging import judge_in_run, probe_of, unmeasured
from .lacking import tell_lacks
from .membership import known_at_start
from .model import ask_for_model, check_registrable, log_model
from .portable import portable
from .quiet import Unseen, Untracked
from .results import Result
from .resume import Resumed, asked_again, fitting, header_of, length, resumed, unlike
from .sinks import Sinks, open_sinks

__all__ = ["resume_run", "start_run"]

Report = Callable[[str], None]


def start_run(
    checked: Checked, device: torch.device, name: str | None, report: Report, *, resume: str | None = None,
    sets: Sequence[str] = (), register: str | None = None,
) -> Result:  # fmt: skip
    """A new run. Started by torchrun, with the other processes: the first speaks for all.

    resume: `auto` goes on with the run that this job has begun, where it has; so does a job that torchrun restarts.
    sets: the changes that `checked` has, for a run that goes on. register: as what its model is registered in MLflow.
    """
    with Interrupt(), together(device):
        say = report if current().first else _unsaid
        begun = the_same(lambda: run_to_go_on_with(name, resume))
        end_where_stopped(begun)
        if begun is None:
            return _start(checked, device, name, say, register)
        if again := restarts():
            say(f"a process had ended: all are started again, for the {again}. time")
        with begun.claimed(), named([begun]):
            ask_for_model(begun, register)
            return _resume(begun, asked_again(begun, checked), device, say)


def _start(checked: Checked, device: torch.device, name: str | None, report: Report, register: str | None) -> Result:
    check_registrable(checked, register)
    check_parts(checked, current().size)
    precision, said = resolve(checked.graph.spec.train.precision, device), checked.warnings
    checked = replace(checked, graph=pin(checked.graph, checked.weights))
    checked = replace(fit_batch(checked, device, precision, report), weights=checked.weights)
    graph = checked.graph
    data = open_run_data(checked, device, report)
    with closed_on_error(data):
        tell_lacks(checked, data, report, said, begins=True)

    def fill(made: RunFolder) -> None:
        made.write(dump(portable(checked)))
        made.note(graph=str(graph.source.files[-1]), hash=graph.hash(), **known_at_start(register))

    mine: list[RunFolder] = []

    def make() -> RunFolder:
        mine.append(new_run(name, graph.name, fill))
        return mine[0]

    with named(mine):
        folder = the_same(make)
        with folder.claimed():
            return _Session(checked, device, precision, data, folder, report).run(None)


def resume_run(
    name: str, sets: Sequence[str], device: torch.device, report: Report, register: str | None = None
) -> Result:  # fmt: skip
    """Goes on with a run from its last checkpoint, or from the start when it has none."""
    folder = find_run(name)
    with Interrupt(), together(device), folder.claimed(), named([folder]):
        end_where_stopped(folder)
        ask_for_model(folder, register)
        return _resume(folder, sets, device, report if current().first else _unsaid)


def _unsaid(_text: str) -> None:
    """What the first process says for all."""


def _resume(folder: RunFolder, sets: Sequence[str], device: torch.device, report: Report) -> Result:
    payload = the_same(lambda: Checkpoints(folder.checkpoints).latest(whole=False))
    if payload is not None and not sets and the_same(lambda: has_ended(folder, payload)):  # no data are looked at
        return ended(folder, payload, report)
    found = resumed(folder, sets, payload)
    checked = found.checked
    precision = resolve(checked.graph.spec.train.precision, device)
    data = open_run_data(checked, device, report)
    if payload is not None and (change := change_since(payload, data, report)):
        raise RunError(
            f"the data set has changed since the checkpoint of '{folder.name}' was written: {change}; "
            "other data is a new run: leave --resume out"
        )
    tell_lacks(checked, data, report, begins=False)
    return _Session(checked, device, precision, data, folder, report, found).run(payload)


@dataclass
class _Session:
    checked: Checked
    device: torch.device
    precision: Precision
    data: Datasets
    folder: RunFolder
    report: Report
    resumed: Resumed | None = None

    def __post_init__(self) -> None:
        self.warn = self.report  # above the live line, once there is one
        self.judge: Judge | None = None
        self.probe_state: dict[str, Any] = {}

    def run(self, payload: dict[str, Any] | None) -> Result:
        """Prepares, trains and closes. payload: of the checkpoint to go on from, None to begin."""
        train = self.checked.graph.spec.train
        per_epoch = self.data.train.steps // train.accumulate
        steps = length(train, per_epoch)
        if payload is not None and payload["step"] >= steps and not payload.get("unjudged"):
            if payload["step"] > steps:
                done = f"the run '{self.folder.name}' has done {payload['step']} steps"
                raise UsageError(f"{done}, and {steps} would be all")
            return ended(self.folder, payload, self.report)
        if self.resumed is not None:
            self._go_on(self.resumed, payload, per_epoch)
        self.probe_state = (payload or {}).get("probe", {})
        step, outcome = self._prepare(payload, steps, per_epoch)
        status: Status = "FAILED"
        warnings: list[str] = []
        with ExitStack() as stack:
            stack.callback(self.data.close)
            self.folder.note(status="running", processes=current().size, notes=list(self.data.notes))
            tracker = open_sinks(self.checked, self.data, self.folder, outcome.step, lambda text: self.warn(text))
            try:
                with stops_elsewhere():
                    self._train(step, outcome, tracker, stack, unjudged=bool(payload and payload.get("unjudged")))
                status = "KILLED" if outcome.interrupted else "FINISHED"
            except (KeyboardInterrupt, Stopped) as error:
                status = "KILLED"
                outcome.from_outside = isinstance(error, Stopped)
                raise
            finally:
                if status == "FINISHED" and self.judge is not None:
                    how = self.checked.graph.spec.data.use, f"fp32 on {self.device.type}"
                    keep_last(self.folder, recorded(self.judge, outcome.step, *how), tracker)
                warnings = self._close(status, outcome, tracker)
                for line in warnings if sys.exc_info()[0] is not None else ():  # there will be no result to have them
                    self.warn(f"warning: {line}")
        return Result(
            self.folder,
            outcome,
            tracker.run_id,
            (*unmeasured(self.judge, self.folder), *bad_images(self.data), *warnings),
        )

    def _go_on(self, resumed: Resumed, payload: dict[str, Any] | None, per_epoch: int) -> None:
        """Says and notes what is otherwise than before."""
        self.folder.write(dump(portable(self.checked)))
        if payload is None:
            return
        for line in resumed.lines(payload["step"], per_epoch):
            self.report(line)
        for line in unlike(payload, self.checked.graph, self._computed()):
            self.report(f"warning: {line}")
        if resumed.changes:
            noted = {change.key: change.now for change in resumed.changes}
            self.folder.note(changes={**self.folder.facts().get("changes", {}), **noted})

    # -- prepare -------------------------------------------------------------------------------------------

    def _prepare(self, payload: dict[str, Any] | None, steps: int, per_epoch: int) -> tuple[Step, Outcome]:
        """The step with its weights, and what had come out up to the checkpoint; says what is about to run."""
        graph, train = self.checked.graph, self.checked.graph.spec.train
        weights = self.checked.weights if payload is None else {}
        with enough_memory("as the nodes were built", "Smaller nodes take less: a queue, a bank, a head."):
            program = compile_graph(graph, self.checked.shapes, self.device, train.seed, weights, current().size)
        for line in (line for loading in weights.values() for line in lines(loading)):
            self.report(line)
        self.data.train.cut(program.cuts, "image" in program.inputs)
        step = Step(program, train, self.precision, self.device, steps, per_epoch)
        outcome = Outcome()
        if payload is not None:
            with fitting(self.folder):
                step.load(payload)
            outcome = Outcome(payload["step"], self.folder.facts().get("loss", float("nan")), saved_scores(payload))
        self._introduce(step, outcome.step)
        return step, outcome

    def _introduce(self, step: Step, start: int) -> None:
        spec = self.checked.graph.spec
        size = sum(p.numel() for p in step.parameters)
        self.report(f"run {self.folder.name}: graph {spec.graph}, {size / 1e6:.2f} M trainable parameters")
        how = f"{self.device}, {self.precision.name}{', compiled' if step.compiled else ''}"
        how += ", each step one CUDA graph" if step.replay is not None else ""
        how += ", in parts" if step.in_parts else ""
        length = f"{step.steps} steps" + (" (train.steps; train.epochs is not used)" if spec.train.steps else "")
        processes = current().size
        own = f" ({spec.data.batch // processes} in each of {processes} processes)" if processes > 1 else ""
        self.report(
            f"data {spec.data.use}: {self.data.train.samples} images, batch {spec.data.batch}{own}, "
            f"{step.steps_per_epoch} steps an epoch, {length}; {how}"
        )
        if spec.train.shard == "full" and processes == 1:
            self.report("train.shard is full, and one process has all of the weights: --processes N starts several")
        for note in self.data.notes:
            self.report(note)
        if start:
            self.report(f"resumed after step {start} of {step.steps}")

    # -- train ---------------------------------------------------------------------------------------------

    def _train(
        self, step: Step, outcome: Outcome, tracker: Sinks | Untracked, stack: ExitStack, *, unjudged: bool
    ) -> None:  # fmt: skip
        """Trains to the end or to an interruption. stack: closes what is opened here, after the run is closed.

        unjudged: the epoch before had been stopped before its evaluation.
        """
        spec, start = self.checked.graph.spec, outcome.step
        stop = stack.enter_context(Interrupt())
        stop.training = True
        epochs = -(-step.steps // step.steps_per_epoch)
        view = None if current().first else Unseen()
        progress = stack.enter_context(Progress(epochs, step.steps_per_epoch, start, steps=step.steps, view=view))
        self.warn = progress.message
        if isinstance(tracker, Sinks):
            log_artifacts(self.checked, step.program, self.data, self.device, self.folder, tracker)
        self.judge = judge_in_run(self.checked, step.program, self.data, self.device, self.warn)
        loop = Loop(
            step, self.data, spec.train, spec.evaluate.monitor, self.judge,
            Checkpoints(self.folder.checkpoints, spec.train.checkpoint.keep), progress, tracker,
            Stop(stop), self._header(), outcome, unjudged,
            probe_of(self.judge, self.data, self.device, self.probe_state, self.report),
        )  # fmt: skip
        with worker_failures():
            loop.run(start)
            if not outcome.interrupted:
                log_model(self.checked, step, outcome.step, self.folder, tracker, self.warn)

    def _header(self) -> dict[str, Any]:
        """What a checkpoint says of where it belongs; the graph is the folder's, with components by their full path."""
        header = header_of(load(self.folder.graph), self._computed())
        return {**header, **known_by(self.data)}

    def _computed(self) -> str:
        return f"{self.precision.name} on {self.device.type}"

    # -- close ---------------------------------------------------------------------------------------------

    def _close(self, status: Status, outcome: Outcome, tracker: Sinks | Untracked) -> list[str]:
        """Notes how it went and delivers what is left to track; what the tracker has to warn of."""
        self.folder.note(
            status="stopped" if outcome.from_outside else status.lower(), step=outcome.step, loss=outcome.loss,
            scores=outcome.scores, images_per_second=outcome.images_per_second,
            **({STOPPED_IN: allocation()} if outcome.interrupted and outcome.from_outside else {}),
        )  # fmt: skip
        # Whoever ends a run waits less for a store that does not answer: what is left is kept.
        warnings = tracker.finish(status, timeout=60 if status == "FINISHED" else 15)
        self.folder.note(mlflow=tracker.run_id)
        return warnings

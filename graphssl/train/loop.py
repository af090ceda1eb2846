"""The training loop: epochs of steps, with monitors, evaluation, checkpoints and a clean end."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from ..console import STOPPED
from ..data import Batch, Datasets, WholeBatch
from ..errors import Stopped, ran_out
from ..graph.spec import Monitor, Train
from ..track.grouped import LOSS, RATE, SPEED, evaluated, monitored, term
from ..world import current, gathered
from .bottleneck import Limits
from .checkpoint import Checkpoints
from .collapse import CollapseWatch
from .commit import end_epoch
from .failures import enough_memory, not_finite, too_large
from .monitor import measure
from .outcome import Outcome
from .progress import Progress
from .speed import Speed
from .step import NonFiniteError, Step
from .stopping import Stop

__all__ = ["Judge", "Loop", "Metrics", "Probe"]

PROBE = evaluated("probe/train")
LESS = "A smaller data.batch takes less, and smaller images do."


class Metrics(Protocol):
    """Takes metrics at an optimizer step, by the names that `track.grouped` has for them."""

    def metrics(self, values: Mapping[str, float], step: int) -> None: ...


class Judge(Protocol):
    """Says how good features are, by evaluations that know when they are due."""

    def scores_due(self, epoch: int, ends: bool) -> Mapping[str, float]:
        """What those measure that are due after so many epochs, by metric. ends: training begins or ends here."""

    def title(self, metric: str) -> str:
        """What a metric is, in words."""

    def text(self, metric: str, value: float) -> str:
        """A metric's number as it is read."""


class Probe(Protocol):
    """A classifier that learns beside the training, and changes nothing in it."""

    def learn(self, features: Tensor, label: Tensor, step: int, steps: int, *, rows: bool = False) -> None:
        """One step. rows: of several processes each has its own."""

    def accuracy(self) -> Tensor:
        """Of the batches since it was last asked; 0-d, on the device, NaN where none had labels."""

    def state(self) -> Mapping[str, Any]:
        """What a checkpoint holds of it."""


@dataclass
class Loop:
    """Trains from `start` to the last step.

    judge: evaluates features on plain images, None for no evaluation. stop: asked after each step. header: what a
    checkpoint says of where it belongs. unjudged: whether the epoch that ends at the start is still to be evaluated.
    probe: learns beside the training.
    """

    step: Step
    data: Datasets
    train: Train
    monitor: Monitor | None
    judge: Judge | None
    checkpoints: Checkpoints
    progress: Progress
    tracker: Metrics
    stop: Stop
    header: Mapping[str, Any]
    outcome: Outcome = field(default_factory=Outcome)
    unjudged: bool = False
    probe: Probe | None = None

    def __post_init__(self) -> None:
        self.limits = Limits(self.step.device, compiled=self.step.compiled)
        self._watch = CollapseWatch()
        self._said_why: set[str] = set()

    def run(self, start: int = 0) -> Outcome:
        """Runs to the end, to an interruption, or to a loss that is not finite (RunError)."""
        steps, per_epoch = self.step.steps, self.step.steps_per_epoch
        self.outcome.step = start
        if start == 0:
            self._evaluate(0, ends=True)
        elif self.unjudged:
            self._finish_epoch(-(-start // per_epoch))
            if self.outcome.interrupted:
                return self.outcome
        for epoch in range(start // per_epoch, -(-steps // per_epoch)):
            last = self._epoch(epoch, max(start, epoch * per_epoch), min(steps, (epoch + 1) * per_epoch))
            if last is None:
                continue
            self._check_finite()
            if (verdict := self.limits.verdict()) is not None:
                self.progress.message(verdict)
            if self.outcome.interrupted and self.outcome.step < min(steps, (epoch + 1) * per_epoch):
                self._save()
                break
            self._monitor(epoch + 1, last)
            self._finish_epoch(epoch + 1)
            if self.outcome.interrupted:
                break
        return self.outcome

    def _finish_epoch(self, epoch: int) -> None:
        """Evaluates and saves. Whoever stops a run from outside does not wait for that: it is done on resume."""
        done = self.outcome.step == self.step.steps
        if not self.outcome.from_outside:
            try:
                with self.stop.at_once():
                    self._evaluate(epoch, ends=done)
            except Stopped:
                self.outcome.interrupted = self.outcome.from_outside = True
        self.unjudged = self.outcome.from_outside and self.judge is not None
        if done and not self.unjudged:
            self.outcome.interrupted = self.outcome.from_outside = False
        elif not self.unjudged:
            self._ask()
        if done or self.outcome.interrupted or self._save_due(epoch):
            self._save()

    def _ask(self) -> bool:
        """Whether the run is to end now."""
        code = self.stop()
        self.outcome.interrupted, self.outcome.from_outside = code != 0, code == STOPPED
        return self.outcome.interrupted

    # -- steps ---------------------------------------------------------------------------------------------

    def _epoch(self, epoch: int, first: int, end: int) -> Mapping[str, Any] | None:
        """The steps `first` to `end` of an epoch; the last step's outputs."""
        accumulate, per_epoch = self.train.accumulate, self.step.steps_per_epoch
        batches = self.data.train.epoch(epoch, (first - epoch * per_epoch) * accumulate)
        outputs, speed = None, Speed()
        groups = self.limits.waits(_groups(batches, accumulate))
        for number, group in zip(range(first, end), groups, strict=False):
            outputs = self._step(number, group)
            speed.images += sum(map(images_of, group))
            done = self.outcome.step = number + 1
            self._say_why()
            if done % self.train.log_every == 0 or done == end:
                self._check_finite()
                self._log(outputs, done, speed)
            else:
                self.progress.update(done, None, self.step.rate, None)
            stops = self._ask()
            if done == end:  # what follows an epoch is done first
                if done % per_epoch == 0:
                    end_epoch(self.step.program, self.train.seed, epoch)
                break
            if stops:
                break
            if self._save_due_by_steps():
                self._check_finite()
                self._save()
        return outputs

    def _step(self, number: int, group: list[Batch]) -> Mapping[str, Any]:
        try:
            with self.limits.step():
                outputs = self.step(number, group)
                if self.probe is not None:
                    rows = bool(outputs.get("rows"))
                    self.probe.learn(outputs["probed"], group[-1].label, number, self.step.steps, rows=rows)
            return outputs
        except NonFiniteError as error:
            raise not_finite(number, str(error), self.checkpoints.latest_path()) from error
        except Exception as error:
            if not ran_out(error):
                raise
            step = self.step
            raise too_large(images_of(group[0]), step.program, step.precision, step.device, error) from error

    def _check_finite(self) -> None:
        if (step := self.step.first_not_finite()) is not None:
            raise not_finite(step, "read when next logged", self.checkpoints.latest_path())

    def _say_why(self) -> None:
        """Once each, where it has turned out that steps cannot be compiled, or launched as one."""
        found = {"compiled": self.step.uncompiled, "launched as one CUDA graph": self.step.unrecorded}
        for what, reason in found.items():
            if reason is not None and what not in self._said_why:
                self._said_why.add(what)
                self.progress.message(f"steps are not {what}: {reason}")

    def _log(self, outputs: Mapping[str, Any], step: int, speed: Speed) -> None:
        lately = speed.since_last()
        scalars = {
            LOSS: outputs["loss"],
            **{term(k): v for k, v in outputs["terms"].items()},
            **{f"mi/{k}": v for k, v in outputs["bounds"].items()},
            **({PROBE: self.probe.accuracy()} if self.probe is not None else {}),
        }
        # All at once: the device is waited for.
        read = torch.stack([v.detach().float() for v in scalars.values()]).tolist()
        values = {k: v for k, v in zip(scalars, read, strict=True) if k != PROBE or not math.isnan(v)}
        loss = self.outcome.loss = values[LOSS]
        self.progress.update(step, loss, self.step.rate, lately)
        self.tracker.metrics({**values, RATE: self.step.rate, SPEED: lately}, step)
        self.outcome.images_per_second = speed.average

    # -- after an epoch ------------------------------------------------------------------------------------

    def _monitor(self, epoch: int, outputs: Mapping[str, Any]) -> None:
        """Reads the collapse monitors, and says what looks like collapse."""
        if self.monitor is None or epoch % self.monitor.every:
            return
        for line, (query, key) in outputs["watch"].items():
            if query.shape != key.shape or query.ndim != 2 or not (query.any() and key.any()):  # before the first fit
                continue
            if outputs.get("rows"):
                query, key = gathered(query), gathered(key)
            values = measure(query, key)
            self.tracker.metrics({monitored(line, k): v for k, v in values.items()}, self.outcome.step)
            for warning in self._watch.look(line, values):
                self.progress.message(f"warning: {warning}")

    def _evaluate(self, epoch: int, ends: bool) -> None:
        """Runs the evaluations that are due, and notes, tracks and shows what they measure."""
        if self.judge is None:
            return
        self.step.settle()
        with self.step.whole_weights(), enough_memory("in the evaluation", LESS):
            found = self.judge.scores_due(epoch, ends)
        if not found:
            return
        for metric, value in found.items():
            self.outcome.scores.setdefault(metric, {})[epoch] = value
            if epoch == 0:
                title, text = self.judge.title(metric), self.judge.text(metric, value)
                self.progress.message(f"{title} before training: {text}")
        self.tracker.metrics({evaluated(k): v for k, v in found.items()}, self.outcome.step)
        if epoch > 0:
            self.progress.epoch_end(epoch, found)

    # -- checkpoints ---------------------------------------------------------------------------------------

    def _save(self) -> None:
        self.step.settle()
        state = self.step.state()
        if not (current().first or self.step.in_parts):
            return
        scores = {metric: dict(by_epoch) for metric, by_epoch in self.outcome.scores.items()}
        payload = {**self.header, "step": self.outcome.step, **state, "scores": scores}
        if self.probe is not None:
            payload["probe"] = dict(self.probe.state())
        if self.unjudged:
            payload["unjudged"] = True
        self.checkpoints.write(self.outcome.step, payload)

    def _save_due(self, epoch: int) -> bool:
        """Whether the end of an epoch is also when a checkpoint is due, by epochs or by steps."""
        epochs = self.train.checkpoint.epochs
        return self._save_due_by_steps() or (epochs is not None and epoch % epochs == 0)

    def _save_due_by_steps(self) -> bool:
        steps = self.train.checkpoint.steps
        return steps is not None and self.outcome.step % steps == 0


def images_of(batch: Batch) -> int:
    """The images of a batch, of which a process may have a part."""
    return len(batch.index) * (1 if isinstance(batch, WholeBatch) else current().size)


def _groups(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    """Batches in lists of `size`; a last list that is short is left out."""
    while len(group := list(itertools.islice(batches, size))) == size:
        yield group

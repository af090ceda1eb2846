"""The training loop: epochs of steps, with evaluation, monitors, checkpoints and a clean end."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from ..data import Batch, Datasets
from ..errors import RunError, reason_of
from ..spec import Evaluate, Knn, Linear, Train
from .checkpoint import Checkpoints
from .collapse import CollapseWatch
from .limits import Limits
from .monitor import measure
from .progress import Progress
from .step import NonFiniteError, Step


class Metrics(Protocol):
    """Takes metrics by name at an optimizer step."""

    def metrics(self, values: Mapping[str, float], step: int) -> None: ...


class Judge(Protocol):
    """Says how good features are: an accuracy, 0 to 1, of each kind that is asked for."""

    def accuracies(self, knn: Knn | None, linear: Linear | None) -> dict[str, float]: ...


@dataclass
class Outcome:
    """How a training ended. knn, linear: accuracy (0 to 1) by epoch, epoch 0 untrained. The speed leaves them out."""

    step: int = 0
    loss: float = float("nan")
    knn: dict[int, float] = field(default_factory=dict)
    linear: dict[int, float] = field(default_factory=dict)
    images_per_second: float = 0.0
    interrupted: bool = False


@dataclass
class Loop:
    """Trains from `start` to the last step.

    judge: evaluates features on plain images, None for no evaluation. stop: asked after each step.
    """

    step: Step
    data: Datasets
    train: Train
    evaluate: Evaluate
    judge: Judge | None
    checkpoints: Checkpoints
    progress: Progress
    tracker: Metrics
    stop: Callable[[], bool]
    header: Mapping[str, Any]
    outcome: Outcome = field(default_factory=Outcome)

    def __post_init__(self) -> None:
        self.limits = Limits(self.step.device, compiled=self.step.compiled)
        self._said_why: set[str] = set()

    def run(self, start: int = 0) -> Outcome:
        """Runs to the end, to an interruption, or to a loss that is not finite (RunError)."""
        steps, per_epoch = self.step.steps, self.step.steps_per_epoch
        self.outcome.step = start
        watch = CollapseWatch()
        if start == 0:
            self._evaluate(0, 0, ends=True)
        for epoch in range(start // per_epoch, -(-steps // per_epoch)):
            last = self._epoch(epoch, max(start, epoch * per_epoch), min(steps, (epoch + 1) * per_epoch))
            if last is None:
                continue
            self._check_finite()
            if (verdict := self.limits.verdict()) is not None:
                self.progress.message(verdict)
            if self.outcome.interrupted:
                self._save()
                break
            done = self.outcome.step == steps
            self._monitor(epoch + 1, last, watch)
            self._evaluate(epoch + 1, self.outcome.step, ends=done)
            self.outcome.interrupted = not done and self.stop()
            if done or self.outcome.interrupted or self._save_due(epoch + 1):
                self._save()
            if self.outcome.interrupted:
                break
        return self.outcome

    def _epoch(self, epoch: int, first: int, end: int) -> Mapping[str, Any] | None:
        """The steps `first` to `end` of an epoch; the last step's outputs."""
        accumulate, per_epoch = self.train.accumulate, self.step.steps_per_epoch
        batches = self.data.train.epoch(epoch, (first - epoch * per_epoch) * accumulate)
        outputs = None
        window = time.perf_counter()
        seen = 0
        began, images = window, 0
        groups = self.limits.waits(_groups(batches, accumulate))
        for number, group in zip(range(first, end), groups, strict=False):
            try:
                with self.limits.step():
                    outputs = self.step(number, group)
            except NonFiniteError as error:
                raise self._not_finite(number, str(error)) from error
            except torch.OutOfMemoryError as error:
                raise self._too_large(len(group[0].index), error) from error
            seen += sum(len(b.index) for b in group)
            images += sum(len(b.index) for b in group)
            self.outcome.step = number + 1
            self._say_why()
            if (number + 1) % self.train.log_every == 0 or number + 1 == end:
                self._check_finite()
                now = time.perf_counter()
                self._log(outputs, number + 1, seen / (now - window))
                self.outcome.images_per_second = images / (now - began)
                window, seen = now, 0
            else:
                self.progress.update(number + 1, None, self.step.rate, None)
            if number + 1 == end:  # what follows an epoch is done first, also when asked to stop
                break
            every = self.train.checkpoint.steps
            if every is not None and (number + 1) % every == 0:
                self._check_finite()
                self._save()
            if self.stop():
                self.outcome.interrupted = True
                break
        return outputs

    def _say_why(self) -> None:
        """Once each, where it has turned out that steps cannot be compiled, or launched as one."""
        replay = self.step.replay
        found = {
            "compiled": self.step.uncompiled,
            "launched as one CUDA graph": None if replay is None else replay.reason,
        }
        for what, reason in found.items():
            if reason is not None and what not in self._said_why:
                self._said_why.add(what)
                self.progress.message(f"steps are not {what}: {reason}")

    # -- what is noted on the way --------------------------------------------------------------------------

    def _log(self, outputs: Mapping[str, Any], step: int, speed: float) -> None:
        scalars = {
            "loss": outputs["loss"],
            **{f"loss/{k}": v for k, v in outputs["terms"].items()},
            **{f"mi/{k}": v for k, v in outputs["bounds"].items()},
        }
        # All at once: the device is waited for.
        read = torch.stack([v.detach().float() for v in scalars.values()]).tolist()
        values = dict(zip(scalars, read, strict=True))
        loss = self.outcome.loss = values["loss"]
        self.progress.update(step, loss, self.step.rate, speed)
        self.tracker.metrics({**values, "lr": self.step.rate, "images_per_second": speed}, step)

    def _monitor(self, epoch: int, outputs: Mapping[str, Any], watch: CollapseWatch) -> None:
        monitor = self.evaluate.monitor
        if monitor is None or epoch % monitor.every:
            return
        for line, (query, key) in outputs["watch"].items():
            if query.shape != key.shape or query.ndim != 2:
                continue
            values = measure(query, key)
            self.tracker.metrics({f"{line}/{k}": v for k, v in values.items()}, self.outcome.step)
            for warning in watch.look(line, values):
                self.progress.message(f"warning: {warning}")

    def _evaluate(self, epoch: int, step: int, ends: bool) -> None:
        """kNN every so many epochs; it and the linear classifier where the training begins and ends."""
        knn, linear = self.evaluate.knn, self.evaluate.linear
        if knn is not None and not ends and epoch % knn.every:
            knn = None
        if not ends:
            linear = None
        if self.judge is None or (knn is None and linear is None):
            return
        found = self.judge.accuracies(knn, linear)
        for name, accuracy in found.items():
            getattr(self.outcome, name)[epoch] = accuracy
            if epoch == 0:
                label = "kNN" if name == "knn" else name
                self.progress.message(f"{label} accuracy of the untrained encoder: {100 * accuracy:.2f} %")
        self.tracker.metrics(found, step)
        if epoch > 0:
            self.progress.epoch_end(epoch, found)

    # -- checkpoints and failures --------------------------------------------------------------------------

    def _save(self) -> None:
        payload = {
            **self.header,
            "step": self.outcome.step,
            **self.step.state(),
            "knn": dict(self.outcome.knn),
            "linear": dict(self.outcome.linear),
        }
        self.checkpoints.write(self.outcome.step, payload)

    def _save_due(self, epoch: int) -> bool:
        """Whether the end of an epoch is also when a checkpoint is due, by epochs or by steps."""
        due = self.train.checkpoint
        by_steps = due.steps is not None and self.outcome.step % due.steps == 0
        return by_steps or (due.epochs is not None and epoch % due.epochs == 0)

    def _check_finite(self) -> None:
        if (step := self.step.first_not_finite()) is not None:
            raise self._not_finite(step, "read when next logged")

    def _too_large(self, batch: int, error: Exception) -> RunError:
        return RunError(
            f"a step with a batch of {batch} does not fit the memory of {self.step.device} "
            f"({reason_of(error).rstrip('.')}). "
            "A smaller data.batch, data.batch: auto, or recompute: true in the encoder helps."
        )

    def _not_finite(self, step: int, terms: str) -> RunError:
        good = self.checkpoints.latest_path()
        kept = f"the last good checkpoint is {good}" if good else "there is no checkpoint yet"
        return RunError(
            f"the loss is not finite at step {step + 1} ({terms}); {kept}. "
            "A lower learning rate, a longer warm-up, train.clip or fp32 usually help."
        )


def _groups(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    """Batches in lists of `size`; a last list that is short is left out."""
    while len(group := list(itertools.islice(batches, size))) == size:
        yield group

"""One run from its start to its end: folder, data, program, loop, tracking."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..checks.checked import Checked, check
from ..data import Datasets, open_data
from ..errors import RunError
from ..evaluate import Judge
from ..files import write_whole
from ..graph.read import load
from ..language.source import dump
from ..program.program import Program, compile_graph
from ..report import Kind, draw, views_grid
from ..track import Status, Tracker
from ..train.checkpoint import Checkpoints
from ..train.loop import Loop, Outcome
from ..train.precision import Precision, resolve
from ..train.progress import Progress
from ..train.signals import Interrupt
from ..train.step import Step
from .batch_size import fitted
from .folder import RunFolder, find_run, new_run
from .results import Result, no_judgement

Report = Callable[[str], None]


def started(checked: Checked, device: torch.device, name: str | None, report: Report) -> Result:
    """A new run."""
    precision = resolve(checked.graph.spec.train.precision, device)
    checked = fitted(checked, device, precision, report)
    graph = checked.graph
    data = _open(checked, device, report)
    folder = new_run(name, graph.name)
    with folder.claimed():
        write_whole(folder.graph, dump(_portable(checked)))
        folder.note(graph=str(graph.source.files[-1]), hash=graph.hash())
        return _Session(checked, device, precision, data, folder, report).run(None)


def resumed(name: str, sets: Sequence[str], device: torch.device, report: Report) -> Result:
    """Goes on with a run from its last checkpoint, or from the start when it has none."""
    folder = find_run(name)
    with folder.claimed():
        return _resumed(folder, sets, device, report)


def _resumed(folder: RunFolder, sets: Sequence[str], device: torch.device, report: Report) -> Result:
    checked = check(folder.graph, sets)
    payload = Checkpoints(folder.checkpoints).latest()
    if payload is None:
        write_whole(folder.graph, dump(_portable(checked)))
    elif payload["graph_hash"] != checked.graph.hash():
        raise RunError(
            f"the checkpoint of '{folder.name}' was made by another graph than {folder.graph} is now; "
            "a changed graph is a new run: leave --resume out"
        )
    precision = resolve(checked.graph.spec.train.precision, device)
    data = _open(checked, device, report)
    if payload is not None and (change := _change(data, payload)):
        raise RunError(
            f"the data set has changed since the checkpoint of '{folder.name}' was written: {change}; "
            "other data is a new run: leave --resume out"
        )
    return _Session(checked, device, precision, data, folder, report).run(payload)


def _open(checked: Checked, device: torch.device, report: Report) -> Datasets:
    """The data sets; says how far the reading of a folder is, at each tenth."""
    train = checked.graph.spec.train
    said = 0

    def progress(done: int, total: int) -> None:
        nonlocal said
        if total >= 5000 and done * 10 // total > said:
            said = done * 10 // total
            report(f"reading images: {done:,} of {total:,}")

    data = open_data(checked.graph.spec.data, device, train.seed, train.accumulate, progress)
    if data.train.steps < train.accumulate:
        raise RunError(f"an epoch has {data.train.steps} batches, fewer than train.accumulate: {train.accumulate}")
    return data


def _change(data: Datasets, payload: dict[str, Any]) -> str | None:
    """In what the training split is not that of a checkpoint. Early checkpoints do not know which files theirs was."""
    if payload["samples"] != data.train.samples:
        return f"{data.train.samples:,} training samples now, {payload['samples']:,} then"
    if payload.get("files", data.fingerprint) != data.fingerprint:
        return "as many training pictures, but of other names or classes"
    return None


def _portable(checked: Checked) -> dict[str, Any]:
    """The resolved graph with the user's component files by their full path, readable from any folder."""
    data = checked.graph.resolved()
    source = checked.graph.source
    entries = []
    for i, entry in enumerate(checked.graph.spec.components):
        folder = Path(source.at(("components", i)).file).parent
        entries.append(str((folder / entry).resolve()) if entry.endswith(".py") else entry)
    return {**data, "components": entries}


@contextmanager
def _worker_failures() -> Iterator[None]:
    """A data worker that dies is reported by torch from wherever the main process is: one message of it."""
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise RunError(f"{error} Was memory short? data.workers: 0 reads in the main process.") from error


@dataclass
class _Session:
    checked: Checked
    device: torch.device
    precision: Precision
    data: Datasets
    folder: RunFolder
    report: Report

    def __post_init__(self) -> None:
        self.warn = self.report  # above the live line, once there is one

    def run(self, payload: dict[str, Any] | None) -> Result:
        graph, train = self.checked.graph, self.checked.graph.spec.train
        per_epoch = self.data.train.steps // train.accumulate
        steps = train.steps or train.epochs * per_epoch
        if payload is not None and payload["step"] >= steps:
            self.report(f"the run {self.folder.name} has finished: there is nothing to resume")
            return self._finished(payload)
        program = compile_graph(graph, self.checked.shapes, self.device, train.seed)
        step = Step(program, train, self.precision, self.device, steps, per_epoch)
        start = 0
        if payload is not None:
            step.load(payload)
            start = payload["step"]
        self._introduce(step, start, steps, per_epoch)
        with ExitStack() as stack:
            stack.callback(self.data.close)
            self.folder.note(status="running")
            tracker = self._tracker()
            status: Status = "FAILED"
            before, warnings = payload or {}, list[str]()
            outcome = Outcome(start, knn=dict(before.get("knn", {})), linear=dict(before.get("linear", {})))
            try:
                stop = stack.enter_context(Interrupt())
                progress = stack.enter_context(Progress(-(-steps // per_epoch), per_epoch, start, steps=steps))
                self.warn = progress.message
                self._artifacts(tracker, program)
                loop = Loop(
                    step, self.data, train, graph.spec.evaluate, self._judge(step),
                    Checkpoints(self.folder.checkpoints, train.checkpoint.keep), progress, tracker,
                    lambda: stop.requested, self._header(), outcome,
                )  # fmt: skip
                with _worker_failures():
                    loop.run(start)
                status = "KILLED" if outcome.interrupted else "FINISHED"
            except KeyboardInterrupt:
                status = "KILLED"
                raise
            finally:
                self._note(status, outcome)
                warnings = tracker.finish(status, timeout=60)
                self.folder.note(mlflow=tracker.run_id)
        return Result(self.folder, outcome, tracker.run_id, (*self._bad_images(), *warnings))

    def _header(self) -> dict[str, Any]:
        """What a checkpoint says of where it belongs; the graph is the folder's, with components by their full path."""
        graph_hash = load(self.folder.graph).hash()
        return {"graph_hash": graph_hash, "samples": self.data.train.samples, "files": self.data.fingerprint}

    def _bad_images(self) -> Iterator[str]:
        bad = self.data.bad
        if bad.count:
            what = "image could not be read and was" if bad.count == 1 else "images could not be read and were"
            more = " ..." if bad.count > len(bad.names) else ""
            yield f"{bad.count} {what} skipped: {', '.join(bad.names)}{more}"
        if bad.refused:
            what = "batch" if bad.refused == 1 else "batches"
            yield f"the device left {bad.refused:,} {what} of JPEGs to the CPU: {bad.refusal}"

    def _finished(self, payload: dict[str, Any]) -> Result:
        facts = self.folder.facts()
        outcome = Outcome(
            payload["step"], facts.get("loss", float("nan")), payload["knn"], payload.get("linear", {}),
            images_per_second=facts.get("images_per_second", 0.0),
        )  # fmt: skip
        return Result(self.folder, outcome, facts.get("mlflow"), ())

    def _note(self, status: str, outcome: Outcome) -> None:
        self.folder.note(
            status=status.lower(), step=outcome.step, loss=outcome.loss,
            knn={str(k): v for k, v in outcome.knn.items()}, linear={str(k): v for k, v in outcome.linear.items()},
            images_per_second=outcome.images_per_second,
        )  # fmt: skip

    def _introduce(self, step: Step, start: int, steps: int, per_epoch: int) -> None:
        spec = self.checked.graph.spec
        size = sum(p.numel() for p in step.parameters)
        self.report(f"run {self.folder.name}: graph {spec.graph}, {size / 1e6:.2f} M trainable parameters")
        how = f"{self.device}, {self.precision.name}{', compiled' if step.compiled else ''}"
        how += ", each step one CUDA graph" if step.replay is not None else ""
        length = f"{steps} steps (train.steps; train.epochs is not used)" if spec.train.steps else f"{steps} steps"
        self.report(
            f"data {spec.data.use}: {self.data.train.samples} images, batch {spec.data.batch}, "
            f"{per_epoch} steps an epoch, {length}; {how}"
        )
        for note in self.data.notes:
            self.report(note)
        if start:
            self.report(f"resumed after step {start} of {steps}")

    def _judge(self, step: Step) -> Judge | None:
        name = self.checked.features
        evaluate = self.checked.graph.spec.evaluate
        if name is None or (evaluate.knn is None and evaluate.linear is None):
            return None
        if reason := no_judgement(self.data):
            self.report(f"evaluation is left out: {reason}")
            return None
        return Judge(
            step.program.features(name), self.data, self.checked.data, self.checked.image_size(name),
            self.checked.graph.spec.data.batch, self.device,
        )  # fmt: skip

    def _tracker(self) -> Tracker:
        graph = self.checked.graph
        files = [str(f) for f in graph.source.files]
        tags = {
            "graphssl.graph": graph.name,
            "graphssl.graph_file": files[-1],
            "graphssl.graph_hash": graph.hash(),
            "graphssl.parent": files[-2] if len(files) > 1 else "",
            "graphssl.folder": str(self.folder.path),
        }
        return Tracker(
            self.folder.name, params=graph.resolved(), tags=tags, spool=self.folder.spool,
            resume=self.folder.facts().get("mlflow"), warn=lambda text: self.warn(f"warning: {text}"),
        )  # fmt: skip

    def _artifacts(self, tracker: Tracker, program: Program) -> None:
        """The graph's file and picture, its code, and a grid of augmented views."""
        graph = self.checked.graph
        tracker.text(dump(graph.resolved()), "graph.yaml")
        tracker.text(program.code(), "step.py")
        for file in graph.source.files:
            if file.suffix == ".yaml":
                tracker.file(file, "source")
        kinds: tuple[Kind, ...] = ("svg", "png")
        for kind in kinds:
            picture = self.folder.path / f"graph.{kind}"
            picture.write_bytes(draw(graph, self.checked.shapes, kind))
            tracker.file(picture)
        views = self._views(program)
        if views is not None:
            picture = self.folder.path / "views.png"
            picture.write_bytes(views)
            tracker.file(picture)

    def _views(self, program: Program) -> bytes | None:
        """What the first node that makes views makes of eight images."""
        name = next((n.name for n in self.checked.graph.nodes.values() if "view" in n.component.traits), None)
        batch = self.data.first(8)
        if name is None or batch is None:
            return None
        node: Any = program.node(name)
        generator = torch.Generator(self.device).manual_seed(self.checked.graph.spec.train.seed)
        with torch.no_grad():
            made = node(batch.image, draws=node.draw(len(batch.image), generator, self.device))
        views = (made,) if isinstance(made, Tensor) else made
        if hasattr(views, "_fields"):
            views = tuple(v for family in views for v in family)
        return views_grid(views, self.checked.data.mean, self.checked.data.std)

"""One run from its start to its end: folder, data, program, loop, tracking, and what is said at the close."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .checked import Checked, check, choose_device, trained
from .compiler import Program, compile_graph
from .data import Datasets, open_data
from .errors import RunError
from .evaluate import Judge
from .report import Kind, draw, views_grid
from .runs import RunFolder, find_run, new_run, write_whole
from .source import dump
from .spec import Knn
from .track import Comparison, Status, Tracker, compare
from .train.checkpoint import Checkpoints, save
from .train.loop import Loop, Outcome
from .train.precision import Precision, resolve
from .train.progress import Progress
from .train.signals import Interrupt
from .train.step import Step

Report = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """A run that came to an end: its folder, how the training went, its id in MLflow, and what to warn of."""

    folder: RunFolder
    outcome: Outcome
    run_id: str | None
    warnings: tuple[str, ...]

    @property
    def interrupted(self) -> bool:
        return self.outcome.interrupted


def started(checked: Checked, device: torch.device, name: str | None, report: Report) -> Result:
    """A new run."""
    graph = checked.graph
    precision = resolve(graph.spec.train.precision, device)
    data = _open(checked, device, report)
    folder = new_run(name, graph.name)
    write_whole(folder.graph, dump(_portable(checked)))
    folder.note(graph=str(graph.source.files[-1]), hash=graph.hash(), status="running")
    return _Session(checked, device, precision, data, folder, report).run(None)


def resumed(name: str, sets: Sequence[str], device: torch.device, report: Report) -> Result:
    """Goes on with a run from its last checkpoint, or from the start when it has none."""
    folder = find_run(name)
    checked = check(folder.graph, sets)
    payload = Checkpoints(folder.checkpoints).latest()
    if payload is not None and payload["graph_hash"] != checked.graph.hash():
        raise RunError(
            f"the checkpoint of '{folder.name}' was made by another graph than {folder.graph} is now; "
            "a changed graph is a new run: leave --resume out"
        )
    precision = resolve(checked.graph.spec.train.precision, device)
    data = _open(checked, device, report)
    if payload is not None and payload["samples"] != data.train.samples:
        raise RunError(
            f"the data set has changed: {data.train.samples:,} training samples now, {payload['samples']:,} when the "
            f"checkpoint of '{folder.name}' was written; other data is a new run: leave --resume out"
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

    return open_data(checked.graph.spec.data, device, train.seed, train.accumulate, progress)


def _portable(checked: Checked) -> dict[str, Any]:
    """The resolved graph with the user's component files by their full path, readable from any folder."""
    data = checked.graph.resolved()
    source = checked.graph.source
    entries = []
    for i, entry in enumerate(checked.graph.spec.components):
        at = source.at(("components", i))
        folder = Path(at.file).parent if at else Path()
        entries.append(str((folder / entry).resolve()) if entry.endswith(".py") else entry)
    return {**data, "components": entries} if entries else data


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
        if per_epoch == 0:
            raise RunError(
                f"an epoch has {self.data.train.steps} batches, fewer than train.accumulate: {train.accumulate}"
            )
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
            tracker = self._tracker()
            status: Status = "FAILED"
            outcome, warnings = Outcome(), list[str]()
            try:
                stop = stack.enter_context(Interrupt())
                progress = stack.enter_context(Progress(-(-steps // per_epoch), per_epoch, start, steps=steps))
                self.warn = progress.message
                self._artifacts(tracker, program)
                loop = Loop(
                    step, self.data, train, graph.spec.evaluate, self._judge(step),
                    Checkpoints(self.folder.checkpoints, train.checkpoint.keep), progress, tracker,
                    lambda: stop.requested, {"graph_hash": graph.hash(), "samples": self.data.train.samples},
                    Outcome(knn=dict((payload or {}).get("knn", {}))),
                )  # fmt: skip
                with _worker_failures():
                    outcome = loop.run(start)
                status = "KILLED" if outcome.interrupted else "FINISHED"
            except KeyboardInterrupt:
                status = "KILLED"
                raise
            finally:
                self._note(status, outcome)
                warnings = tracker.finish(status, timeout=60)
                self.folder.note(mlflow=tracker.known_run_id)
        return Result(self.folder, outcome, tracker.known_run_id, (*self._bad_images(), *warnings))

    def _bad_images(self) -> Iterator[str]:
        bad = self.data.bad
        if bad.count:
            yield f"{bad.count} images could not be read and were skipped: {', '.join(map(str, bad.names))}" + (
                " ..." if bad.count > len(bad.names) else ""
            )

    def _finished(self, payload: dict[str, Any]) -> Result:
        facts = self.folder.facts()
        outcome = Outcome(
            payload["step"], facts.get("loss", float("nan")), payload["knn"],
            images_per_second=facts.get("images_per_second", 0.0),
        )  # fmt: skip
        return Result(self.folder, outcome, facts.get("mlflow"), ())

    def _note(self, status: str, outcome: Outcome) -> None:
        self.folder.note(
            status=status.lower(), step=outcome.step, loss=outcome.loss,
            knn={str(k): v for k, v in outcome.knn.items()}, images_per_second=outcome.images_per_second,
        )  # fmt: skip

    def _introduce(self, step: Step, start: int, steps: int, per_epoch: int) -> None:
        spec = self.checked.graph.spec
        size = sum(p.numel() for p in step.parameters)
        self.report(f"run {self.folder.name}: graph {spec.graph}, {size / 1e6:.2f} M trainable parameters")
        how = f"{self.device}, {self.precision.name}{', compiled' if step.compiled else ''}"
        self.report(
            f"data {spec.data.use}: {self.data.train.samples} images, batch {spec.data.batch}, "
            f"{per_epoch} steps an epoch, {steps} steps; {how}"
        )
        if start:
            self.report(f"resumed after step {start} of {steps}")

    def _judge(self, step: Step) -> Judge | None:
        name = self.checked.encoder
        if name is None or self.checked.graph.spec.evaluate.knn is None:
            return None
        if not self.data.classes:
            self.report("kNN is left out: the data set has no labels")
            return None
        return Judge(
            step.program.node(name), self.data, self.checked.data, self.checked.shapes.image_size(name),
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


def summary(result: Result) -> str:
    """The closing lines: what came of it, where it is, and how to see it."""
    outcome = result.outcome
    lines = []
    if outcome.interrupted:
        lines.append(f"interrupted after step {outcome.step}; a checkpoint is written")
        lines.append(f"  go on      graphssl run --resume {result.folder.name}")
    else:
        lines.append(f"finished after step {outcome.step}, loss {outcome.loss:.4f}")
    if len(outcome.knn) > 1:
        first, last = outcome.knn[min(outcome.knn)], outcome.knn[max(outcome.knn)]
        lines.append(f"  kNN        {100 * first:.2f} % untrained, {100 * last:.2f} % trained")
    lines.append(f"  speed      {outcome.images_per_second:,.0f} images/s")
    lines.append(f"  run        {result.folder.path}" + (f" (MLflow {result.run_id})" if result.run_id else ""))
    lines.append("  see it     graphssl ui")
    lines += [f"warning: {w}" for w in result.warnings]
    return "\n".join(lines)


def evaluated(name: str, k: int | None, temperature: float | None, device: str) -> str:
    """The kNN accuracy of a run's encoder, as a line of text."""
    folder, where = find_run(name), choose_device(device)
    checked, module = trained(folder, None, where)
    spec = checked.graph.spec
    changes = {"k": k, "temperature": temperature}
    knn = (spec.evaluate.knn or Knn()).model_copy(update={n: v for n, v in changes.items() if v is not None})
    data = _open(checked, where, lambda text: None)
    size = checked.shapes.image_size(checked.encoder or "")
    accuracy = Judge(module, data, checked.data, size, spec.data.batch, where).knn(knn)
    data.close()
    return f"{folder.name}: kNN accuracy {100 * accuracy:.2f} % (k {knn.k}, temperature {knn.temperature:g})"


def exported(name: str, output: Path, node: str | None) -> str:
    """Writes the weights of a run's node as a plain state dict, whole or not at all."""
    folder = find_run(name)
    _, module = trained(folder, node, torch.device("cpu"))
    state = {key: value.clone() for key, value in module.state_dict().items()}
    save(output, state)
    size = sum(v.numel() for v in state.values())
    return f"wrote {output}: {len(state)} tensors, {size:,} values, for load_state_dict(torch.load('{output}'))"


def compared(names: Sequence[str]) -> Comparison:
    """Runs side by side, each by its name under `runs/`, or by its name or id in MLflow."""
    return compare([_tracked(name) for name in names])


def _tracked(name: str) -> str:
    try:
        return find_run(name).facts().get("mlflow") or name
    except RunError:
        return name

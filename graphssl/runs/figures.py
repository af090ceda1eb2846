"""The figures of a run's evaluations, kept in its folder with how they came about, and delivered to its MLflow run."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ..errors import RunError
from ..evaluation.judge import Judge
from ..files import write_whole
from ..track import NOTE, Addition, Point, Sink, add_points, add_to_run, one_at_a_time
from ..track.grouped import evaluated
from ..world import current
from .folder import RunFolder
from .note import note_of
from .quiet import Untracked
from .records import FOLDER, Record, records

__all__ = ["Record", "deliver_figures", "figures_left", "keep", "keep_last", "recorded", "records", "show_new"]

BOARD = "tensorboard"  # a folder of the run's
LEFT, LOCK, ALL_LEFT = ".left", ".lock", "*/evaluations/.left"
TAG = "graphssl.evaluated."  # with the label: the settings of what was measured after the training


def recorded(judge: Judge, step: int, data: str, computed: str, *, left: bool = False) -> list[Record]:
    """What a judge has measured last."""
    found = []
    for label, (name, features, figures, _) in judge.latest.items():
        evaluation = judge.evaluations[name]
        settings = evaluation.config.model_dump(mode="json", by_alias=True, exclude=set(evaluation.when))
        how = Record(
            label, step, features, data, computed, settings, figures.scores, figures.intervals, figures.details
        )
        found.append(replace(how, left=left))
    return found


def keep(folder: RunFolder, found: Sequence[Record]) -> None:
    """Writes them, each in the stead of an earlier one of its label. Of several processes the first does it."""
    if not current().first:
        return
    (folder.path / FOLDER).mkdir(exist_ok=True)
    if any(record.left for record in found):
        write_whole(_mark(folder), "")
    for record in found:
        write_whole(record.path(folder), _text(record))


def show_new(folder: RunFolder, found: Sequence[Record], warn: Callable[[str], None]) -> None:
    """Adds to what TensorBoard shows of a run what its folder does not have yet."""
    known: dict[str, Record] = {}
    with contextlib.suppress(RunError):
        known = {record.label: record for record in records(folder)}
    new = [
        r for r in found if (old := known.get(r.label)) is None or (old.step, old.scores) != (r.step, dict(r.scores))
    ]
    points = [Point(record.step, evaluated(name), value) for record in new for name, value in record.scores.items()]
    if points:
        add_points(folder.path / BOARD, points, warn)


def _text(record: Record) -> str:
    return json.dumps(asdict(record), indent=1) + "\n"


def keep_last(folder: RunFolder, found: Sequence[Record], tracker: Sink | Untracked) -> None:
    """What stands beside the last numbers of a run, which MLflow has: intervals, classes, confusions."""
    keep(folder, found)
    for record in found:
        tracker.file(record.path(folder), FOLDER)


def _mark(folder: RunFolder) -> Path:
    """A file that is there while MLflow is still to get some."""
    return folder.path / FOLDER / LEFT


def figures_left(folder: RunFolder) -> bool:
    """Whether MLflow is still to get some."""
    return _mark(folder).exists()


def deliver_figures(folder: RunFolder) -> int:
    """Delivers what MLflow is still to get, and says how many. Raises RunError where it does not take them.

    A metric that the run has at that step is not logged again: of several processes one delivers at a time.
    """
    with one_at_a_time(folder.path / FOLDER / LOCK) as alone:
        if not alone:
            raise RunError("another process delivers figures of the run, and has not done so yet")
        left = [record for record in records(folder) if record.left]
        if left:
            run_id = folder.facts().get("mlflow")
            if run_id is None:
                raise RunError("the run itself is not in MLflow yet")
            add_to_run(run_id, [_addition(folder, record) for record in left])
        return _delivered(folder, left)


def _addition(folder: RunFolder, record: Record) -> Addition:
    metrics = {evaluated(name): value for name, value in record.scores.items()}
    tags = {f"{TAG}{record.label}": record.said(), NOTE: note_of(folder)}
    return Addition(metrics, record.step, tags, record.path(folder).resolve())


def _delivered(folder: RunFolder, left: Sequence[Record]) -> int:
    """Notes that MLflow has these, but for what has been measured anew meanwhile; how many there are."""
    now = {_text(record) for record in records(folder)}
    keep(folder, [replace(record, left=False) for record in left if _text(record) in now])
    if not any(record.left for record in records(folder)):
        _mark(folder).unlink(missing_ok=True)
    return len(left)

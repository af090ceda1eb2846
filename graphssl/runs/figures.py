"""The figures of a run's evaluations, kept in its folder with how they came about, and delivered to its MLflow run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..evaluation.judge import Judge
from ..evaluation.labels import parse
from ..files import read_regular, write_whole
from ..track import Addition, Tracker, add_to_run, one_at_a_time
from ..track.grouped import evaluated
from ..world import current
from .folder import RunFolder
from .quiet import Untracked

__all__ = ["Record", "deliver_figures", "figures_left", "keep", "keep_last", "recorded", "records"]

FOLDER, LEFT, LOCK, ALL_LEFT = "evaluations", ".left", ".lock", "*/evaluations/.left"
LARGEST = 1 << 26  # bytes of a record
TAG = "graphssl.evaluated."  # with the label: the settings of what was measured after the training


@dataclass(frozen=True)
class Record:
    """One evaluation of a run. label: what its figures are called. step: of the checkpoint. features: what is judged.
    data: on what. settings: all options. left: whether MLflow is still to get it."""

    label: str
    step: int
    features: str
    data: str
    computed: str
    settings: Mapping[str, Any]
    scores: Mapping[str, float]
    intervals: Mapping[str, Sequence[float]]
    details: Mapping[str, Any]
    left: bool = False

    @property
    def evaluation(self) -> str:
        return parse(self.label).evaluation

    def path(self, folder: RunFolder) -> Path:
        """A file of its own for each label, also where only characters differ that no file should have."""
        name = re.sub(r"[^\w.-]+", "-", self.label)
        known = (
            "" if name == self.label.replace(" ", "-") else f"-{hashlib.sha256(self.label.encode()).hexdigest()[:6]}"
        )
        return folder.path / FOLDER / f"{name}{known}.json"

    def said(self) -> str:
        """How it was measured, in a line."""
        options = ", ".join(f"{key} {_shown(value)}" for key, value in self.settings.items())
        return "; ".join(filter(None, (options, f"of {self.features}", f"on {self.data}", self.computed)))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


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


def _text(record: Record) -> str:
    return json.dumps(asdict(record), indent=1) + "\n"


def keep_last(folder: RunFolder, found: Sequence[Record], tracker: Tracker | Untracked) -> None:
    """What stands beside the last numbers of a run, which MLflow has: intervals, classes, confusions."""
    keep(folder, found)
    if isinstance(tracker, Tracker):
        for record in found:
            tracker.file(record.path(folder), FOLDER)


def records(folder: RunFolder) -> list[Record]:
    """All that are kept, by label. Raises RunError for a file that is none."""
    return [_read(path) for path in sorted((folder.path / FOLDER).glob("*.json"))]


def _read(path: Path) -> Record:
    try:
        return Record(**json.loads(read_regular(path, LARGEST) or b""))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise RunError(f"{path} holds no figures: {error}") from error


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
    return Addition(metrics, record.step, {f"{TAG}{record.label}": record.said()}, record.path(folder).resolve())


def _delivered(folder: RunFolder, left: Sequence[Record]) -> int:
    """Notes that MLflow has these, but for what has been measured anew meanwhile; how many there are."""
    now = {_text(record) for record in records(folder)}
    keep(folder, [replace(record, left=False) for record in left if _text(record) in now])
    if not any(record.left for record in records(folder)):
        _mark(folder).unlink(missing_ok=True)
    return len(left)

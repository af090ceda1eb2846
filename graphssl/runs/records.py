"""What evaluations of a run have measured, a file each in its folder."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..evaluation.labels import parse
from ..files import read_regular
from .folder import RunFolder

__all__ = ["FOLDER", "Record", "records"]

FOLDER = "evaluations"
LARGEST = 1 << 26  # bytes of a record


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


def records(folder: RunFolder) -> list[Record]:
    """All that are kept, by label. Raises RunError for a file that is none."""
    return [_read(path) for path in sorted((folder.path / FOLDER).glob("*.json"))]


def _read(path: Path) -> Record:
    try:
        return Record(**json.loads(read_regular(path, LARGEST) or b""))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise RunError(f"{path} holds no figures: {error}") from error

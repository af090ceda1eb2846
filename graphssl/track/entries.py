"""The entries of a journal, and a run's start, as lines of text: written by graphssl, and read with distrust."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

__all__ = ["Entry", "Kind", "Start", "dump_start", "parse"]

Kind = Literal["metrics", "file", "text", "tags", "model", "end"]
TEXTS = {
    "file": {"path", "folder"}, "text": {"content", "artifact"}, "model": {"path", "register"}, "end": {"status"},
}  # fmt: skip
STATUSES = ("FINISHED", "FAILED", "KILLED")
LARGEST = 2**63


@dataclass(frozen=True, eq=False)
class Entry:
    """One thing to deliver. at: ms since 1970, when it happened."""

    kind: Kind
    at: int
    data: dict[str, Any]
    step: int = 0

    def line(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    @property
    def stead(self) -> str | None:
        """In whose stead it comes, of what has not been delivered: the same artifact, the same tags."""
        if self.kind == "model":
            return f"model {self.data['register']}"
        return f"tags {sorted(self.data)}" if self.kind == "tags" else self.place

    @property
    def waits(self) -> bool:
        """Whether others may be delivered before it: it is large, or of a place that may fail by itself."""
        return self.kind in ("file", "text", "model")

    @property
    def place(self) -> str | None:
        """Of an artifact, where it goes: a later one of that place is in its stead."""
        if self.kind == "file":
            return posixpath.join(str(self.data["folder"]), posixpath.basename(self.data["path"]))
        return str(self.data["artifact"]) if self.kind == "text" else None


@dataclass(frozen=True)
class Start:
    """What a run is created with, wherever and whenever that is. started: ms since 1970. store: its address, without
    a password. experiment: None for the one that the environment, or graphssl, says."""

    name: str
    started: int
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    store: str | None = None
    experiment: str | None = None


def dump_start(run_id: str | None, start: Start | None) -> str:
    """A journal's first line."""
    return json.dumps({"run_id": run_id, **({"start": asdict(start)} if start is not None else {})}) + "\n"


def parse(line: str) -> tuple[str | None, Start | None] | Entry | None:
    """A line: the first, with the run's id and start; an entry; None for what is neither."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    if "run_id" in data:
        run_id = data["run_id"]
        known = isinstance(run_id, str) and re.fullmatch(r"\w[\w-]{0,255}", run_id)
        return (run_id if known else None), _start(data.get("start"))
    return Entry(**data) if not any(_against(data)) else None


def _start(data: Any) -> Start | None:
    texts = {"params", "tags"}
    try:
        start = Start(**data)
    except TypeError:
        return None
    whole = _number(start.started) and isinstance(start.name, str)
    whole = whole and all(isinstance(getattr(start, f.name), str | None) for f in fields(start)[4:])
    return start if whole and all(_texts(getattr(start, name)) for name in texts) else None


def _against(data: dict[str, Any]) -> Iterator[bool]:
    """True for what is wrong with an entry."""
    kind, values = data.get("kind"), data.get("data")
    if not {"kind", "at", "data"} <= data.keys() <= {"kind", "at", "data", "step"} or not isinstance(values, dict):
        yield True
        return
    yield kind not in get_args(Kind) or not _number(data["at"]) or not _number(data.get("step", 0))
    if kind == "metrics":
        yield not all(isinstance(value, float) or _number(value) for value in values.values())
    elif kind == "tags":
        yield not _texts(values)
    else:
        yield values.keys() != TEXTS.get(str(kind)) or not _texts(values)
        yield kind == "end" and values.get("status") not in STATUSES


def _texts(values: Any) -> bool:
    return isinstance(values, dict) and all(isinstance(value, str) for value in values.values())


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -LARGEST <= value < LARGEST

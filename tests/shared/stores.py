"""A store in place of MLflow's, which fails, hangs and refuses as a test wants it, and runs that are tracked in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from graphssl.track import Tracker
from graphssl.track.grouped import grouped_all
from graphssl.track.journal import Entry
from graphssl.track.store import Refused


class FakeStore:
    """Keeps what it is sent. `down`: every call fails. `bad`: metrics that it refuses."""

    def __init__(self) -> None:
        self.down = False
        self.bad: set[str] = set()
        self.no_artifacts = False
        self.runs: dict[str, dict[str, Any]] = {}
        self.sent: list[Entry] = []
        self.attempts = 0
        self.asked = 0
        self.forgets_to_answer = 0
        self.hang: threading.Event | None = None

    def __call__(self) -> FakeStore:
        self._answer()
        return self

    def _answer(self) -> None:
        self.attempts += 1
        if self.hang is not None:
            self.hang.wait(30)
        if self.down:
            raise ConnectionError("connection to http://me:secret@host refused")

    def create(self, name: str, started: int, tags: Mapping[str, str]) -> str:
        self._answer()
        self.runs["id1"] = {"name": name, "started": started, "tags": dict(tags), "status": "RUNNING"}
        return "id1"

    def reopen(self, run_id: str, tags: Mapping[str, str] | None) -> set[str] | None:
        self._answer()
        if run_id not in self.runs:
            return None
        if tags is not None:
            self.runs[run_id]["status"] = "RUNNING"
        return set(self.runs[run_id].get("params", ()))

    def points(self, run_id: str) -> dict[str, set[int]]:
        self._answer()
        self.asked += 1
        found: dict[str, set[int]] = {}
        for entry in self.sent:
            for name in entry.data if entry.kind == "metrics" else ():
                found.setdefault(name, set()).add(entry.step)
        names = grouped_all(found)
        return {names[name]: steps for name, steps in found.items()}

    def params(self, run_id: str, params: Mapping[str, str]) -> None:
        self._answer()
        self.runs[run_id]["params"] = {**self.runs[run_id].get("params", {}), **params}

    def send(self, run_id: str, entries: Sequence[Entry]) -> None:
        self._answer()
        if self.no_artifacts and entries[0].kind in ("file", "text"):
            raise PermissionError("no credentials")
        if any(name in self.bad for e in entries for name in e.data):
            raise Refused("invalid name")
        if entries[0].kind == "end":
            self.runs[run_id]["status"] = entries[0].data["status"]
        self.sent += entries
        if self.forgets_to_answer:
            self.forgets_to_answer -= 1
            raise ConnectionError("timed out")

    @property
    def losses(self) -> list[tuple[int, float]]:
        return [(e.step, e.data["loss"]) for e in self.sent if e.kind == "metrics" and "loss" in e.data]


def tracker(store: Callable[[], Any], spool: Path, **options: Any) -> Tracker:
    given: dict[str, Any] = {"params": {"a": {"b": 1}}, "tags": {"t": "v", "empty": ""}, "wait": 0.02, **options}
    return Tracker("run-1", spool=spool, connect=store, uri="unused://", **given)


def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)

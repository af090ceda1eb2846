"""Tracks one run in MLflow without ever holding up, or ending, its training."""

from __future__ import annotations

import shlex
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .artifacts import inside
from .client import store_uri, without_password
from .delivery import Delivery
from .journal import START, Entry, Journal, Kind, Start
from .machine import system_facts
from .names import clean_name, flatten
from .sender import Sender, Sent
from .sink import Status
from .store import MlflowStore, Store


class Tracker:
    """A run in MLflow. Everything is delivered by a thread, in order, as soon as the store takes it.

    name: of the run. params: nested; logged once, as dotted keys, when the run is created. tags: those without a
    value are left out; `facts`, of the system, are added by the thread. spool: the file that keeps what is not
    delivered. When an earlier process left one, its entries are delivered first, and its run is gone on with.
    resume: id of the run to go on with. A metric at a step that it has already is not logged again. A run that is not
    in the store is made anew. uri, experiment: default MLFLOW_TRACKING_URI and MLFLOW_EXPERIMENT_NAME, else
    mlflow.db in the current folder and `graphssl`. warn: told at once, from the thread, when the store fails.
    """

    def __init__(
        self,
        name: str,
        *,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        spool: Path,
        resume: str | None = None,
        uri: str | None = None,
        experiment: str | None = None,
        warn: Callable[[str], None] | None = None,
        connect: Callable[[], Store] | None = None,
        facts: Callable[[], Mapping[str, str]] = system_facts,
        wait: float = 1.0,
    ) -> None:
        where = store_uri(uri)
        given = {START: uuid.uuid4().hex, **{tag: str(value) for tag, value in tags.items() if value}}
        self.name = name
        self._journal = Journal(spool, Start(name, _now(), flatten(params), given, without_password(where), experiment))
        if resume is not None and self._journal.run_id is None:
            self._journal.know(resume)
        self._invalid: list[str] = []
        self._sender = Sender(
            self._journal, connect or (lambda: MlflowStore(where, experiment)), warn or (lambda _: None), facts
        )
        self._delivery = Delivery(self._journal, self._sender, warn or (lambda _: None), wait)

    @property
    def run_id(self) -> str | None:
        """The run's id in MLflow, None as long as the run could not be created."""
        return self._journal.run_id

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Logs metrics at an optimizer step. Neither waits for the store nor raises."""
        try:
            numbers = {clean_name(name): float(value) for name, value in values.items()}
        except (TypeError, ValueError) as error:
            self._invalid.append(f"metrics at step {step} could not be logged: {error}")
            return
        self._add("metrics", numbers, step)

    def text(self, content: str, artifact: str) -> None:
        """Logs text as an artifact of that name."""
        self._add("text", {"content": content, "artifact": artifact})

    def file(self, path: str | Path, artifact_folder: str = "") -> None:
        """Logs a file of the run's folder, that of `spool`, as an artifact.

        It is read when it is delivered, so it must stay where it is.
        """
        place = inside(Path(path), self._journal.path.parent)
        if place is None:
            self._invalid.append(f"{path} is not logged: it is not in the run's folder, {self._journal.path.parent}")
        else:
            self._add("file", {"path": place, "folder": artifact_folder})

    def tags(self, values: Mapping[str, str]) -> None:
        """Sets tags anew: what is known only by now."""
        self._add("tags", dict(values))

    def model(self, folder: str | Path, step: int, register: str = "") -> None:
        """Logs a model's folder, which is in the run's, of a step's weights. register: as a version of that name."""
        self._add("model", {"path": Path(folder).name, "register": register}, step)

    def finish(self, status: Status, timeout: float = 60.0) -> list[str]:
        """Ends the run and delivers what is left; gives up early when the store is down.

        Returns what a user should know: what could not be delivered and where it is kept.
        """
        self._add("end", {"status": status})
        in_time = self._delivery.close(timeout)
        if in_time:  # else the store may take it yet
            self._journal.close()
        reason = self._delivery.failure if in_time else f"no answer within {timeout:g} s"
        return [
            *self._undelivered(reason or "unknown reason"), *not_taken(self._sender, self._journal), *self._invalid[:3],
        ]  # fmt: skip

    def _add(self, kind: Kind, data: Mapping[str, Any], step: int = 0) -> None:
        if data:
            self._journal.append(Entry(kind, _now(), dict(data), step))

    @property
    def _called(self) -> str:
        """As a command names the run, from here."""
        folder = self._journal.path.parent
        return shlex.quote(folder.name if folder.parent == Path("runs") else str(folder))

    def _undelivered(self, reason: str) -> list[str]:
        left = self._journal.pending()
        if not left:
            return []
        what = Sent.of(left)
        text = f"{what} could not be delivered to MLflow ({reason})"
        if self._journal.trouble is not None:
            return [f"{text}, nor kept in {self._journal.path} ({self._journal.trouble})"]
        kept = f"kept in {self._journal.path} and delivered by `graphssl track {self._called}`, or by the next run here"
        return [f"{text}; {'it is' if what.is_one else 'they are'} {kept}"]


def not_taken(sender: Sender, journal: Journal) -> list[str]:
    """What of a journal will never arrive, by the reason."""
    lines = [f"{_entries(count)} not delivered: {reason}" for reason, count in sender.refused.most_common(3)]
    if more := sum(count for _, count in sender.refused.most_common()[3:]):
        lines.append(f"{_entries(more)} not delivered for other such reasons")
    if journal.damaged:
        count = journal.damaged
        lines.append(f"{'a line' if count == 1 else f'{count:,} lines'} of {journal.path} could not be read")
    return lines


def _entries(count: int) -> str:
    return "an entry is" if count == 1 else f"{count:,} entries are"


def _now() -> int:
    return int(time.time() * 1000)

"""MLflow's client: where the store is, and how a run and its entries get there. MLflow is imported only here."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from ..errors import RunError
from .journal import Entry
from .names import LONGEST_TAG, clean_name, clip

EXPERIMENT = "graphssl"
NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # codes for an unknown id, or none at all
METRICS_AT_ONCE, PARAMS_AT_ONCE, TAGS_AT_ONCE = 1000, 100, 100


class Refused(Exception):
    """The store will never take this entry."""


class Store(Protocol):
    """What the delivery needs of a store. Every call may fail with any exception; it is then made again."""

    def create(self, name: str, started: int, tags: Mapping[str, str]) -> str: ...

    def reopen(self, run_id: str, tags: Mapping[str, str]) -> dict[str, int] | None: ...

    def params(self, run_id: str, params: Mapping[str, str]) -> None: ...

    def send(self, run_id: str, entries: Sequence[Entry]) -> None: ...


def store_uri(uri: str | None = None) -> str:
    """The store in use: the given one, MLFLOW_TRACKING_URI, or mlflow.db in the current folder, as a full path."""
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    path = database(uri)
    return uri if path is None else f"sqlite:///{path.resolve()}"


def database(uri: str) -> Path | None:
    """The file of a SQLite store."""
    if not uri.startswith("sqlite:///") or "?" in uri or uri.endswith(":memory:"):
        return None
    return Path(uri.removeprefix("sqlite:///"))


def without_password(text: str) -> str:
    """The text with what stands before the @ of an address left out."""
    return re.sub(r"//[^/@\s]+@", "//", text)


def reason(error: Exception) -> str:
    """What went wrong, in one line, without what the libraries below MLflow say of it."""
    text = str(error).strip().partition("\n")[0].partition(" with exception ")[0]
    return without_password(clip(text, 300)) or type(error).__name__


def client(uri: str) -> Any:
    """An MLflow client that keeps quiet and does not wait for minutes. What the user has set stays."""
    for name, value in (
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ("MLFLOW_LOGGING_LEVEL", "ERROR"),
        ("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "20"),
        ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
    ):
        os.environ.setdefault(name, value)
    from mlflow.tracking import MlflowClient

    return MlflowClient(uri)


def check_database(uri: str, *, write: bool) -> None:
    """Raises RunError for a SQLite file that cannot be read, or written: MLflow would try for minutes."""
    path = database(uri)
    if path is None:
        return
    if not path.is_file():
        if write:
            return  # `make_database` finds out
        raise RunError(f"there is no {path} yet: `graphssl run` makes it, in the folder it is started in")
    try:
        with closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
            if write:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
    except (sqlite3.Error, OSError) as error:
        raise RunError(f"{path} cannot be used: {error}") from error


def make_database(uri: str) -> None:
    """Makes the SQLite file of a store that has none yet, whole or not at all.

    MLflow makes the tables in place, in dozens of steps: a process killed meanwhile, or a second one that starts in
    the same moment, would leave a file that MLflow refuses for ever. So it is made aside, and moved in when done,
    unless another process was faster.
    """
    path = database(uri)
    if path is None or path.exists():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent, prefix=".mlflow-", ignore_cleanup_errors=True) as folder:
            draft, whole = Path(folder, "draft.db"), Path(folder, "whole.db")
            client(f"sqlite:///{draft}")
            with closing(sqlite3.connect(draft)) as connection:
                connection.execute("VACUUM INTO ?", (str(whole),))
            _move_in(whole, path)
    except (sqlite3.Error, OSError) as error:
        raise RunError(f"{path} cannot be made: {error}") from error


def _move_in(whole: Path, path: Path) -> None:
    try:
        os.link(whole, path)
    except FileExistsError:
        return
    except OSError:  # a file system without links
        if not path.exists():
            os.replace(whole, path)


class MlflowStore:
    """A tracking store behind MLflow's client; connects when made, which takes seconds."""

    def __init__(self, uri: str, experiment: str | None = None) -> None:
        check_database(uri, write=True)
        make_database(uri)
        self._client = client(uri)
        self._experiment = self._find_or_make(uri, experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT)

    def _find_or_make(self, uri: str, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            path = database(uri)
            beside = (path.parent.resolve() / "mlartifacts").as_uri() if path is not None else None
            try:
                return str(self._client.create_experiment(name, artifact_location=beside))
            except Exception:  # another process may have made it meanwhile
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise RunError(f"the experiment '{name}' is deleted: restore it, or set MLFLOW_EXPERIMENT_NAME to another")
        return str(found.experiment_id)

    def create(self, name: str, started: int, tags: Mapping[str, str]) -> str:
        """A new run's id."""
        made = self._client.create_run(self._experiment, start_time=started, run_name=name, tags=_tags(tags))
        return str(made.info.run_id)

    def reopen(self, run_id: str, tags: Mapping[str, str]) -> dict[str, int] | None:
        """Sets a run going again; the last step of each metric it has. None for a run that is not there."""
        from mlflow.exceptions import MlflowException

        try:
            run = self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code in NOT_THERE:
                return None
            raise
        if run.info.lifecycle_stage != "active":
            return None
        self._client.update_run(run_id, status="RUNNING")
        self._set_tags(run_id, tags)
        return {metric.key: metric.step for metric in run.data._metric_objs}

    def _set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        every = [RunTag(name, value) for name, value in _tags(tags).items()]
        for i in range(0, len(every), TAGS_AT_ONCE):
            self._client.log_batch(run_id, tags=every[i : i + TAGS_AT_ONCE])

    def params(self, run_id: str, params: Mapping[str, str]) -> None:
        """Logs parameters. MLflow takes the same value again, not another."""
        from mlflow.entities import Param

        every = [Param(name, value) for name, value in params.items()]
        for i in range(0, len(every), PARAMS_AT_ONCE):
            self._client.log_batch(run_id, params=every[i : i + PARAMS_AT_ONCE])

    def send(self, run_id: str, entries: Sequence[Entry]) -> None:
        """Entries of one kind. Raises Refused for what MLflow says is invalid, or a file that is gone."""
        from mlflow.exceptions import MlflowException

        try:
            getattr(self, f"_send_{entries[0].kind}")(run_id, entries)
        except MlflowException as error:
            if error.error_code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"):
                raise Refused(str(error)) from error
            raise

    def _send_metrics(self, run_id: str, entries: Sequence[Entry]) -> None:
        from mlflow.entities import Metric

        every = [Metric(name, value, e.at, e.step) for e in entries for name, value in e.data.items()]
        for i in range(0, len(every), METRICS_AT_ONCE):
            self._client.log_batch(run_id, metrics=every[i : i + METRICS_AT_ONCE])

    def _send_text(self, run_id: str, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._client.log_text(run_id, entry.data["content"], entry.data["artifact"])

    def _send_file(self, run_id: str, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if not os.path.exists(entry.data["path"]):
                raise Refused(f"{entry.data['path']} is no longer there")
            self._client.log_artifact(run_id, entry.data["path"], entry.data["folder"] or None)

    def _send_end(self, run_id: str, entries: Sequence[Entry]) -> None:
        self._client.set_terminated(run_id, entries[-1].data["status"], end_time=entries[-1].at)


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {clean_name(name): clip(value, LONGEST_TAG) for name, value in tags.items()}

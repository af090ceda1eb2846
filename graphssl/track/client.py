"""MLflow's client: where the store is, its SQLite file, and what its errors say."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from ..errors import RunError
from .names import clip

T = TypeVar("T")
QUICK = 2.0  # seconds
NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # codes for an unknown id, or none at all


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


# Of what the libraries below MLflow say, with the address of an object and all.
ASIDE = "(raised as a result of Query-invoked autoflush"  # of SQLAlchemy's, before what has happened
CAUSE = re.compile(r"\[Errno -?\d+\] ([\w ,]+)|(timed out)|(too many \d+ error responses)|(certificate verify failed)")


def reason(error: Exception) -> str:
    """What went wrong, in one line."""
    lines = [line for line in str(error).strip().splitlines() if not line.startswith(ASIDE)] or [""]
    text, _, below = lines[0].partition(" with exception ")
    cause = CAUSE.search(below)
    found = next(filter(None, cause.groups()), "") if cause else ""
    return without_password(clip(f"{text}: {found}" if found else text, 300)) or type(error).__name__


def asked(call: Callable[[], T]) -> T:
    """What a call gives that changes nothing: one that fails at once is made again, twice."""
    for _ in range(2):
        began = time.monotonic()
        try:
            return call()
        except Exception:
            if time.monotonic() - began > QUICK:
                raise
    return call()


def open_client(uri: str) -> Any:
    """An MLflow client that keeps quiet and does not wait for minutes. What the user has set stays."""
    for name, value in (
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ("MLFLOW_LOGGING_LEVEL", "CRITICAL"),  # it logs what it raises, with a traceback
        ("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0"),  # whoever calls tries again, and asks first what has arrived
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
                connection.execute("BEGIN IMMEDIATE")  # taken also where the file, or its folder, is read-only
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                connection.execute(f"PRAGMA user_version = {version}")
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
            open_client(f"sqlite:///{draft}")
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

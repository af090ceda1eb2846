"""What is added to a run in MLflow after its training: figures of an evaluation, each once; a file."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import RunError
from .client import asked, check_database, reason, store_uri, without_password
from .entries import Entry
from .names import clean_name
from .store import MlflowStore, Refused

__all__ = ["Addition", "add_to_run", "attach", "rename_run"]

ARTIFACTS = "evaluations"  # the folder among a run's artifacts


@dataclass(frozen=True)
class Addition:
    """Metrics at an optimizer step, tags, and the file that says how they came about."""

    metrics: Mapping[str, float]
    step: int
    tags: Mapping[str, str]
    file: Path


def add_to_run(run_id: str, additions: Sequence[Addition], uri: str | None = None) -> str:
    """Adds to a run of that id; its state and its end stay. The store's address, without its password.

    A metric that the run has at that step with that value is not logged again; one with another value is, and is the
    later one. uri: default the environment's store. Raises RunError where the store does not take it.
    """
    where = store_uri(uri)
    try:
        store = MlflowStore(where)
        if asked(lambda: store.reopen(run_id, None)) is None:
            raise RunError(f"there is no run {run_id} in MLflow at {without_password(where)}")
        for addition in additions:
            _add(store, run_id, addition)
    except RunError:
        raise
    except Exception as error:  # whatever the store throws
        raise RunError(reason(error)) from error
    return without_password(where)


def attach(run_id: str, file: Path, folder: str, uri: str | None = None) -> None:
    """Adds a file to a run's artifacts, in a folder of them, in the stead of an earlier one of its name; the run's
    state and its end stay. Raises RunError where the store does not take it, or is not there."""
    where = store_uri(uri)
    check_database(where, write=False)
    try:
        store = MlflowStore(where)
        if asked(lambda: store.reopen(run_id, None)) is None:
            raise RunError(f"there is no run {run_id} in MLflow at {without_password(where)}")
        store.send(run_id, [Entry("file", int(time.time() * 1000), {"path": str(file.resolve()), "folder": folder})])
    except Refused as error:
        raise RunError(str(error)) from error
    except RunError:
        raise
    except Exception as error:  # whatever the store throws
        raise RunError(reason(error)) from error


def rename_run(run_id: str, name: str, folder: str, uri: str | None = None) -> None:
    """Calls a run otherwise. folder: where it is now. Raises RunError where the store does not take it."""
    try:
        store = MlflowStore(store_uri(uri))
        if asked(lambda: store.reopen(run_id, None)) is None:
            raise RunError(f"there is no run {run_id} in it")
        store.tags(run_id, {"mlflow.runName": name, "graphssl.folder": folder})
    except RunError:
        raise
    except Exception as error:  # whatever the store throws
        raise RunError(reason(error)) from error


def _add(store: MlflowStore, run_id: str, addition: Addition) -> None:
    there = asked(lambda: store.values(run_id, [clean_name(name) for name in addition.metrics], addition.step))
    new = {n: v for n, v in ((clean_name(k), v) for k, v in addition.metrics.items()) if there.get(n) != v}
    now = int(time.time() * 1000)
    try:
        if new:
            store.send(run_id, [Entry("metrics", now, new, addition.step)])
        store.tags(run_id, addition.tags)
        store.send(run_id, [Entry("file", now, {"path": str(addition.file), "folder": ARTIFACTS})])
    except Refused as error:
        raise RunError(str(error)) from error

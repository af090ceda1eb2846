"""How a run and its entries get into MLflow."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..errors import RunError, escaped
from .client import NOT_THERE, asked, check_database, database, make_database, open_client, reason
from .journal import START, Entry
from .known import Known
from .models import send_model
from .names import LONGEST_TAG, as_shown, clean_name, clip
from .note import NOTE

EXPERIMENT = "graphssl"
KIND = {"mlflow.experimentKind": "custom_model_development"}  # of those that its pages know
DATA, FINGERPRINT = "graphssl.data", "graphssl.data_fingerprint"  # tags: the data set, and a digest of its pictures
METRICS_AT_ONCE, PARAMS_AT_ONCE, TAGS_AT_ONCE = 1000, 100, 100


class Refused(Exception):
    """The store will never take this entry."""


class Store(Protocol):
    """What the delivery needs of a store. Every call may fail with any exception; it is then made again."""

    def create(self, name: str, started: int, tags: Mapping[str, str]) -> str: ...

    def reopen(self, run_id: str, tags: Mapping[str, str] | None) -> set[str] | None: ...

    def points(self, run_id: str) -> dict[str, set[int]]: ...

    def params(self, run_id: str, params: Mapping[str, str]) -> None: ...

    def send(self, run_id: str, entries: Sequence[Entry]) -> None: ...


class MlflowStore:
    """A tracking store behind MLflow's client; connects when made, which takes seconds."""

    def __init__(self, uri: str, experiment: str | None = None) -> None:
        check_database(uri, write=True)
        make_database(uri)
        self._client = open_client(uri)
        self._files = uri.startswith("file:") or ("://" not in uri and ":" not in uri)
        self._known: dict[str, Known] = {}
        self._experiment = self._find_or_make(uri, experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT)

    def _find_or_make(self, uri: str, name: str) -> str:
        found = asked(lambda: self._client.get_experiment_by_name(name))
        if found is None:
            path = database(uri)
            beside = (path.parent.resolve() / "mlartifacts").as_uri() if path is not None else None
            try:
                return str(self._client.create_experiment(name, artifact_location=beside, tags=KIND))
            except Exception:  # another process may have made it meanwhile
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise RunError(f"the experiment '{name}' is deleted: restore it, or set MLFLOW_EXPERIMENT_NAME to another")
        return str(found.experiment_id)

    def create(self, name: str, started: int, tags: Mapping[str, str]) -> str:
        """A new run's id; where a call before was not answered, but heard, that of the run that it has made."""
        if START in tags:
            found = self._client.search_runs([self._experiment], f"tags.`{START}` = '{tags[START]}'", max_results=1)
            if found:
                return self._begun(str(found[0].info.run_id), tags)
        made = self._client.create_run(self._experiment, start_time=started, run_name=name, tags=_tags(tags))
        return self._begun(str(made.info.run_id), tags)

    def _begun(self, run_id: str, tags: Mapping[str, str]) -> str:
        """Says what the run learns of, as MLflow knows data sets; a store that does not know any is none the worse."""
        from mlflow.entities import Dataset, DatasetInput, InputTag
        from mlflow.exceptions import MlflowException

        name, digest = tags.get(DATA), tags.get(FINGERPRINT)
        if name and digest:
            data = Dataset(name, digest[:36], "graphssl", json.dumps({"use": name}))
            with contextlib.suppress(MlflowException):
                self._client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
        return run_id

    def reopen(self, run_id: str, tags: Mapping[str, str] | None) -> set[str] | None:
        """The names of the parameters that a run has; None for a run that is not there. tags: sets it going again."""
        from mlflow.exceptions import MlflowException

        try:
            run = self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code in NOT_THERE:
                return None
            raise
        if run.info.lifecycle_stage != "active":
            return None
        if tags is not None:
            self._client.update_run(run_id, status="RUNNING")
            self._set_tags(run_id, {name: value for name, value in tags.items() if name != START})
        return set(run.data.params)

    def points(self, run_id: str) -> dict[str, set[int]]:
        """The steps at which a run has each metric, by its name under its group."""
        keys = asked(lambda: self._client.get_run(run_id).data.metrics)
        self._known[run_id] = Known(keys, files=self._files)
        return self._known[run_id].steps({key: self._steps(run_id, key) for key in keys})

    def _steps(self, run_id: str, key: str) -> set[int]:
        return {metric.step for metric in self._history(run_id, key)}

    def _history(self, run_id: str, key: str) -> list[Any]:
        return list(asked(lambda: self._client.get_metric_history(run_id, key)))

    def values(self, run_id: str, keys: Sequence[str], step: int) -> dict[str, float]:
        """What a run has at a step of these metrics, the latest of each."""
        there = asked(lambda: self._client.get_run(run_id).data.metrics)
        known = self._known[run_id] = Known(there, files=self._files)
        found = {}
        for key in keys:
            named = known.find(key)
            at = [m for m in (self._history(run_id, named) if named is not None else ()) if m.step == step]
            if at:
                found[key] = max(at, key=lambda metric: metric.timestamp).value
        return found

    def tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Sets tags of a run, whatever its state is."""
        self._set_tags(run_id, tags)

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
        """Entries of one kind. Raises Refused for what MLflow says is invalid."""
        from mlflow.exceptions import MlflowException

        try:
            getattr(self, f"_send_{entries[0].kind}")(run_id, entries)
        except MlflowException as error:
            if error.error_code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"):
                raise Refused(f"MLflow refuses it: {reason(error)}") from error
            raise

    def _send_metrics(self, run_id: str, entries: Sequence[Entry]) -> None:
        from mlflow.entities import Metric

        known = self._known.setdefault(run_id, Known(files=self._files))
        every = [Metric(known.call(name), value, e.at, e.step) for e in entries for name, value in e.data.items()]
        for i in range(0, len(every), METRICS_AT_ONCE):
            self._client.log_batch(run_id, metrics=every[i : i + METRICS_AT_ONCE])

    def _send_text(self, run_id: str, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._client.log_text(run_id, entry.data["content"], entry.data["artifact"])

    def _send_file(self, run_id: str, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._client.log_artifact(run_id, entry.data["path"], entry.data["folder"] or None)

    def _send_tags(self, run_id: str, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._set_tags(run_id, entry.data)

    def _send_model(self, run_id: str, entries: Sequence[Entry]) -> None:
        for entry in entries:
            send_model(self._client, run_id, entry.data["path"], entry.step, entry.data["register"])

    def _send_end(self, run_id: str, entries: Sequence[Entry]) -> None:
        self._client.set_terminated(run_id, entries[-1].data["status"], end_time=entries[-1].at)


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {clean_name(name): _shown(name, value) for name, value in tags.items()}


def _shown(name: str, value: str) -> str:
    """A note has lines."""
    if name != NOTE:
        return as_shown(value, LONGEST_TAG)
    return clip("\n".join(map(escaped, value.split("\n"))), LONGEST_TAG)

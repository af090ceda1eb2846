"""A run's model in MLflow: logged once of a step, and registered, where that is asked for, as one version."""

from __future__ import annotations

from typing import Any

from .client import asked

__all__ = ["STEP", "send_model"]

NAME = "model"  # `runs:/ID/model` loads it
STEP = "graphssl.step"  # a tag: of which weights a model is
AGES_AGO = ("ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED")  # codes of servers that know no logged models
THERE = "RESOURCE_ALREADY_EXISTS"


def send_model(client: Any, run_id: str, folder: str, step: int, register: str) -> None:
    """Logs a model's folder, and registers it where a name is given; what is there already of it is not made again."""
    from mlflow.exceptions import MlflowException

    run = asked(lambda: client.get_run(run_id))
    try:
        model_id, source = _logged(client, run, folder, step)
    except MlflowException as error:
        if error.error_code not in AGES_AGO and "404" not in str(error):
            raise
        client.log_artifacts(run_id, folder, NAME)
        model_id, source = None, f"{run.info.artifact_uri}/{NAME}"
    if register:
        tags = {STEP: str(step), "graphssl.run": str(run.info.run_name)}
        _register(client, run_id, register, source, model_id, tags)


def _logged(client: Any, run: Any, folder: str, step: int) -> tuple[str, str]:
    """The id of the model of that step, and its address."""
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    where, run_id = run.info.experiment_id, run.info.run_id
    found = asked(lambda: client.search_logged_models([where], f"source_run_id = '{run_id}'"))
    model = next((one for one in found if one.tags.get(STEP) == str(step)), None)
    if model is None:
        graph = run.data.tags.get("graphssl.graph", "")
        tags = {STEP: str(step), "graphssl.graph": graph}
        model = client.create_logged_model(where, NAME, run_id, tags, dict(run.data.params), "graphssl")
    if model.status != LoggedModelStatus.READY:
        client.log_model_artifacts(model.model_id, folder)
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step)])
        client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    # Not `models:/ID`, which MLflow looks for in the store that its own global address says.
    return str(model.model_id), str(model.artifact_location)


def _register(
    client: Any, run_id: str, name: str, source: str, model_id: str | None, tags: dict[str, str]
) -> None:  # fmt: skip
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != THERE:
            raise
    versions = asked(lambda: client.search_model_versions(f"name = '{name}'"))
    if any(one.run_id == run_id and one.tags.get(STEP) == tags[STEP] for one in versions):
        return
    known = {} if model_id is None else {"model_id": model_id}
    client.create_model_version(name, source, run_id, tags=tags, await_creation_for=0, **known)

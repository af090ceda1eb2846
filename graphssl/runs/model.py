"""A run's encoder as a model in MLflow: logged as the run ends, registered where a name is asked for, or later."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from ..checks.checked import Checked, validated
from ..errors import RunError, UsageError, reason_of
from ..graph.read import load
from ..track import Busy, leave_model
from ..train.step import Step
from ..world import current
from .export.mlflow_model import write_model
from .features.embed import no_features
from .folder import RunFolder, find_run
from .left import deliver
from .membership import membership_of
from .naming import check_model_name
from .sinks import Sinks
from .trained import load_trained

__all__ = ["Registered", "ask_for_model", "check_registrable", "log_model", "register_run"]

FOLDER, REGISTER = "model", "register"  # in a run's folder; of its facts, the name that was asked for


@dataclass(frozen=True)
class Registered:
    """A run's encoder in MLflow. name: of the registered model. node: of its features. folder: what was sent."""

    run: str
    name: str
    node: str
    folder: Path


def check_registrable(checked: Checked, name: str | None) -> None:
    """Raises UsageError where a run of this graph could register no model of that name."""
    check_model_name(name)
    if name is None:
        return
    if "mlflow" not in checked.graph.spec.track:
        raise UsageError("a model is registered in MLflow, which `track:` of the graph leaves out: add mlflow there")
    node = checked.features
    if node is None or (why := no_features(checked, node)) is not None:
        what = "nothing of the graph gives features of images" if node is None else why
        raise UsageError(f"there is no model to register: {what}")


def ask_for_model(folder: RunFolder, name: str | None) -> None:
    """Notes the name for a run that goes on. Raises UsageError where it has come to its end, or could register none."""
    facts = folder.facts()
    if name is None or facts.get(REGISTER) == name:
        return
    if facts.get("status") == "finished":
        check_model_name(name)
        again = f"graphssl register {folder.called} {shlex.quote(name)}"
        raise UsageError(f"the run '{folder.name}' has finished: `{again}` registers its model")
    check_registrable(validated(load(folder.graph)), name)
    folder.note(register=name)


def log_model(
    checked: Checked, step: Step, done: int, folder: RunFolder, sinks: object, warn: Callable[[str], None]
) -> None:
    """Writes the encoder into the run's folder, and logs it. Of a study, which has many runs, none; `graphssl register`
    logs the one that is chosen. done: steps that its weights have seen."""
    name, node = _asked(checked, folder)
    if node is None or not (current().first and isinstance(sinks, Sinks)):
        return
    try:
        # Of weights that lie in parts the checkpoint has the whole.
        whole = load_trained(folder, node, torch.device("cpu")).module if step.in_parts else None
        module = whole or step.program.features(node)
        write_model(checked, module, node, folder.name, done, folder.path / FOLDER)
    except Exception as error:  # whatever it is, the run has been trained
        warn(f"warning: the model is not logged, as it could not be written: {reason_of(error)}")
        return
    sinks.model(folder.path / FOLDER, done, name)


def _asked(checked: Checked, folder: RunFolder) -> tuple[str, str | None]:
    """The name to register a run's model by, and the node that it is; None where no model is logged."""
    name, node = folder.facts().get(REGISTER, ""), checked.features
    none = "mlflow" not in checked.graph.spec.track or node is None or no_features(checked, node) is not None
    return name, None if none or (not name and membership_of(folder) is not None) else node


def register_run(run: str, name: str, node: str | None, report: Callable[[str], None]) -> Registered:
    """Registers the encoder of a run that is not being trained; see `graphssl.register`."""
    check_model_name(name)
    folder = find_run(run)
    trained = load_trained(folder, node, torch.device("cpu"))
    chosen = node or trained.checked.features or ""
    if (why := no_features(trained.checked, chosen)) is not None:
        raise UsageError(f"there is no model to register: {why}")
    run_id = folder.facts().get("mlflow")
    if run_id is None and not folder.spool.exists():
        raise UsageError(f"MLflow does not know the run '{folder.name}', so there is nothing to register in it")
    step = trained.header["step"]
    path = folder.path / FOLDER
    try:
        write_model(trained.checked, trained.module, chosen, folder.name, step, path)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}") from error
    try:
        leave_model(folder.spool, run_id or "", path, step, name)
    except Busy as busy:
        raise RunError(str(busy)) from None
    deliver([folder.path], report)
    return Registered(folder.name, name, chosen, path)

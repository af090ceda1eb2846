"""What a run is known as in MLflow: its name, the graph as parameters, and where it comes from as tags."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from ..checks.checked import Checked
from ..data import Datasets
from ..errors import RunError
from ..evaluation.registry import better_metrics
from ..graph.graph import Graph
from ..graph.language.packaged import is_packaged
from ..track import CHANGED, DATA, FINGERPRINT, LESS_IS_BETTER, MORE_IS_BETTER, NOTE, PARAMS, Status, Tracker
from ..track.machine import system_facts
from ..track.names import flatten
from ..world import current
from .data import fingerprint_of
from .folder import RunFolder
from .left import Beside
from .membership import Membership, membership_of
from .note import note_of

__all__ = ["TAG", "better_tags", "open_tracker"]

TAG = "graphssl.study"


class _RunTracker(Tracker):
    """A run's tracker, with what earlier runs have left beside it."""

    folder: RunFolder
    beside: Beside

    def finish(self, status: Status, timeout: float = 60.0) -> list[str]:
        with contextlib.suppress(RunError):  # its facts are damaged: what is tracked is so all the same
            self.tags({NOTE: note_of(self.folder)})
        warnings = super().finish(status, timeout)
        return [*warnings, *self.beside.close(wait=status == "FINISHED")]


def open_tracker(checked: Checked, data: Datasets, folder: RunFolder, say: Callable[[str], None]) -> Tracker:
    """Begins to track a run, or goes on with it. say: told when the store fails, and what else arrives."""
    graph, study = checked.graph, membership_of(folder)
    if (twin := _twin(folder)) is not None:
        say(
            f"warning: {twin} is the same run in MLflow, which has one point of a metric at a step: of two copies, "
            'what comes second is not logged. To track one by itself, take "mlflow" out of its run.json'
        )
    tags = {
        **{f"{CHANGED}{name}": value for name, value in flatten(folder.facts().get("changes", {})).items()},
        **_origin(graph),
        **better_tags(graph.spec.evaluate.asked),
        DATA: graph.spec.data.use,
        FINGERPRINT: fingerprint_of(data),
        "graphssl.folder": str(folder.path),
        "graphssl.processes": str(current().size),
        "graphssl.notes": "; ".join(folder.facts().get("notes", ())),
        NOTE: note_of(folder),
        **(_of_study(study) if study is not None else {}),
    }
    tracker = _RunTracker(
        folder.name, params=_params(graph, study), tags=tags, spool=folder.spool,
        resume=folder.facts().get("mlflow"), warn=lambda text: say(f"warning: {text}"),
        facts=partial(system_facts, _own_folder(graph)),
    )  # fmt: skip
    tracker.folder, tracker.beside = folder, Beside(folder, say)
    return tracker


def _origin(graph: Graph) -> dict[str, str]:
    files = [str(file) for file in graph.source.files]
    return {
        "graphssl.graph": graph.name,
        "graphssl.graph_file": files[-1],
        "graphssl.graph_hash": graph.hash(),
        "graphssl.parent": files[-2] if len(files) > 1 else "",
    }


def _of_study(study: Membership) -> dict[str, str]:
    own = {TAG: study.study, "mlflow.parentRunId": study.parent or "", PARAMS: "study"}
    return {**own, "graphssl.parent": study.graph} if study.graph else own


def _params(graph: Graph, study: Membership | None) -> Mapping[str, object]:
    """The whole graph; of a study's run what varies, so that MLflow's pages show that side by side, and nothing else.

    The graph is among the artifacts, too, where `compare` finds the rest.
    """
    whole = {key: value for key, value in graph.resolved().items() if key != "track"}
    if study is None:
        return whole
    return {"graph": graph.name, **study.varied, "train.seed": graph.spec.train.seed}


def _own_folder(graph: Graph) -> Path | None:
    """Where the user's own file of the graph is."""
    file = graph.source.files[-1]
    return None if is_packaged(str(file)) else file.parent


def better_tags(asked: Iterable[str]) -> dict[str, str]:
    """Of whose numbers more is better, and of whose less, as a run in MLflow says it. asked: evaluations."""
    names = list(asked)
    return {
        tag: ",".join(metric for name in names for metric in better_metrics(name, more))
        for tag, more in ((MORE_IS_BETTER, True), (LESS_IS_BETTER, False))
    }


def _twin(folder: RunFolder) -> Path | None:
    """The folder beside it of which it is a copy, or that is one of it."""
    known, here = folder.facts().get("mlflow"), folder.path.resolve()
    for path in sorted(here.parent.glob("*/run.json")) if known else ():
        with contextlib.suppress(RunError):  # another run's affair
            if path.parent.resolve() != here and RunFolder(path.parent).facts().get("mlflow") == known:
                return path.parent
    return None

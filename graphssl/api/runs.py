"""Runs: trained, judged, compared, exported, tracked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..runs.arguments import taking
from .graphs import check
from .telling import Progress, Report, telling

if TYPE_CHECKING:
    import pandas

    from ..runs.arguments import AnyGraph, AnyRun, Device, Sets
    from ..runs.evaluate import Evaluated
    from ..runs.export import Exported
    from ..runs.model import Registered
    from ..runs.results import Result
    from ..runs.seeds import Group
    from ..track import Comparison, Delivered

__all__ = ["compare", "deliver", "evaluate", "evaluate_together", "export", "list_runs", "register", "run", "ui"]


@taking
def run(
    graph: AnyGraph | None = None, sets: Sets = (), *, resume: AnyRun | None = None, device: Device = "auto",
    name: str | None = None, register: str | None = None, report: Report = print, warn: Report | None = None,
) -> Result:  # fmt: skip
    """Validates, trains, evaluates and tracks a run; with `resume`, goes on with one by its name.

    With a graph, `resume="auto"` goes on with the run of that name, or of this job of a scheduler's, or starts it.

    name: of a new run. register: the name under which its encoder is registered in MLflow as it ends. report: gets
    what is said, line by line. warn: gets the warnings of the graph; default: report.
    For several processes start the script that calls it with torchrun. Raises GraphError for a graph that is wrong,
    UsageError for arguments that are, and RunError for a run that could not go on.
    """
    begins = graph is not None and resume == "auto"
    from ..runs.naming import check_asked, check_model_name, check_name
    from ..runs.session import resume_run, start_run
    from ..train.device import choose_device

    check_model_name(register)
    check_asked(graph is not None, None if resume is None else str(resume), name)
    say, where = telling(report), choose_device(str(device))
    if resume is not None and not begins:
        return resume_run(str(resume), list(sets), where, say, register)
    assert graph is not None
    check_name(name)
    checked = check(graph, sets)
    for warning in checked.warnings:
        (warn or report)(warning.render())
    again = None if resume is None else str(resume)
    return start_run(checked, where, name, say, resume=again, sets=list(sets), register=register)


@taking
def evaluate(
    run: AnyRun, options: Mapping[str, Mapping[str, Any]] | None = None, *,
    protocol: str | Sequence[str] = (), data: str | Path | None = None, device: Device = "auto", sets: Sets = (),
) -> Evaluated:  # fmt: skip
    """Evaluates a run's encoder again on the held-out split, as its graph says; the figures join the run in MLflow.

    options: by an evaluation's name, where they differ from the graph's: `{"knn": {"k": 20}, "linear": {}}`. protocol:
    the evaluations that are run, and no others. data: other data than the run's: a YAML file with `data:`, or a folder.
    sets: changes of the graph on which the weights do not depend, such as `data.root=/data`, and of evaluations,
    `knn.k=5`. Raises UsageError for a run or an evaluation that is not there, and RunError for data without labels.
    """
    from ..runs.evaluate import evaluate_run

    where, more = None if data is None else str(data), list(sets)
    return evaluate_run(str(run), options or {}, str(device), more, protocols=list(protocol), data=where)


@taking
def evaluate_together(
    runs: Sequence[AnyRun], options: Mapping[str, Mapping[str, Any]] | None = None, *,
    protocol: str | Sequence[str] = (), data: str | Path | None = None, device: Device = "auto", sets: Sets = (),
    report: Callable[[Evaluated], None] | None = None,
) -> list[Group]:  # fmt: skip
    """As `evaluate`, several runs; those of one graph but the seed are a group. report: gets each run's evaluation."""
    from ..runs.seeds import evaluate_runs

    names, where = [str(run) for run in runs], None if data is None else str(data)
    return evaluate_runs(names, options or {}, str(device), list(sets), list(protocol), where, report)


@taking
def export(
    run: AnyRun, output: str | Path | None = None, node: str | None = None, to: str | None = None, *, sets: Sets = ()
) -> Exported:
    """Writes a node for plain libraries, whole or not at all, and a model card, `encoder.md`, beside it.

    output: default `encoder` with the format's ending. node: default the evaluated one. to: `torch`, a state dict, the
    default; `torchvision` or `timm`, which loads strictly into their network; `safetensors`, with metadata; `onnx` or
    `torch-export`, programs for batches of any size. For all but `torch` and `safetensors` features are compared with
    the node's before anything is written. Raises UsageError for a run or a node that is
    not there, for one without weights, and where a library has no such network, RunError where a package is missing
    or the file cannot be written.
    """
    from ..runs.export import export_weights

    return export_weights(str(run), None if output is None else Path(output), node, to, list(sets))


@taking
def register(run: AnyRun, model: str, node: str | None = None, *, report: Report = print) -> Registered:
    """Registers a run's encoder in MLflow, a version of the model of that name, which `mlflow.pyfunc.load_model` loads.

    node: default the evaluated one. report: told of what has arrived. What a server that is down has not taken is kept
    as all else is, and is delivered by `deliver`. Raises UsageError for a run or a node that is not there, and for what
    cannot name a model; RunError where the store does not take it.
    """
    from ..runs.model import register_run

    return register_run(str(run), model, node, telling(report))


@taking
def compare(
    runs: Sequence[AnyRun], output: str | Path | None = None, *, features: bool = True, device: Device = "auto",
    progress: Progress | None = None,
) -> Comparison:  # fmt: skip
    """In what two or more runs differ, and how they did. Each is named as under `runs/`, or as in MLflow, or by its id.

    output: where a page of it is written to, `.html`, one file that needs no network; then what is compared is read
    from the runs' folders, as far as these are here. features: whether the page has maps, spectrum and neighbours, for
    which the last weights are loaded, on a device. progress: of `embed_files`. Raises UsageError for fewer runs, for
    one that is not there, and for one that is named twice."""
    names = [str(run) for run in runs]
    if output is None:
        from ..runs.compare import compare_runs

        return compare_runs(names)
    from ..runs.pages import compare_page

    return compare_page(names, Path(output), features=features, device=str(device), progress=progress)


@taking
def list_runs(where: Sequence[str] = (), sort: str | None = None) -> pandas.DataFrame:
    """The runs under `runs/`, a row each, by name: the graph, how it stands, step, loss, seed and the last scores.

    where: conditions, all of which a run fulfils, as `graph=byol` or `knn > 0.9`. sort: a metric or a column; the best
    is the last. Raises UsageError for a condition that is none, and a column that no run has.
    """
    from ..runs.listing import listed_frame

    return listed_frame(list(where), sort)


@taking
def deliver(runs: AnyRun | Sequence[AnyRun] = (), report: Report = print) -> list[Delivered]:
    """Delivers to MLflow what ended runs could not, as its server was down: metrics, artifacts, how they ended.

    runs: default: all under `runs/` that have something left. report: gets a line for each. The store is
    MLFLOW_TRACKING_URI's, else the run's own. Raises UsageError for a run that is not there, RunError where some stays.
    """
    from ..runs.left import deliver as deliver_runs

    return deliver_runs(cast("list[str | Path]", runs), telling(report))


@taking
def ui(port: int = 5000, report: Report = print) -> None:
    """Opens MLflow's own user interface on the store in use, until Ctrl-C. Raises RunError where there is none."""
    from .. import track

    command = track.ui_command(port)
    report(f"MLflow on http://127.0.0.1:{port} (Ctrl-C ends it)")
    track.serve(command)

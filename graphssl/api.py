"""What graphssl does, as functions. The command line is words around them: what it takes is checked here, and once.

A graph is a file, a packaged graph by name, a mapping or YAML text with its sections, or what `load` or `check` has
given. Changes of a graph, `sets`, are `["train.epochs=2"]` or `{"train.epochs": 2}`. A run is its name under `runs/`,
its folder, or what `run` has given. A device is its name, torch's own, or the number of a GPU. What is none of these is
a UsageError that says which argument, what it is and what would be right (`runs.arguments`).

Each imports what it needs when it is called: who compares runs waits for no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .errors import UsageError, told
from .runs.arguments import taking

if TYPE_CHECKING:
    from torch import Tensor

    from .checks.checked import Checked
    from .data.survey import Survey
    from .graph.graph import Graph
    from .program.program import Program
    from .runs.arguments import AnyGraph, AnyRun, Device, Sets
    from .runs.evaluate import Evaluated
    from .runs.export import Exported
    from .runs.features import Embedded, Images, Neighbours
    from .runs.reproduction import Reproduced
    from .runs.results import Result
    from .runs.seeds import Group
    from .track import Comparison, Delivered

__all__ = [
    "check", "compare", "compile", "deliver", "draw", "embed", "embed_files", "evaluate", "evaluate_together",
    "export", "load", "neighbours", "reproduce", "run", "survey", "ui",
]  # fmt: skip

Report = Callable[[str], None]
Progress = Callable[[int, int], None]  # how many are done, and of how many


def _telling(report: Report) -> Report:
    return lambda text: report(told(text))


@taking
def load(graph: AnyGraph, sets: Sets = ()) -> Graph:
    """Reads a graph and wires it.

    sets: changes such as `nodes.queue.size=65536`. Raises GraphError with everything that is wrong.
    """
    from .checks.checked import Checked
    from .graph import read
    from .graph.graph import Graph

    if not isinstance(graph, Graph | Checked):
        return read.load(graph, list(sets))
    if sets:
        raise UsageError("sets change a graph as it is read, and this one is: give them where it is loaded")
    return graph.graph if isinstance(graph, Checked) else graph


@taking
def check(graph: AnyGraph, sets: Sets = (), *, without_data: bool = False) -> Checked:
    """Everything that can be known without a look at the data: shapes, gradient, states, rules, where the data are.

    sets: changes of a graph that is read. without_data: also where the data set is not there, as on a machine that only
    looks at the graph. Raises GraphError with everything that is wrong.
    """
    from .checks import checked
    from .graph.graph import Graph

    if without_data:
        return checked.validated(load(graph, sets))
    return checked.check(load(graph, sets) if isinstance(graph, Graph | checked.Checked) else graph, list(sets))


@taking
def compile(graph: AnyGraph, device: Device = "cpu", *, weights: bool = True, processes: int = 1) -> Program:
    """The step as a torch.fx module, `program.code()` in Python, on a device with the weights that it starts with.

    weights: whether nodes with `weights:` get those; False draws them as the others' are. processes: of those that
    train together, each on its rows of the batch. Raises GraphError for a graph that is wrong.
    """
    from .checks.checked import Checked
    from .runs import trained
    from .train.device import choose_device

    where = "meta" if str(device) == "meta" else choose_device(str(device))
    known = graph if isinstance(graph, Checked) else load(graph)
    return trained.compile(known, where, weights=weights, processes=processes)


@taking
def draw(graph: AnyGraph, form: str | Path = "svg") -> bytes:
    """The picture of a graph. The same graph gives the same bytes.

    form: svg, png, html (a page that zooms) or mmd (mermaid's text), or the name of a file that ends so. Raises
    UsageError for another, and GraphError for a graph that is wrong.
    """
    from . import report
    from .checks.checked import Checked

    kind = report.kind_of(str(form))
    checked = graph if isinstance(graph, Checked) else check(graph, without_data=True)
    return report.draw(checked.graph, checked.shapes, kind)


@taking
def run(
    graph: AnyGraph | None = None, sets: Sets = (), *, resume: AnyRun | None = None, device: Device = "auto",
    name: str | None = None, report: Report = print, warn: Report | None = None,
) -> Result:  # fmt: skip
    """Validates, trains, evaluates and tracks a run; with `resume`, goes on with one by its name.

    With a graph, `resume="auto"` goes on with the run of that name, or of this job of a scheduler's, or starts it.

    name: of a new run. report: gets what is said, line by line. warn: gets the warnings of the graph; default: report.
    For several processes start the script that calls it with torchrun. Raises GraphError for a graph that is wrong,
    UsageError for arguments that are, and RunError for a run that could not go on.
    """
    begins = graph is not None and resume == "auto"
    from .runs.naming import check_asked, check_name
    from .runs.session import resume_run, start_run
    from .train.device import choose_device

    check_asked(graph is not None, None if resume is None else str(resume), name)
    say, where = _telling(report), choose_device(str(device))
    if resume is not None and not begins:
        return resume_run(str(resume), list(sets), where, say)
    assert graph is not None
    check_name(name)
    checked = check(graph, sets)
    for warning in checked.warnings:
        (warn or report)(warning.render())
    return start_run(checked, where, name, say, resume=None if resume is None else str(resume), sets=list(sets))


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
    from .runs.evaluate import evaluate_run

    where, more = None if data is None else str(data), list(sets)
    return evaluate_run(str(run), options or {}, str(device), more, protocols=list(protocol), data=where)


@taking
def evaluate_together(
    runs: Sequence[AnyRun], options: Mapping[str, Mapping[str, Any]] | None = None, *,
    protocol: str | Sequence[str] = (), data: str | Path | None = None, device: Device = "auto", sets: Sets = (),
    report: Callable[[Evaluated], None] | None = None,
) -> list[Group]:  # fmt: skip
    """As `evaluate`, several runs; those of one graph but the seed are a group. report: gets each run's evaluation."""
    from .runs.seeds import evaluate_runs

    names, where = [str(run) for run in runs], None if data is None else str(data)
    return evaluate_runs(names, options or {}, str(device), list(sets), list(protocol), where, report)


@taking
def reproduce(
    reproduction: str | Path, seeds: Sequence[int] = (), *, device: Device = "auto", sets: Sets = (),
    only: str | None = None, report: Report = print, warn: Report | None = None,
) -> Reproduced:  # fmt: skip
    """Runs a published figure's recipe by its name, or its file: training of each seed, evaluation, the ledger's entry.

    seeds: default: the file's. only: "ours" leaves out the other code that some are run beside. What was begun goes on.
    Raises GraphError for a wrong file or graph, UsageError and RunError as `run` and `evaluate`.
    """
    from .runs.reproduction import reproduce_figure

    say, more = _telling(report), list(sets)
    return reproduce_figure(str(reproduction), list(seeds), str(device), more, only, say, warn or say)


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
    from .runs.export import export_weights

    return export_weights(str(run), None if output is None else Path(output), node, to, list(sets))


@taking
def compare(runs: Sequence[AnyRun]) -> Comparison:
    """In what two or more runs differ, and how they did. Each is named as under `runs/`, or as in MLflow, or by its id.

    Raises UsageError for fewer, for one that is not there, and for one that is named twice."""
    from .runs.compare import compare_runs

    return compare_runs([str(run) for run in runs])


@taking
def embed(
    run: AnyRun, images: Images, node: str | None = None, device: Device = "auto", *, batch: int | None = None,
    sets: Sets = (),
) -> Tensor:  # fmt: skip
    """Features of a finished or interrupted run's encoder: float32, `b d`, a row for each picture, on the device.

    images: a tensor, uint8, `b 3 h w` or `3 h w`; an array, uint8, `b h w 3`, `h w 3` or `h w` (grey); a picture of
    Pillow's; the path of a file, or of a folder with all that is below, sorted by name; or a list of any of these.
    They are prepared as for an evaluation. node: which node, or value of the flow; default the evaluated one. batch:
    pictures at a time. Raises UsageError for other images, and for a node that gives no features of images, RunError
    for a file that is no readable picture.
    """
    from .runs.features import embed_images

    return embed_images(str(run), images, node, str(device), batch, list(sets))


@taking
def embed_files(
    run: AnyRun, paths: str | Path | Sequence[str | Path], output: str | Path = "features.parquet",
    node: str | None = None, device: Device = "auto", *, batch: int | None = None, skip: bool = False,
    progress: Progress | None = None, sets: Sets = (),
) -> Embedded:  # fmt: skip
    """Features of picture files, also written as a table, whole or not at all: .parquet, .npz or .csv.

    paths: files, and folders with all that is below. Columns: `file`; `class`, of the folder it is in; `features`, in
    csv `f0`, `f1` ... skip: files that are no readable pictures are left out, and said; else the first one is a
    RunError. progress: called with how many are done, and of how many. The others are those of `embed`.
    """
    from .runs.features import embed_to_file

    return embed_to_file(str(run), paths, Path(output), node, str(device), batch, skip, progress, list(sets))


@taking
def neighbours(
    run: AnyRun, queries: Images, images: Images, k: int = 8, output: str | Path | None = None,
    node: str | None = None, device: Device = "auto", *, batch: int | None = None, skip: bool = False,
    progress: Progress | None = None, sets: Sets = (),
) -> Neighbours:  # fmt: skip
    """The k images nearest to each query by the cosine of their features; a query's own file is left out.

    queries, images: as of `embed`. output: where to draw them, .png, .jpg or .webp. The others are of `embed_files`.
    """
    from .runs.features import find_neighbours

    file = None if output is None else Path(output)
    return find_neighbours(str(run), queries, images, k, file, node, str(device), batch, skip, progress, list(sets))


@taking
def survey(source: AnyGraph, sets: Sets = (), *, most: int | None = None, progress: Progress | None = None) -> Survey:
    """What a set of pictures is like: sizes, channels, classes, unreadable ones, mean and std of the training split.

    source: a folder, a list of files, shards, a saved Hugging Face dataset; or a graph file, whose `data:` is meant,
    and sets, changes of it. most: pictures that are looked at, spread evenly; default: all. progress: of `embed_files`.
    Raises UsageError for what is none of these, RunError for a set that does not open.
    """
    from .runs.surveyed import survey_of

    return survey_of(source, list(sets), most, progress)


@taking
def deliver(runs: AnyRun | Sequence[AnyRun] = (), report: Report = print) -> list[Delivered]:
    """Delivers to MLflow what ended runs could not, as its server was down: metrics, artifacts, how they ended.

    runs: default: all under `runs/` that have something left. report: gets a line for each. The store is
    MLFLOW_TRACKING_URI's, else the run's own. Raises UsageError for a run that is not there, RunError where some stays.
    """
    from .runs.left import deliver as deliver_runs

    return deliver_runs(cast("list[str | Path]", runs), _telling(report))


@taking
def ui(port: int = 5000, report: Report = print) -> None:
    """Opens MLflow's own user interface on the store in use, until Ctrl-C. Raises RunError where there is none."""
    from . import track

    command = track.ui_command(port)
    report(f"MLflow on http://127.0.0.1:{port} (Ctrl-C ends it)")
    track.serve(command)

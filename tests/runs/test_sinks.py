"""Where a run's metrics go: the file beside it always, MLflow and TensorBoard where `track:` says so."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import SIMCLR, Write
from whole_runs import forget_the_last

import graphssl
from graphssl.checks import sinks
from graphssl.errors import GraphError
from graphssl.graph.read import load
from graphssl.runs.figures import records
from graphssl.runs.folder import RunFolder
from graphssl.runs.listing import runs_here
from graphssl.track import TensorBoard, curves, find_run, read_rows
from graphssl.track.rows import Point

SHORT = (("epochs: 2", "steps: 2, log_every: 1, checkpoint: {steps: 1, keep: 2}"),)


def nobody(line: str) -> None:
    pass


def shown(run: str) -> Counter[tuple[str, int]]:
    """What TensorBoard shows of a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(f"runs/{run}/tensorboard", size_guidance={"scalars": 0})
    found.Reload()
    return Counter((name, point.step) for name in found.Tags()["scalars"] for point in found.Scalars(name))


def rows(run: str) -> Counter[tuple[str, int]]:
    return Counter((point.name, point.step) for point in read_rows(Path(f"runs/{run}/metrics.csv")))


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("GRAPHSSL_FEATURE_CACHE", "0")
    return tmp_path


def test_a_run_without_mlflow_is_listed_compared_and_evaluated(alone: Path, write: Write) -> None:
    path, sets = write(SIMCLR, *SHORT), ["track=[csv]"]
    for name in ("one", "two"):
        result = graphssl.run(
            path, [*sets, f"train.optimizer.lr={0.1 if name == 'one' else 0.2}"], name=name, device="cpu", report=nobody
        )
        assert (result.run_id, result.warnings) == (None, ())
    again = graphssl.evaluate("one", {"label_free": {}}, device="cpu")
    compared = graphssl.compare(["one", "two"])
    assert compared.params == {"train.optimizer.lr": ("0.1", "0.2")}
    last = {row.name: row.last for row in compared.metrics}
    assert last["knn"] == tuple(line.scores["knn"] for line in sorted(runs_here(), key=lambda line: line.name))
    assert last["label_free/rankme"] == (again.scores["label_free/rankme"], None)
    assert not any(record.left for record in records(RunFolder(Path("runs/one"))))
    assert (alone / "runs/one/graph.svg").is_file()
    assert not {"mlflow.db", "mlartifacts", "mlruns"} & {file.name for file in alone.iterdir()}


def test_tensorboard_has_each_point_once_also_of_a_run_that_goes_on(alone: Path, write: Write) -> None:
    graphssl.run(write(SIMCLR, *SHORT), ["track=[csv, tensorboard]"], name="on", device="cpu", report=nobody)
    whole = rows("on")
    assert shown("on") == whole
    assert {("loss/total", 1), ("eval/knn", 2), ("collapse/s/std", 2), ("train/lr", 1)} <= whole.keys()
    forget_the_last(Path("runs/on"))
    graphssl.run(resume="on", device="cpu", report=nobody)
    assert shown("on") == rows("on") == whole
    assert max(whole.values()) == 1
    for _ in range(2):  # evaluated again, it has what is new, once
        graphssl.evaluate("on", {"knn": {}, "label_free": {}}, device="cpu")
    more = shown("on") - whole
    assert ("eval/label_free/rankme", 2) in more
    assert max(shown("on").values()) == 1
    assert not whole - shown("on")


def test_a_run_goes_on_with_other_sinks_which_then_have_all_of_it(here: Path, store: str, write: Write) -> None:
    name = f"other-{here.name}"
    graphssl.run(write(SIMCLR, *SHORT), ["track=[]"], name=name, device="cpu", report=nobody)
    whole = rows(name)
    forget_the_last(here / "runs" / name)
    said: list[str] = []
    result = graphssl.run(resume=name, sets=["track=[tensorboard, mlflow]"], device="cpu", report=said.append)
    assert any(line.startswith("track: [] then") for line in said)
    assert shown(name) == rows(name) == whole
    run = find_run(str(result.run_id))
    found = Counter((run.keys[said], step) for said, points in curves(run).items() for step, _ in points)
    assert found == whole


def test_what_is_not_installed_is_said_before_anything_is_trained(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks.importlib.util, "find_spec", lambda name: None)
    path = write(SIMCLR + "track: [csv, tensorboard]\n")
    with pytest.raises(GraphError) as caught:
        graphssl.check(path)
    (problem,) = caught.value.problems
    assert problem.message == "track: tensorboard needs the package tensorboard"
    assert problem.hint == "pip install 'graphssl[tensorboard]'"
    assert problem.span is not None
    assert (problem.span.line, problem.span.column) == (len(path.read_text().splitlines()), 14)
    graphssl.check(write(SIMCLR + "track: [csv]\n"))


def test_it_is_no_part_of_what_is_computed(write: Write) -> None:
    graphs = [load(write(SIMCLR + line)) for line in ("", "track: [mlflow]\n", "track: [csv, tensorboard]\n")]
    assert len({graph.hash() for graph in graphs}) == 1
    assert load(write(SIMCLR + "track: [csv, csv]\n")).spec.track == ["csv"]


@pytest.mark.parametrize("line", ["track: [tensorbord]\n", "track: csv\n"])
def test_a_sink_that_is_none_is_refused(line: str, write: Write) -> None:
    with pytest.raises(GraphError, match="track"):
        load(write(SIMCLR + line))


class Full:
    """A writer on a disk that is full."""

    def __getattr__(self, name: str) -> Any:
        def failing(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        return failing


def test_a_sink_that_fails_ends_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    board = TensorBoard(tmp_path / "tensorboard", 0, [], said.append)
    board._writer.close()
    board._writer = Full()
    for step in (1, 2):
        board.metrics({"loss/total": 1.0}, step)
    board.text("a", "graph.yaml")
    board.file(tmp_path / "graph.png")
    assert board.finish("FINISHED") == []
    (line,) = said
    assert "No space left on device" in line
    assert "TensorBoard gets nothing from here on" in line


def test_a_folder_that_is_no_folder_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("")
    said: list[str] = []
    board = TensorBoard(tmp_path / "tensorboard", 3, [Point(3, "loss/total", 1.0)], said.append)
    board.metrics({"loss/total": 1.0}, 4)
    assert board.finish("FINISHED") == []
    assert len(said) == 1


def test_of_a_picture_and_a_text(tmp_path: Path) -> None:
    from PIL import Image
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    Image.new("RGB", (4, 3)).save(tmp_path / "graph.png")
    for start in (0, 0, 1):  # begun anew, then gone on with: then they are there
        board = TensorBoard(
            tmp_path / "tensorboard", start, [Point(1, "loss/total", 1.0)] if start else [], pytest.fail
        )
        board.text("graph: a\n", "graph.yaml")
        board.file(tmp_path / "graph.png")
        board.file(tmp_path / "graph.svg")
        board.metrics({"loss/total": 1.0}, 1)
        assert board.finish("FINISHED") == []
    found = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(i.width, i.height) for i in found.Images("graph")] == [(4, 3)]
    assert len(found.Scalars("loss/total")) == 1

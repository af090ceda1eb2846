"""The notebooks of docs/ run, and show what they say; what objects give a notebook."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import nbformat
import pytest
from conftest import BYOL, Write

import graphssl
from graphssl import RunError, UsageError
from graphssl.api.notebook import show_in_notebooks
from graphssl.evaluation.spread import Spread
from graphssl.runs.evaluate import Evaluated
from graphssl.runs.folder import RunFolder
from graphssl.runs.results import Result
from graphssl.runs.seeds import Group
from graphssl.track import Comparison
from graphssl.track.compare import FoundRun, MetricRow
from graphssl.train.cell import POINTS, Cell, curves_of, table_of
from graphssl.train.display import Lines, view_on
from graphssl.train.outcome import Outcome
from graphssl.train.progress_state import State

NOTEBOOKS = sorted((Path(__file__).parent.parent / "docs" / "notebooks").glob("*.ipynb"))


def execute() -> ModuleType:
    """docs/notebooks/execute.py."""
    spec = importlib.util.spec_from_file_location("execute", NOTEBOOKS[0].parent / "execute.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kinds(notebook: Any) -> list[set[str]]:
    """Of each cell of code, the forms in which its outputs are."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [{kind for out in cell.outputs for kind in out.get("data", {})} for cell in cells]


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_shows_what_it_is_kept_with(notebook: Path, tmp_path: Path) -> None:
    kept = nbformat.read(notebook, as_version=4)
    assert kinds(execute().executed(notebook, tmp_path)) == kinds(kept)
    assert {"image/svg+xml", "text/html"} <= set().union(*kinds(kept))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_as_it_was_run(notebook: Path) -> None:
    found = nbformat.read(notebook, as_version=4)
    cells = [cell for cell in found.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [out for cell in cells for out in cell.outputs]
    assert not [out for out in outputs if out.output_type == "error" or out.get("name") == "stderr"]
    assert str(Path.home()) not in notebook.read_text()


# -- what is shown ---------------------------------------------------------------------------------------------


def test_a_graph_draws_itself(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    from IPython.core.formatters import DisplayFormatter

    shell = SimpleNamespace(display_formatter=DisplayFormatter())
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    show_in_notebooks()
    checked = graphssl.check(write(BYOL))
    for one in (checked, checked.graph, graphssl.diff("byol", "simsiam")):
        data, _ = shell.display_formatter.format(one)
        assert data["image/svg+xml"].lstrip().startswith("<svg")
        assert len(data["text/plain"]) < 600
    assert "predictor" in shell.display_formatter.format(checked)[0]["image/svg+xml"]


def test_outside_of_a_notebook_nothing_is_told() -> None:
    show_in_notebooks()
    assert isinstance(view_on(None), Lines)


def test_an_error_of_the_user_is_its_message_alone() -> None:
    with pytest.raises(UsageError) as found:
        graphssl.run("byol", name="a/b")
    assert found.value._render_traceback_() == [f"UsageError: {found.value}"]
    assert RunError("no\x1b[31m")._render_traceback_() == ["RunError: no\\x1b[31m"]


@pytest.fixture
def result(tmp_path: Path) -> Result:
    folder = RunFolder(tmp_path / "<b>")
    folder.path.mkdir()
    folder.rows.write_text("step,metric,value\n0,eval/knn,0.5\n1,loss/total,2.5\n2,loss/total,1.5\n2,eval/knn,0.75\n")
    return Result(folder, Outcome(step=2, scores={"knn": {0: 0.5, 2: 0.75}}), None, ())


def test_a_run_is_a_frame_of_its_metrics(result: Result) -> None:
    frame = result.frame()
    assert list(frame.columns) == ["knn", "loss"]
    assert frame.index.tolist() == [0, 1, 2]
    assert frame["loss"].dropna().tolist() == [2.5, 1.5]
    assert math.isnan(frame.loc[1, "knn"])


def test_a_run_shows_its_figures_before_and_after(result: Result) -> None:
    shown = result._repr_html_()
    assert "50.00 %" in shown
    assert "75.00 %" in shown
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown


def test_comparisons_and_evaluations_are_frames() -> None:
    runs = tuple(FoundRun(name, name, "0", {}, {}, {}, "FINISHED", 0) for name in ("a", "b"))
    frame = Comparison(runs, {"lr": ("0.1", None)}, (MetricRow("knn", (0.5, 0.25), (0.5, 0.5)),)).frame()
    assert frame.loc["a"].tolist() == ["0.1", 0.5]
    assert frame.loc["b", "knn"] == 0.25
    evaluated = Evaluated("a", {"knn": 0.5, "x": 1.0}, {}, intervals={"knn": (0.25, 0.75)}).frame()
    assert evaluated.loc["knn"].tolist() == [0.5, 0.25, 0.75]
    assert evaluated.loc["x"].isna().tolist() == [False, True, True]
    group = Group(("a", "b"), (0, 1), {"knn": Spread(0.5, 0.1, (0.25, 0.75))}).frame()
    assert group.loc["knn"].tolist() == [0.5, 0.25, 0.75]


def test_runs_are_listed_as_a_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert graphssl.list_runs().empty
    for name, knn in (("a", 0.9), ("b", 0.8)):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "graph.yaml").write_text("graph: byol\n")
        (folder / "run.json").write_text(f'{{"status": "finished", "scores": {{"knn": {{"1": {knn}}}}}}}')
    frame = graphssl.list_runs(sort="knn")
    assert frame.index.tolist() == ["b", "a"]
    assert frame["knn"].tolist() == [0.8, 0.9]
    assert graphssl.list_runs(["knn > 0.85"]).index.tolist() == ["a"]


# -- a training under a cell -----------------------------------------------------------------------------------


class Shown:
    """In place of IPython's handle of what is displayed."""

    def __init__(self) -> None:
        self.html: list[str] = []

    def update(self, shown: Any) -> None:
        self.html.append(shown.data)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    handle = Shown()
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: handle)
    return handle


def state(step: int, loss: float, **values: float) -> State:
    found = State(epochs=2, steps_per_epoch=5, step=step, steps=10)
    found.loss = loss
    found.values.update(values)
    return found


def test_the_table_and_the_curves_are_drawn_in_place(shown: Shown) -> None:
    view = Cell()
    view.start()
    view.show(state(1, 2.0))
    view.show(state(6, 1.0, knn=0.5, **{"a<b": 1.0}))
    assert len(shown.html) == 2
    assert "<svg" in shown.html[0]
    assert "<td>2.0000</td>" in shown.html[0]
    assert "<td>6 / 10</td>" in shown.html[1]
    assert "<th>a&lt;b</th>" in shown.html[1]
    assert view.seconds >= 1


def test_curves_have_each_point_once_and_not_too_many(shown: Shown) -> None:
    view = Cell()
    for step in range(3 * POINTS):
        view._keep(state(step, float(step), knn=float(step // POINTS)))
        view._keep(state(step, float(step)))
    assert len(view._losses) <= POINTS
    steps = [step for step, _ in view._losses]
    assert steps == sorted(set(steps))
    assert steps[-1] > 3 * POINTS - 10
    assert [value for _, value in view._figures["knn"]] == [0.0, 1.0, 2.0]


def test_where_nothing_is_measured_yet() -> None:
    assert curves_of([], {"knn": []}) == ""
    assert "loss" not in table_of(state(0, math.nan))


def test_a_notebook_is_told_by_its_kernel_and_its_output(monkeypatch: pytest.MonkeyPatch) -> None:
    class OutStream:
        __module__ = "ipykernel.iostream"

    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=object()))
    assert isinstance(view_on(None), Lines), "its output goes elsewhere"
    monkeypatch.setattr(sys, "stdout", OutStream())
    assert isinstance(view_on(None), Cell)

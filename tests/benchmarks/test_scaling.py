"""`scaling` says how costs grow: its table and plot, the exponent, and graphs that grow as a sweep says."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmark_scripts import Script, cells, number
from PIL import Image


def test_scaling_writes_a_table_and_a_plot(run: Callable[..., str], tmp_path: Path) -> None:
    plot = tmp_path / "plots" / "scaling.png"
    text = run("scaling", "--sweep", "queue", "deep", "--points", "2", "--repeats", "1", "--plot", str(plot))
    first, second, slope, needed = cells(text, "step, ms")[:4]
    assert min(number(first), number(second)) > 0
    assert needed == "1"
    assert len(cells(text, "compile, ms")) >= 4
    assert float(slope) < 3
    assert Image.open(plot).format == "PNG"


def test_a_result_is_read_as_it_was_written(script: Script) -> None:
    scaling = script("scaling")
    costs = {"load": [0.0011, 1.5], "compile": [0.25, 12.0]}
    text = "\n".join(scaling.table(scaling.rows(scaling.GRAPHS[name], (10, 1000), costs)) for name in ("deep", "wide"))
    assert scaling.read(text) == {name: ([10, 1000], costs) for name in ("deep", "wide")}


def test_labels_of_a_plot_do_not_overlap(script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda own, *a, **k: (drawn.append(own), save(own, *a, **k)))
    scaling = script("scaling")
    sweeps = {
        name: (sweep.values, {"step": [0.02 * 2**i for i in range(len(sweep.values))]})
        for name, sweep in scaling.STEPS.items()
    }
    scaling.draw(sweeps, tmp_path / "plot.png")
    for axes in drawn[0].axes[: len(sweeps)]:
        boxes = [label.get_window_extent() for label in axes.get_xticklabels(which="both") if label.get_text()]
        assert len(boxes) >= 4
        for left, right in itertools.pairwise(boxes):
            assert left.x1 < right.x0


def test_the_exponent_is_that_of_the_larger_half(script: Script) -> None:
    values = [1, 2, 4, 8]
    assert script("scaling").exponent(values, [5, 5, 4**1.5, 8**1.5]) == pytest.approx(1.5)


def test_what_grows_faster_than_it_must_is_marked(script: Script) -> None:
    scaling = script("scaling")
    sweep = scaling.Sweep("things", (1, 10, 100, 1000), 1, str)
    rows = scaling.rows(sweep, sweep.values, {"good": [1, 10, 100, 1000], "bad": [1, 10, 1000, 100_000]})
    assert [row[-1] for row in rows[1:]] == ["", "grows faster than it must"]


@pytest.mark.parametrize("name", ["batch", "queue", "bank", "whole bank", "views", "pairs", "deep", "wide"])
def test_the_number_of_a_sweep_is_one_of_its_graph(script: Script, name: str) -> None:
    scaling = script("scaling")
    sweep = {**scaling.STEPS, **scaling.GRAPHS}[name]
    few, more = (scaling._loaded(sweep.text(value)) for value in sweep.values[:2])
    if name in ("bank", "whole bank"):
        assert [sweep.samples(value) for value in sweep.values[:2]] == list(sweep.values[:2])
    else:
        assert few.hash() != more.hash()
    if name in scaling.GRAPHS:
        assert len(more.nodes) - len(few.nodes) == sweep.values[1] - sweep.values[0]

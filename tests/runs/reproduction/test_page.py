"""The shipped reproductions hold, docs/reproductions.md is made of them as they are, and its forecasts are theirs."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from graphssl.checks.checked import validated
from graphssl.graph.read import load
from graphssl.runs.reproduction import State, page, states
from graphssl.runs.reproduction.forecast import arithmetic
from graphssl.runs.reproduction.plan import script_of

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture(scope="module")
def shipped() -> list[State]:
    return list(states())


def test_the_page_is_current() -> None:
    remake = "graphssl reproduce --page"
    assert (ROOT / "docs" / "reproductions.md").read_text() == page(), f"make it anew: `{remake}`"


def test_each_has_a_forecast_of_its_recipe_or_has_been_run(shipped: list[State]) -> None:
    assert len(shipped) > 50
    for state in shipped:
        if state.results is not None:
            assert state.current, f"{state.written.name} is another recipe than that of its results"
        if state.written.spec.needs == "gpu" and not state.ran:
            assert state.text.startswith("not run: needs a GPU, about "), state.written.name


def test_what_is_published_says_where(shipped: list[State]) -> None:
    for state in shipped:
        figures = state.written.spec.figures.values()
        published = [figure.published for figure in figures if figure.published is not None]
        assert published or state.written.spec.beside is not None
        assert all(len(one.source) > 20 and 0 < one.value < 100 for one in published)


def test_names_say_what_they_hold(shipped: list[State]) -> None:
    for state in shipped:
        method = state.written.spec.graph.partition("/")[2]
        assert method in state.written.name


@pytest.mark.parametrize("method", ["simclr", "byol", "moco_v2", "simsiam", "barlow_twins"])
def test_those_beside_lightly_are_the_benchmark_s(
    shipped: list[State], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Our side of the command is the graph that the file has."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    twins = importlib.import_module("twins")
    (written,) = (s.written for s in shipped if s.written.name == f"cifar10_small_{method}")
    assert written.spec.beside is not None
    words = written.spec.beside.command
    epochs = int(words[words.index("--epochs") + 1])
    setting = twins.Setting(method, Path("cifar10-small"), epochs)
    assert load(written.asked, written.spec.set).resolved() == load(f"cifar10/{method}", setting.sets()).resolved()
    assert [path.is_file() for path in script_of(written)] == [True]


@pytest.mark.slow
def test_each_graph_checks_clean_and_costs_what_is_forecast(shipped: list[State]) -> None:
    for state in shipped:
        written, spec = state.written, state.written.spec
        checked = validated(load(written.asked, [*spec.set, f"train.seed={spec.seeds[0]}"]))
        assert not checked.warnings, f"{written.name}: {checked.warnings[0].render()}"
        now = arithmetic(checked)  # None where only the pictures say how many there are, and they are elsewhere
        if state.results is not None and state.results.forecast is not None and now is not None:
            assert now == state.results.forecast, written.name

"""What evaluations lack: told by check, before a run begins, when it goes on, and before features are made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import SIMCLR, Write, problems_of
from evaluations import registered
from PIL import Image

import graphssl
from graphssl.errors import RunError
from graphssl.evaluation import Context, Evaluation, EvaluationConfig
from graphssl.runs.folder import find_run

STEPS = ("epochs: 2", "steps: 2, precision: fp32")


def fill(root: Path, **classes: int) -> Path:
    for name, n in classes.items():
        folder = root / name.replace("__", "/")
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(n):
            Image.new("RGB", (16, 16), (9 * i, 40 * len(name), 7 * i)).save(folder / f"{i:02}.png")
    return root


@pytest.fixture
def ask(here: Path, write: Write) -> Callable[..., Path]:
    """A graph on pictures of two classes, 12 of `a` and 6 of `b`, and 3 of each held out."""
    fill(here / "p", train__a=12, train__b=6, test__a=3, test__b=3)

    def asks(evaluate: str, root: str = "p") -> Path:
        data = f"{{use: image_folder, root: {root}, size: 16, batch: 8}}"
        asked = ("evaluate: {features: encoder, knn: {k: 5, every: 1}}", f"evaluate: {{features: encoder, {evaluate}}}")
        return write(SIMCLR, ("{use: digits, batch: 16}", data), STEPS, asked)

    return asks


def nobody(line: str) -> None:
    pass


BAD = "knn: null, logistic: {labels: 7}, linear: {validation: 0.01}, clusters: {k: 9}, retrieval: {k: [1, 40]}"
SAID = [
    "logistic.labels: 7 of each class are asked for, and 'b' has 6\n",
    "linear.validation: 0.01 holds out nothing, as no class has 51",
    "clusters.k: 6 labelled held-out pictures cannot be parted into 9 clusters",
    "retrieval.k: recall at 40 would be 1 whatever is measured: 18 pictures are searched",
]


@pytest.mark.parametrize("verb", [graphssl.check, lambda graph: graphssl.run(graph, report=nobody)])
def test_all_at_once_at_their_places_before_anything_is_trained(
    ask: Callable[..., Path], here: Path, verb: Callable[[Path], Any]
) -> None:
    path = ask(BAD)
    problems = problems_of(lambda: verb(path))
    assert len(problems) == len(SAID)
    for said in SAID:
        (problem,) = [one for one in problems if said in one]
        assert "graph.yaml:17:" in problem
    assert "hint: at most 6 of each can be had, or a share, such as labels: 0.1" in problems[0]
    assert not (here / "runs").exists()


def test_a_set_whose_labels_only_a_run_knows(here: Path, write: Write) -> None:
    """Of an embedded set, say, which check does not open."""
    path = write(SIMCLR, STEPS, ("knn: {k: 5, every: 1}", "logistic: {labels: 500}"))
    graphssl.check(path)
    (problem,) = problems_of(lambda: graphssl.run(path, report=nobody))
    assert "logistic.labels: 500 of each class are asked for, and '0' has 149" in problem
    assert "graph.yaml:17:" in problem
    assert not (here / "runs").exists()


def test_what_stops_nothing_is_said_once(ask: Callable[..., Path]) -> None:
    path, said, warned = ask("knn: {k: 50}, label_free: {views: 2, every: 5, samples: 30}"), list[str](), list[str]()
    result = graphssl.run(path, name="once", report=said.append, warn=warned.append)
    assert len(warned) == 2
    assert "knn.k: 50 neighbours are asked for, and there are 18 labelled pictures: all of them vote" in warned[0]
    assert "label_free.samples: there are 18 training pictures: all of them are taken" in warned[1]
    assert not [line for line in said if "neighbours" in line or "are taken" in line]
    notes = graphssl.evaluate(result, protocol="knn").notes
    assert notes == ("knn.k: 50 neighbours are asked for, and there are 18 labelled pictures: all of them vote",)


def test_without_labels_a_run_goes_on_without_and_says_so_once(ask: Callable[..., Path], here: Path) -> None:
    fill(here / "none", all=20)
    said, warned = list[str](), list[str]()
    path = ask("knn: {k: 5}, linear: {}, label_free: {views: 2}", root="none")
    graphssl.run(path, name="none", report=said.append, warn=warned.append)
    (warning,) = warned
    assert "graph.yaml:17:" in warning
    assert "knn, linear is left out: the data set has one class, 'all'" in warning
    assert not [line for line in said if "knn, linear" in line]


def test_after_a_run_those_that_are_asked_for_are_refused_all_at_once(ask: Callable[..., Path]) -> None:
    run = graphssl.run(ask("knn: {k: 5}"), name="after", report=nobody)
    with pytest.raises(RunError) as found:
        graphssl.evaluate(run, protocol=["logistic", "clusters"], sets=["logistic.labels=7", "clusters.k=9"])
    assert str(found.value) == (
        "'after' cannot be evaluated\n  by clusters: clusters.k: 6 labelled held-out pictures cannot be parted into 9 "
        "clusters\n  by logistic: logistic.labels: 7 of each class are asked for, and 'b' has 6 (at most 6 of each can "
        "be had, or a share, such as labels: 0.1)"
    )
    assert {path.name for path in (find_run("after").path / "evaluations").glob("*.json")} == {"knn.json"}


class Fails(Evaluation):
    title = "fails"
    Config = EvaluationConfig

    def run(self, context: Context) -> dict[str, float]:
        raise RunError("the moon is full")

    def due(self, epoch: int, ends: bool) -> bool:
        return ends and epoch > 0


def test_one_that_fails_at_the_end_does_not_end_the_run(ask: Callable[..., Path]) -> None:
    said: list[str] = []
    with registered("fails", Fails):
        result = graphssl.run(ask("knn: {k: 5}, fails: {}"), name="fails", report=said.append)
    assert (result.code, result.folder.facts()["status"]) == (0, "finished")
    assert set(result.outcome.scores) == {"knn"}
    assert "fails has not been measured at the end: `graphssl evaluate fails --protocol fails` tries again" in (
        result.warnings
    )


def test_a_run_that_goes_on_leaves_out_what_cannot_be(ask: Callable[..., Path], here: Path) -> None:
    path, said = ask("knn: {k: 5}, logistic: {labels: 6}"), list[str]()
    graphssl.run(path, sets={"train.steps": 1}, name="on", report=nobody)
    for i in range(3):
        (here / f"p/test/b/{i:02}.png").unlink()
    Image.new("RGB", (16, 16)).save(here / "p/test/b/other.png")
    graphssl.run(resume="on", sets=["train.steps=2", "evaluate.clusters.k=9"], report=said.append)
    assert (
        "warning: clusters is left out: clusters.k: 4 labelled held-out pictures cannot be parted into 9 clusters"
        in said
    )

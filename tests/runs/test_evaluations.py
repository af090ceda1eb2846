"""A third evaluation is one class: registered, a whole run checks, measures, notes, tracks, shows and resumes it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import SIMCLR, Write, problems_of
from evaluations import registered
from pydantic import PositiveInt

import graphssl
from graphssl.cli.summary import evaluation_text, run_text
from graphssl.errors import UsageError
from graphssl.evaluation import Context, Evaluation, EvaluationConfig
from graphssl.runs.evaluate import evaluate_run
from graphssl.runs.folder import RunFolder
from graphssl.track import LESS_IS_BETTER, find_run
from graphssl.train.checkpoint import Checkpoints, load, save
from graphssl.train.step import Step

GRAPH = SIMCLR.replace("batch: 16", "batch: 256").replace("epochs: 2", "epochs: 3")
ASKS = (
    "evaluate: {features: encoder, knn: {k: 5, every: 1}}",
    "evaluate: {features: encoder, knn: null, size: {bins: 8}}",
)


class Size(Evaluation):
    """How long features are, and how many of them there are; neither is a share."""

    title = "feature size"
    more_is_better = False
    quantity = "in numbers"
    said = ("bins",)

    class Config(EvaluationConfig):
        bins: PositiveInt = 4
        every: PositiveInt = 2

    config: Config

    def due(self, epoch: int, ends: bool) -> bool:
        return ends or epoch % self.config.every == 0

    def run(self, context: Context) -> dict[str, float]:
        n, d = context.features.reference.features.shape
        return {"size": float(d), "size/samples": float(n)}

    @classmethod
    def text(cls, value: float) -> str:
        return f"{value:,.0f}"


@pytest.fixture(autouse=True)
def _size() -> Iterator[None]:
    with registered("size", Size):
        yield


def nobody(line: str) -> None:
    pass


def test_a_wrong_option_is_told_with_its_place_before_anything_runs(here: Path, write: Write) -> None:
    path = write(GRAPH, ASKS, ("bins: 8", "bin: 8"))
    (problem,) = problems_of(lambda: graphssl.run(path, report=nobody))
    assert "graph.yaml:17:49: no key is called 'bin' here" in problem
    assert "did you mean 'bins'?" in problem
    assert not (here / "runs").exists()


def test_it_is_measured_when_due_noted_tracked_and_shown(
    here: Path, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    result = graphssl.run(write(GRAPH, ASKS), name="one", device="cpu", report=nobody)
    size, samples = dict.fromkeys((0, 2, 3), 64.0), dict.fromkeys((0, 2, 3), 1500.0)
    assert result.outcome.scores == {"size": size, "size/samples": samples}

    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [
        "feature size in numbers before training: 64",
        "feature size samples before training: 1,500",
    ]
    assert [line for line in said if line.startswith("epoch=") and "size=" in line] == [
        "epoch=2/3 size=64 size/samples=1500",
        "epoch=3/3 size=64 size/samples=1500",
    ]
    assert run_text(result).splitlines()[1:3] == [
        "  feature size 64 before, 64 after",
        "  feature size samples 1,500 before, 1,500 after",
    ]

    noted = RunFolder(here / "runs/one").facts()["scores"]
    assert noted == {
        "size": {str(k): v for k, v in size.items()},
        "size/samples": {str(k): v for k, v in samples.items()},
    }
    payload = Checkpoints(here / "runs/one/checkpoints").latest()
    assert payload is not None
    assert payload["scores"] == result.outcome.scores
    tracked = find_run(str(result.run_id))
    assert {name: value for name, value in tracked.metrics.items() if "size" in name} == {
        "size": 64.0,
        "size/samples": 1500.0,
    }
    assert tracked.params["evaluate.size.bins"] == "8"
    assert tracked.tags[LESS_IS_BETTER] == "size"


def test_it_survives_an_interruption(here: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Step.__call__

    def interrupt(self: Step, step: int, batches: Any) -> Any:
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(self, step, batches)

    monkeypatch.setattr(Step, "__call__", interrupt)
    result = graphssl.run(write(GRAPH, ASKS), name="one", device="cpu", report=nobody)
    assert result.interrupted
    assert {metric: set(found) for metric, found in result.outcome.scores.items()} == {"size": {0}, "size/samples": {0}}
    monkeypatch.setattr(Step, "__call__", plain)
    result = graphssl.run(resume="one", device="cpu", report=nobody)
    assert {metric: set(found) for metric, found in result.outcome.scores.items()} == {
        "size": {0, 2, 3},
        "size/samples": {0, 2, 3},
    }
    again = graphssl.run(resume="one", device="cpu", report=nobody)  # there is nothing left to do
    assert again.outcome.scores == result.outcome.scores


def test_evaluate_measures_it_again(here: Path, write: Write) -> None:
    graphssl.run(write(GRAPH, ASKS, ("epochs: 3", "steps: 1")), name="one", device="cpu", report=nobody)
    knn, top5, *rest = evaluation_text(evaluate_run("one", {}, "cpu")).splitlines()
    assert knn.startswith("one: kNN accuracy ")
    assert top5.startswith("one: kNN top5 ")
    assert knn.endswith(" % (k 20, temperature 0.07)")
    assert rest == ["one: feature size in numbers 64 (bins 8)", "one: feature size samples 1,500 (bins 8)"]
    found = evaluate_run("one", {"size": {"bins": 2}, "logistic": {}}, "cpu")
    assert list(found.scores) == [
        "knn", "knn/top5", "logistic", "logistic/top5", "size", "size/samples",
    ]  # fmt: skip
    assert found.evaluations["size"].settings() == "bins 2"
    with pytest.raises(UsageError, match="no evaluation is called 'sise': did you mean 'size'"):
        evaluate_run("one", {"sise": {}}, "cpu")


def test_a_checkpoint_of_before_evaluations_had_names_goes_on(here: Path, write: Write) -> None:
    short = ("epochs: 3", "epochs: 2, checkpoint: {keep: 2}")
    graphssl.run(write(GRAPH, short), name="one", device="cpu", report=nobody)
    first, last = Checkpoints(here / "runs/one/checkpoints").paths()
    last.unlink()
    payload = load(first)
    del payload["scores"]
    save(first, {**payload, "knn": {0: 0.25, 1: 0.5}, "linear": {}})
    result = graphssl.run(resume="one", device="cpu", report=nobody)
    knn = result.outcome.scores["knn"]
    assert (knn[0], knn[1], set(knn)) == (0.25, 0.5, {0, 1, 2})
    assert set(result.outcome.scores) == {"knn", "knn/top5"}

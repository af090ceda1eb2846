"""Figures of evaluations: kept in the run's folder, once in its MLflow run, also later; on other data and networks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SIMCLR, Write
from PIL import Image

import graphssl
from graphssl.errors import GraphError, RunError, UsageError
from graphssl.evaluation import embedding
from graphssl.runs import evaluate as evaluate_module
from graphssl.runs import figures
from graphssl.runs.folder import find_run as find_folder
from graphssl.track import add_to_run, curves, find_run, store_uri
from graphssl.track.client import open_client

GRAPH = SIMCLR.replace("batch: 16", "batch: 256").replace("epochs: 2", "steps: 1")
ASKS = ("evaluate: {features: encoder, knn: {k: 5, every: 1}}", "evaluate: {features: encoder, knn: {k: 5}}")


def nobody(line: str) -> None:
    pass


@pytest.fixture
def run(here: Path, write: Write) -> str:
    """A run with a name that the store has not had yet."""
    return graphssl.run(write(GRAPH, ASKS), name=f"run-{here.parent.name}-{here.name}", report=nobody).folder.name


def kept(run: str) -> dict[str, Any]:
    folder = find_folder(run).path / "evaluations"
    return {d["label"]: d for d in (json.loads(f.read_text()) for f in folder.glob("*.json"))}


def points(run: str) -> dict[str, list[tuple[int, float]]]:
    return {name: found for name, found in curves(find_run(run)).items() if name.startswith("knn")}


def test_a_run_keeps_what_stands_beside_its_last_numbers(run: str) -> None:
    record = kept(run)["knn"]
    assert record["scores"]["knn"] == find_folder(run).facts()["scores"]["knn"]["1"]
    low, high = record["intervals"]["knn"]
    assert low < record["scores"]["knn"] < high
    assert np.trace(record["details"]["confusion"]) / record["details"]["samples"] == record["scores"]["knn"]
    assert (record["step"], record["features"], record["data"]) == (1, "encoder", "digits")
    assert record["settings"] == {"k": 5, "temperature": 0.07}
    client = open_client(store_uri())
    names = {f.path for f in client.list_artifacts(find_run(run).run_id, "evaluations")}
    assert names == {"evaluations/knn.json"}


def test_the_same_again_is_the_same_number_and_not_logged_twice(run: str) -> None:
    before = points(run)
    first, second = (graphssl.evaluate(run) for _ in range(2))
    assert first.scores == second.scores
    assert first.figures == second.figures
    assert first.scores["knn"] == before["knn"][-1][1]
    assert points(run) == before
    assert find_run(run).status == "FINISHED"


def test_other_options_have_a_name_of_their_own(run: str) -> None:
    found = graphssl.evaluate(run, protocol="knn", sets={"k": [7, 20], "knn.temperature": 0.2})
    label = "knn k 7 20 temperature 0.2"
    assert set(found.scores) == {"knn", "knn/top5", "knn/k 20", "knn/k 20/top5"}
    assert set(found.figures) == {label}
    by_options = graphssl.evaluate(run, {"knn": {"k": [7, 20], "temperature": 0.2}})
    assert by_options.scores == found.scores
    by_graph = graphssl.evaluate(run, sets=["evaluate.knn={k: [7, 20], temperature: 0.2}"])
    assert by_graph.scores == found.scores
    tracked = find_run(run)
    assert {k: v for k, v in tracked.metrics.items() if k.startswith(label)} == found.figures[label].scores
    assert tracked.tags[f"graphssl.evaluated.{label}"] == (
        "k [7, 20], temperature 0.2; of encoder; on digits; fp32 on cpu"
    )
    assert [step for step, _ in points(run)[label]] == [1]
    assert set(kept(run)) == {"knn", label}


def test_when_it_is_due_is_no_other_option(run: str) -> None:
    assert "knn" in graphssl.evaluate(run, {"knn": {"every": 3}}).scores


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"protocol": "knnn"}, "no evaluation is called 'knnn': did you mean 'knn'"),
        ({"protocol": "knn", "sets": ["kk=3"]}, r"--set:1:1: no key is called 'kk' here"),
        ({"protocol": ["knn", "linear"], "sets": ["k=3"]}, r"--set:1:1: no key is called 'k' here"),
        ({"protocol": "knn", "sets": ["k=[3, 3]"]}, "a value stands in the list twice"),
        (
            {"protocol": "knn", "sets": ["linear.epochs=3"]},
            "'linear.epochs' is an option of linear, which is not run: --protocol linear does",
        ),
        ({"protocol": "linear", "sets": ["area=[1.0, 0.5]"]}, r"the smallest share comes first: \[0.5, 1\]"),
        ({"protocol": "knn", "sets": ["evaluate.features=augment"]}, "'augment' makes images, and no features of them"),
        (
            {"protocol": "knn", "options": {"knn": {"k": 3}}, "sets": ["k=5"]},
            "k of knn is said twice: 3 as an option, and by --set evaluate.knn.k=5",
        ),
        ({"protocol": 3}, "protocol is the name of an evaluation, or a list of some, not 3"),
        ({"data": "nowhere.yaml"}, "nowhere.yaml"),
        ({"data": "nowhere"}, "there is no file or folder 'nowhere'"),
    ],
)
def test_wrong_use_is_told_and_nothing_is_kept(run: str, how: dict[str, Any], message: str) -> None:
    with pytest.raises((UsageError, GraphError), match=message):
        graphssl.evaluate(run, **how)
    assert set(kept(run)) == {"knn"}


def test_a_store_that_is_down_gets_them_later(
    run: str, store: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    found = graphssl.evaluate(run, protocol="knn", sets=["k=3"])
    (warning,) = [r.getMessage() for r in caplog.records if "could not be delivered" in r.getMessage()]
    assert f"delivered by `graphssl track {run}`, or with the next evaluation" in warning
    with pytest.raises(RunError, match=f"figures of evaluations of '{run}' could not be delivered"):
        graphssl.deliver(run, nobody)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    said: list[str] = []
    graphssl.deliver(run, said.append)
    assert said == [f"{run}: figures of 1 evaluation delivered to MLflow"]
    assert points(run)["knn k 3"] == [(1, found.scores["knn"])]
    said.clear()
    graphssl.deliver(run, said.append)
    assert said == [f"{run}: nothing is left to deliver"]


def test_two_evaluations_at_a_time_deliver_one_after_the_other(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else both find that MLflow does not have a point, and both log it."""
    monkeypatch.setattr(evaluate_module, "deliver_figures", lambda folder: 0)
    found = graphssl.evaluate(run, protocol="knn", sets=["k=3"])
    folder, within, most = find_folder(run), [0], [0]

    def add(*given: Any) -> str:
        within[0] += 1
        most[0] = max(most[0], within[0])
        time.sleep(0.2)  # both would be here
        done = add_to_run(*given)
        within[0] -= 1
        return done

    monkeypatch.setattr(figures, "add_to_run", add)
    with ThreadPoolExecutor(2) as both:
        delivered = list(both.map(figures.deliver_figures, [folder, folder]))
    assert (sorted(delivered), most) == ([0, 1], [1])
    assert points(run)["knn k 3"] == [(1, found.scores["knn"])]
    assert not figures.figures_left(folder)


def test_what_is_measured_anew_while_it_is_delivered_is_still_to_be_delivered(
    run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate_module, "deliver_figures", lambda folder: 0)
    graphssl.evaluate(run, protocol="knn", sets=["k=3"])
    folder = find_folder(run)
    (record,) = [one for one in figures.records(folder) if one.left]

    def add(*given: Any) -> str:
        figures.keep(folder, [replace(record, scores={"knn k 3": 0.125})])
        return add_to_run(*given)

    monkeypatch.setattr(figures, "add_to_run", add)
    assert figures.deliver_figures(folder) == 1
    assert figures.figures_left(folder)
    monkeypatch.setattr(figures, "add_to_run", add_to_run)
    assert figures.deliver_figures(folder) == 1
    assert points(run)["knn k 3"][-1] == (1, 0.125)


@pytest.fixture
def shades(here: Path) -> Callable[[], Path]:
    """Other pictures in four classes, by how light they are, which an untrained encoder tells apart."""

    def make() -> Path:
        noise = np.random.default_rng(0)
        for part, n in (("train", 12), ("test", 6)):
            for level in range(4):
                folder = here / "shades" / part / f"level{level}"
                folder.mkdir(parents=True)
                for i in range(n):
                    pixels = 80 * level + noise.integers(0, 8, (40, 48, 3))
                    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
        return here / "shades"

    return make


@pytest.mark.parametrize("form", ["folder", "bare", "section", "graph"])
def test_other_data(run: str, shades: Callable[[], Path], here: Path, form: str) -> None:
    folder = shades()
    section = f"{{use: image_folder, root: {folder}}}"
    text = {"bare": f"use: image_folder\nroot: {folder}\n", "section": f"data: {section}\n"}
    text["graph"] = SIMCLR.replace("{use: digits, batch: 16}", section)
    if form in text:
        (here / "shades.yaml").write_text(text[form])
    found = graphssl.evaluate(run, data=folder if form == "folder" else here / "shades.yaml", protocol="knn")
    assert found.scores == {"knn": 1.0}
    record = kept(run)["knn on shades"]
    assert record["data"] == "shades"
    assert [row[:2] for row in record["details"]["per_class"]] == [[f"level{i}", 6] for i in range(4)]
    assert find_run(run).metrics["knn on shades"] == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: {use: image_foldr, root: x}", r"other.yaml:1:13: 'use' is 'image_foldr'"),
        ("data: {use: image_folder}", "'image_folder' needs a root"),
        ("data: {use: digits, rooot: x}", r"other.yaml:1:21: no key is called 'rooot' here"),
        ("data: {use: digits}\ntrain: {epochs: 2}", r"other.yaml:2:1: 'train' says nothing of data"),
        ("data: 3", "'data' is no section"),
        ("data: [", "other.yaml"),
    ],
)
def test_a_wrong_file_of_other_data(run: str, here: Path, text: str, message: str) -> None:
    (here / "other.yaml").write_text(text)
    with pytest.raises(GraphError, match=message):
        graphssl.evaluate(run, data=here / "other.yaml")


def test_other_data_without_labels(run: str, shades: Callable[[], Path]) -> None:
    with pytest.raises(RunError, match=f"'{run}' cannot be evaluated by knn on 'level0': the data set has no labels"):
        graphssl.evaluate(run, data=shades() / "train" / "level0")


def test_online_and_momentum_encoder_side_by_side(here: Path) -> None:
    sets = ["train.steps=1", "data.batch=256", "evaluate.features=[encoder, target.encoder]", "evaluate.knn.k=5"]
    result = graphssl.run("byol", sets, name=f"two-{here.name}", report=nobody)
    scores = result.outcome.scores
    assert set(scores) == {f"knn{of}{part}" for of in ("", " of target.encoder") for part in ("", "/top5")}
    assert scores["knn"][0] == scores["knn of target.encoder"][0], "it begins as a copy"
    again = graphssl.evaluate(result)
    assert again.scores == {metric: found[1] for metric, found in scores.items()}
    online = graphssl.evaluate(result, sets=["evaluate.features=encoder"])
    assert online.scores == {"knn": scores["knn"][1], "knn/top5": scores["knn/top5"][1]}
    picture = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3), np.uint8)
    mine, theirs = (graphssl.embed(result, picture, node) for node in ("encoder", "target.encoder"))
    assert mine.shape == theirs.shape == (2, 128)
    assert not mine.equal(theirs), "the target has statistics of its own"


def test_features_are_made_once(run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    plain = embedding.embed

    def counted(*given: Any) -> Any:
        made.append(1)
        return plain(*given)

    monkeypatch.setattr("graphssl.evaluation.context.embed", counted)
    monkeypatch.setenv("GRAPHSSL_FEATURE_CACHE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first = graphssl.evaluate(run)
    assert len(made) == 2
    assert graphssl.evaluate(run).figures == first.figures
    graphssl.evaluate(run, protocol="logistic")
    assert len(made) == 2
    graphssl.evaluate(run, sets=["data.batch=100"])
    assert len(made) == 4
    monkeypatch.setenv("GRAPHSSL_FEATURE_CACHE", "0")
    assert graphssl.evaluate(run).figures == first.figures
    assert len(made) == 6


def test_other_pictures_are_other_features(
    run: str, shades: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHSSL_FEATURE_CACHE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = shades()
    assert graphssl.evaluate(run, data=folder, protocol="knn").scores == {"knn": 1.0}
    first, second = (folder / "test" / level / "0.png" for level in ("level0", "level3"))
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    assert graphssl.evaluate(run, data=folder, protocol="knn").scores == {"knn": 22 / 24}

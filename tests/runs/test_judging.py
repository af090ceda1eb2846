"""Evaluations in a run and after it: the same numbers, by what they need of the data, and which end is the better."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from conftest import SIMCLR, Write
from PIL import Image

import graphssl
from graphssl.errors import RunError
from graphssl.runs.evaluate import evaluate_run
from graphssl.runs.figures import records
from graphssl.runs.folder import find_run as find_folder
from graphssl.track import LESS_IS_BETTER, MORE_IS_BETTER, compare, find_run

GRAPH = SIMCLR.replace("batch: 16", "batch: 256").replace("epochs: 2", "steps: 1")
KNN = "knn: {k: 5, every: 1}"
SMALL = "label_free: {samples: 300, seen: 60, views: 3, fit: [3, 20]}"
OF_PLAIN = {f"label_free/{part}" for part in ("rankme", "alpha_req", "participation_ratio", "uniformity")}
OF_VIEWS = {"label_free/lidar", "label_free/alignment"}


def nobody(line: str) -> None:
    pass


def test_three_protocols_in_a_run_and_after_it(here: Path, write: Write) -> None:
    asks = write(GRAPH, (KNN, f"knn: null, retrieval: {{}}, clusters: {{starts: 2}}, {SMALL}"))
    result = graphssl.run(asks, name=f"three-{here.name}", device="cpu", report=nobody)
    scores = result.outcome.scores
    assert set(scores) == OF_PLAIN | OF_VIEWS | {
        "retrieval", "retrieval/r_precision", "retrieval/map_at_r", *(f"retrieval/recall_{k}" for k in (1, 5, 10)),
        "clusters", "clusters/adjusted_rand", "clusters/accuracy",
    }  # fmt: skip
    assert all(set(found) == {0, 1} and all(map(math.isfinite, found.values())) for found in scores.values())
    again = graphssl.evaluate(result, protocol=["label_free", "retrieval", "clusters"], device="cpu")
    assert again.scores == {metric: found[1] for metric, found in scores.items()}

    other = graphssl.evaluate(result, protocol="retrieval", sets={"gallery": "held_out", "k": [2]}, device="cpu")
    assert "retrieval/recall_2" in other.scores
    assert "retrieval gallery held_out k 2" in other.figures
    kept = {record.label: record for record in records(find_folder(result.folder.name))}
    assert set(kept) == {"retrieval", "clusters", "label_free", "retrieval gallery held_out k 2"}
    assert kept["label_free"].settings == {"samples": 300, "seen": 60, "views": 3, "delta": 1e-4, "fit": [3, 20]}
    assert kept["retrieval"].intervals["retrieval"][0] < kept["retrieval"].scores["retrieval"]
    tracked = find_run(str(result.run_id))
    assert tracked.tags[LESS_IS_BETTER] == "label_free/alignment,label_free/uniformity"
    assert set(tracked.tags[MORE_IS_BETTER].split(",")) == {
        "clusters", "retrieval", "label_free/rankme", "label_free/lidar", "label_free/participation_ratio",
    }  # fmt: skip
    best = {row.name: row.best[0] for row in compare([str(result.run_id)]).metrics}
    assert best["label_free/rankme"] == max(scores["label_free/rankme"].values())
    assert best["label_free/alignment"] == min(scores["label_free/alignment"].values())
    assert best["label_free/alpha_req"] is None
    assert best["clusters/adjusted_rand"] == max(scores["clusters/adjusted_rand"].values())


def test_pictures_without_labels(pictures: Path, here: Path) -> None:
    """A run has what needs none, and so has what comes after it; what needs some is named."""
    said: list[str] = []
    sets = [f"evaluate.label_free={SMALL.partition(':')[2]}"]
    result = graphssl.run(pictures, sets, name=f"bare-{here.name}", device="cpu", report=said.append)
    assert any("warning: knn is left out: the data set has no labels" in line for line in said)
    assert set(result.outcome.scores) >= OF_VIEWS | OF_PLAIN - {"label_free/alpha_req"}
    after = evaluate_run(result.folder.name, {}, "cpu")
    assert after.scores == {metric: found[max(found)] for metric, found in result.outcome.scores.items()}
    assert after.notes[0].startswith("knn is left out: the data set has no labels")
    assert [note.partition(":")[0] for note in after.notes[1:]] == ["label_free.samples", "label_free.seen"]
    assert graphssl.evaluate(result, protocol="label_free", device="cpu").scores == after.scores
    for asked in ("knn", ["knn", "label_free"]):
        with pytest.raises(RunError, match=f"'{result.folder.name}' cannot be evaluated by knn: the data set has no"):
            graphssl.evaluate(result, protocol=asked, device="cpu")
    with pytest.raises(RunError, match="cannot be evaluated by clusters, retrieval: the data set has no labels"):
        graphssl.evaluate(result, protocol=["retrieval", "label_free", "clusters"], device="cpu")


def test_on_other_pictures_without_labels(here: Path, write: Write) -> None:
    (here / "others").mkdir()
    for i in range(12):
        Image.new("RGB", (40, 30), (20 * i, 0, 250 - 20 * i)).save(here / f"others/{i:02d}.png")
    result = graphssl.run(write(GRAPH), name=f"elsewhere-{here.name}", device="cpu", report=nobody)
    options: Any = {"samples": 300, "seen": 60, "views": 3, "fit": [1, 4]}
    found = graphssl.evaluate(result, protocol="label_free", data="others", sets=options, device="cpu")
    (label,) = found.figures
    assert label.startswith("label_free samples 300")
    assert label.endswith(" on others")
    assert len(found.scores) == 6
    assert find_run(str(result.run_id)).metrics.keys() >= found.figures[label].scores.keys()


def test_figures_of_what_the_graph_does_not_judge_say_so(here: Path, write: Write) -> None:
    """Else they would pass for those of its encoder, in the run's folder and in MLflow."""
    result = graphssl.run(write(GRAPH), name=f"other-{here.name}", device="cpu", report=nobody)
    before = {label: found[1] for label, found in result.outcome.scores.items()}
    other = graphssl.evaluate(result, sets=["evaluate.features=z"], device="cpu")
    assert set(other.scores) == {"knn of z", "knn of z/top5"}
    both = graphssl.evaluate(result, sets=["evaluate.features=[z, encoder]"], device="cpu")
    assert both.scores == {**other.scores, **before}
    assert {r.label: r.features for r in records(find_folder(result.folder.name))} == {
        "knn": "encoder",
        "knn of z": "z",
    }
    assert find_run(str(result.run_id)).metrics["knn"] == before["knn"]

    silent = write(GRAPH, ("features: encoder, ", ""))
    found = graphssl.run(silent, name=f"auto-{here.name}", report=nobody)
    named = graphssl.evaluate(found, sets=["evaluate.features=encoder"])
    assert named.scores == {metric: value[1] for metric, value in found.outcome.scores.items()}, "it is found so too"

"""What MLflow knows of a run beside its metrics: parameters, tags, data, its note; alone and in a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pytest
from conftest import SIMCLR, Write
from whole_runs import QUICK

import graphssl
from graphssl.evaluation.registry import score_text
from graphssl.runs.folder import RunFolder
from graphssl.runs.membership import Membership
from graphssl.runs.note import note_of
from graphssl.track import NOTE, find_run, fitted

TABLE = "| kNN accuracy |"


def nobody(line: str) -> None:
    pass


def in_store(store: str, run_id: str | None) -> Any:
    return mlflow.MlflowClient(store).get_run(str(run_id))


def test_a_run_says_what_it_is_on_what_and_what_came_of_it(here: Path, store: str, write: Write) -> None:
    sets = ["train.steps=1", "description=two views of an image"]
    result = graphssl.run(write(SIMCLR), sets, name=f"noted-{here.name}", device="cpu", report=nobody)
    run = in_store(store, result.run_id)
    note = run.data.tags[NOTE]
    scores = result.outcome.scores
    assert note.startswith(
        f"**{run.data.params['graph']}** kNN {100 * scores['knn'][1]:.2f} %, finished after step 1, loss "
    )
    assert "two views of an image" in note
    assert f"{TABLE} {100 * scores['knn'][0]:.2f} % | {100 * scores['knn'][1]:.2f} % |" in note
    assert "`graph.svg` (the graph)" in note
    assert "```yaml\ngraph: " in note
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("digits", run.data.tags["graphssl.data_fingerprint"])
    assert {tag.key: tag.value for tag in data.tags} == {"mlflow.data.context": "training"}
    assert "track" not in run.data.params
    again = graphssl.evaluate(str(result.folder.path), {"label_free": {}}, device="cpu")
    said = in_store(store, result.run_id).data.tags[NOTE]
    assert score_text("label_free/rankme", again.scores["label_free/rankme"]) in said
    assert TABLE in said


def test_of_a_study_s_run_what_varies_is_its_parameters(
    here: Path, store: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And `compare` knows the whole graph of it all the same, also where its folder is not."""
    path, ids, names = write(SIMCLR, *QUICK), [], []
    for value in ("0.1", "0.2"):
        known = Membership(
            "warm", "graph.yaml", "4" * 32, {"nodes.critic.temperature": value, "negatives": "queue.yaml"}
        )
        for name, said in known.environment.items():
            monkeypatch.setenv(name, said)
        names.append(f"warm-{value}-{here.name}")
        sets = [f"nodes.critic.temperature={value}"]
        ids.append(graphssl.run(path, sets, name=names[-1], device="cpu", report=nobody).run_id)
    run = in_store(store, ids[1])
    graph = run.data.params["graph"]
    assert run.data.params == {
        "graph": graph, "nodes.critic.temperature": "0.2", "negatives": "queue.yaml", "train.seed": "0",
    }  # fmt: skip
    assert {key: run.data.tags[key] for key in ("graphssl.study", "graphssl.parent", "mlflow.parentRunId")} == {
        "graphssl.study": "warm", "graphssl.parent": "graph.yaml", "mlflow.parentRunId": "4" * 32,
    }  # fmt: skip
    assert "of the study **warm**, `nodes.critic.temperature` 0.2, `negatives` queue.yaml" in run.data.tags[NOTE]
    assert find_run(str(ids[1])).params["nodes.encoder.use"] == "encoder.resnet"
    assert graphssl.compare(names).params == {"nodes.critic.temperature": ("0.1", "0.2")}

    monkeypatch.delenv("GRAPHSSL_STUDY")  # gone on with by hand
    graphssl.run(resume=names[1], sets=["train.steps=2"], device="cpu", report=nobody)
    again = in_store(store, ids[1])
    assert again.data.params == run.data.params
    assert again.data.tags["graphssl.study"] == "warm"
    assert graphssl.compare(names).params["train.steps"] == ("1", "2")


def test_a_run_that_has_just_begun_has_a_note_too(tmp_path: Path) -> None:
    (tmp_path / "graph.yaml").write_text("graph: a\nnodes: {}\n")
    assert note_of(RunFolder(tmp_path)) == "**a**\n\n```yaml\ngraph: a\nnodes: {}\n```\n"


def test_a_note_is_as_long_as_mlflow_takes(tmp_path: Path) -> None:
    lines = [f"key{i}: {'x' * 40}" for i in range(200)]
    text = fitted(["**a**", "b"], "\n".join(lines), 1000)
    assert len(text) <= 1000
    *head, last, fence = text.rstrip("\n").split("\n")
    assert (last, fence) == ("# … the rest is in the artifact graph.yaml", "```")
    assert head[-1] in lines
    assert fitted(["x" * 2000], "a: 1\n", 1000) == "x" * 1000

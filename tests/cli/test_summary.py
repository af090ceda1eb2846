"""What commands say of what came of them."""

from __future__ import annotations

from pathlib import Path

from graphssl.cli.summary import evaluation_text, export_text, run_text
from graphssl.evaluation.knn import Knn
from graphssl.evaluation.logistic import Logistic
from graphssl.runs.evaluate import Evaluated
from graphssl.runs.export import Exported
from graphssl.runs.folder import RunFolder
from graphssl.runs.results import Result
from graphssl.train.outcome import Outcome

FOLDER = RunFolder(Path("runs/byol-1"))


def closing(outcome: Outcome, run_id: str | None = "abc", *warnings: str) -> list[str]:
    return run_text(Result(FOLDER, outcome, run_id, warnings)).split("\n")


def test_the_close_of_a_finished_run() -> None:
    outcome = Outcome(690, 0.07934, images_per_second=1448.4)
    outcome.scores = {"knn": {0: 0.8788, 5: 0.91, 30: 0.96296}, "linear": {0: 0.9, 30: 0.95}}
    assert closing(outcome) == [
        "finished after step 690, loss 0.0793",
        "  kNN        87.88 % before, 96.30 % after",
        "  linear     90.00 % before, 95.00 % after",
        "  speed      1,448 images/s",
        "  run        runs/byol-1 (MLflow abc)",
        "  see it     graphssl ui",
    ]


def test_a_model_is_named_once_mlflow_has_it(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.note(register="encoder")
    (tmp_path / "model").mkdir()
    result = Result(folder, Outcome(6, 1.0), "abc", ())
    assert "  model      encoder, in MLflow" in run_text(result).split("\n")
    folder.spool.write_text("{}")
    assert "encoder" not in run_text(result)


def test_it_says_since_when_what_is_not_measured_before_training() -> None:
    outcome = Outcome(690, 0.07934)
    outcome.scores = {"probe": {1: 0.7, 30: 0.95}, "linear": {30: 0.96}}
    assert closing(outcome)[1:3] == [
        "  online probe 70.00 % after epoch 1, 95.00 % after",
        "  linear     96.00 % after",
    ]


def test_the_close_of_a_run_without_evaluation_or_store() -> None:
    assert closing(Outcome(6, 1.0, images_per_second=90.0), None, "2 metrics could not be delivered") == [
        "finished after step 6, loss 1.0000",
        "  speed      90 images/s",
        "  run        runs/byol-1",
        "warning: 2 metrics could not be delivered",
    ]


def test_the_close_of_an_interrupted_run_says_how_to_go_on() -> None:
    lines = closing(Outcome(14, 0.5, {"knn": {0: 0.8}}, interrupted=True))
    assert lines[0] == "interrupted after step 14; a checkpoint is written"
    assert closing(Outcome(14, 0.5, {"knn": {0: 0.8}}, interrupted=True, from_outside=True))[0].startswith(
        "stopped from"
    )
    assert lines[1] == "  go on      graphssl run --resume byol-1"
    assert not any("kNN" in line for line in lines), "the score before training alone says nothing of the training"


def test_a_score_is_told_with_the_options_that_it_depends_on() -> None:
    evaluations = {"knn": Knn(Knn.Config(k=5, temperature=0.1)), "logistic": Logistic(Logistic.Config())}
    assert evaluation_text(Evaluated("byol-1", {"knn": 0.91, "logistic": 0.5}, evaluations)).split("\n") == [
        "byol-1: kNN accuracy 91.00 % (k 5, temperature 0.1)",
        "byol-1: logistic accuracy 50.00 % (penalty 0.001)",
    ]


def test_what_is_exported_is_told_with_the_code_that_loads_it() -> None:
    exported = Exported(Path("encoder.pt"), 12, 11_689_512, "import torch", "torch", Path("encoder.md"))
    assert export_text(exported).split("\n") == [
        "wrote encoder.pt: 12 tensors, 11,689,512 values",
        "  read more  encoder.md",
        "  load it    import torch",
    ]

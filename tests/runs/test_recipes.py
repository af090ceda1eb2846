"""Evaluations that files ask for: recipes, and pictures with boxes, of a run."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from box_files import coco, shapes, voc
from conftest import BYOL, SIMCLR, Write, problems_of
from left_runs import left_run

import graphssl
from graphssl.errors import RunError, UsageError
from graphssl.evaluation.detection import Detection
from graphssl.evaluation.detection.measuring import measure
from graphssl.evaluation.figures import Figures
from graphssl.graph.language.packaged import packaged, packaged_evaluations
from graphssl.runs.recipes import read_asked

PUBLISHED = ["imagenet/detection/coco_c4", "imagenet/detection/coco_fpn", "imagenet/detection/voc_c4"]
SMALL = "{iterations: 2, batch: 2, min_size: [64], test_size: 64, regions: 16, neck: c4, warmup: 0, TRAIN}"


@pytest.fixture
def run(here: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GRAPHSSL_FEATURE_CACHE", "0")
    return str(left_run(here / "runs/a", SIMCLR).path)


def boxes(folder: Path) -> str:
    root = voc(folder / "VOC", shapes(2))
    one = f"{{use: voc, root: {root}, split: trainval}}"
    return f"training: {one}, test: {one}"


def recipe(folder: Path) -> Path:
    file = folder / "small.yaml"
    file.write_text(f"evaluate:\n  detection: {SMALL.replace('TRAIN', boxes(folder))}\n")
    return file


def labels(run: str) -> dict[str, Any]:
    return {d["label"]: d for d in (json.loads(f.read_text()) for f in Path(run).glob("evaluations/*.json"))}


def test_a_recipe_is_a_file_and_figures_are_called_after_it(run: str, here: Path) -> None:
    file = recipe(here)
    found = graphssl.evaluate(run, protocol=str(file))
    assert set(found.scores) >= {"detection", "detection/ap50"}
    assert set(found.figures) == {"detection by small"}
    assert found.evaluations["detection"].config.iterations == 2  # type: ignore[attr-defined]
    again = graphssl.evaluate(run, protocol=str(file), sets=["iterations=1", "lr=0.01"])
    assert set(again.figures) == {"detection by small iterations 1 lr 0.01"}
    assert labels(run)["detection by small"]["settings"]["training"]["split"] == "trainval"
    assert graphssl.evaluate(run, protocol=str(file)).figures == found.figures


def test_pictures_with_boxes_are_data_of_a_file(run: str, here: Path) -> None:
    file, sets = (
        here / "shapes.yaml",
        ["iterations=1", "batch=1", "min_size=[64]", "test_size=64", "regions=8", "neck=c4"],
    )
    file.write_text(f"data: {{{boxes(here)}}}\n")
    found = graphssl.evaluate(run, protocol="detection", data=file, sets=sets)
    (label,) = found.figures
    assert label.startswith("detection on shapes neck c4 iterations 1 batch 1 ")
    file.write_text("data: {root: x}\n")
    text = "\n".join(problems_of(read_asked, ["detection"], str(file)))
    assert "no key is called 'root' here" in text
    assert "'training' and 'test' are missing" in text
    with pytest.raises(UsageError, match=r"--data is a YAML file with data: \{training:"):
        graphssl.evaluate(run, protocol="detection", data=here)
    with pytest.raises(UsageError, match="ask for it alone"):
        graphssl.evaluate(run, protocol=["detection", "knn"], data=file)


def test_figures_are_told_apart_by_what_pictures_are_called_wherever_they_are(run: str, here: Path) -> None:
    file = recipe(here)
    (here / "moved").mkdir()
    (here / "VOC").rename(here / "moved/VOC")
    moved = [f"{part}.root={here / 'moved/VOC'}" for part in ("training", "test")]
    assert set(graphssl.evaluate(run, protocol=str(file), sets=moved).figures) == {"detection by small"}
    other = coco(here / "other", shapes(2))
    sets = [f"{part}={json.dumps(other)}" for part in ("training", "test")]
    (label,) = graphssl.evaluate(run, protocol=str(file), sets=sets).figures
    assert label == "detection by small training instances test instances"


def test_detection_of_the_momentum_encoder_and_of_what_gives_vectors_alone(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = str(left_run(here / "runs/b", BYOL).path)
    seen: list[str] = []

    def noted(config: Detection.Config, context: Any) -> Figures:
        seen.append(context.name)
        return Figures({"detection": 0.5})

    monkeypatch.setattr("graphssl.evaluation.detection.measuring.measure", noted)
    file = recipe(here)
    found = graphssl.evaluate(run, protocol=str(file), sets=["evaluate.features=[encoder, target.encoder]"])
    assert seen == ["encoder", "target.encoder"]
    assert set(found.scores) == {"detection", "detection of target.encoder"}
    with pytest.raises(RunError, match="'z': it cannot be the backbone of a detector: it is a value of the flow"):
        graphssl.evaluate(run, protocol=str(file), sets=["evaluate.features=z"])
    assert measure is not noted


def test_a_recipe_may_be_of_any_evaluation(run: str, here: Path) -> None:
    file = here / "few.yaml"
    file.write_text("description: few neighbours\nevaluate: {features: encoder, knn: {k: [3, 5]}}\n")
    found = graphssl.evaluate(run, protocol=str(file))
    assert set(found.figures) == {"knn by few"}
    assert {"knn", "knn/k 5"} <= set(found.scores)
    assert read_asked([str(file)], None).protocols == ["knn"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("graph: a\ntrain: {}\nevaluate: {knn: {}}\n", "'train' says nothing here"),
        ("evaluate: {features: encoder}\n", "this file asks for no evaluation"),
        ("evaluate: {knn: {kk: 5}}\n", "no key is called 'kk'"),
        ("evaluate: {knnn: {}}\n", "did you mean 'knn'"),
        ("evaluate: {knn: {}, monitor: {}}\n", "monitors watch a training"),
        ("evaluate: {detection: {training: {use: vocc, root: a, split: b}}}\n", "voc"),
        ("evaluate: {detection: {training: {use: voc, root: a}}}\n", "'split' is missing"),
        ("evaluate: {detection: {model: rcnn}}\n", "did you mean 'mask_rcnn'?"),
        ("description: nothing\n", "this file asks for no evaluation"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_told_at_its_place(here: Path, text: str, words: str) -> None:
    (here / "wrong.yaml").write_text(text)
    found = problems_of(read_asked, ["wrong.yaml"], None)
    assert any(words in one for one in found), found
    assert all(one.startswith("wrong.yaml:") for one in found)


def test_names_that_are_no_recipes(here: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'imagenet/detection/voc_c4'"):
        read_asked(["imagenet/detection/voc_c5"], None)
    with pytest.raises(UsageError, match="'knn' is asked for twice"):
        read_asked(["knn", "knn"], None)
    assert "there is no graph file 'nowhere.yaml'" in problems_of(read_asked, ["nowhere.yaml"], None)[0]


# -- those that come with graphssl -------------------------------------------------------------------------------------


def test_mocos_recipes_are_no_graphs() -> None:
    assert packaged_evaluations() == PUBLISHED
    assert not set(PUBLISHED) & set(packaged())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("voc_c4", ("faster_rcnn", "c4", 24_000, [18_000, 22_000], 100, 480)),
        ("coco_c4", ("mask_rcnn", "c4", 90_000, [60_000, 80_000], 1000, 640)),
        ("coco_fpn", ("mask_rcnn", "fpn", 90_000, [60_000, 80_000], 1000, 640)),
    ],
)
def test_mocos_recipes_have_the_options_of_the_paper_and_its_configs(name: str, expected: tuple[Any, ...]) -> None:
    """He et al. 2020, sections 4.2.1 and 4.2.2, and the configs of detectron2 that the authors published."""
    asked = read_asked([f"imagenet/detection/{name}"], None)
    assert asked.protocols == ["detection"]
    config = asked.recipes["detection"][1].asked["detection"]
    assert isinstance(config, Detection.Config)
    found = config.model, config.neck, config.iterations, config.steps, config.warmup, min(config.min_size)
    assert found == expected
    assert (config.lr, config.batch, config.momentum, config.weight_decay) == (0.02, 16, 0.9, 1e-4)
    assert (config.norm, config.trainable_layers, config.test_size, config.max_size) == ("batch", 5, 800, 1333)
    assert set(range(min(config.min_size), 801, 32)) == set(config.min_size)


def test_data_that_are_not_there_are_told(run: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(RunError) as error:
        graphssl.evaluate(run, protocol="imagenet/detection/voc_c4")
    text = str(error.value)
    assert "detection.training: there is no Annotations in VOCdevkit/VOC2007, VOCdevkit/VOC2012" in text
    assert "detection.test: there is no Annotations in VOCdevkit/VOC2007" in text


def test_the_data_of_the_run_need_not_be_here(here: Path) -> None:
    text = SIMCLR.replace("use: digits", "use: image_folder, root: gone, size: 32")
    run = str(left_run(here / "runs/c", text).path)
    found = graphssl.evaluate(run, protocol=str(recipe(here)))
    assert set(found.figures) == {"detection by small"}
    with pytest.raises(RunError, match="gone"):
        graphssl.evaluate(run, protocol="knn")


# -- in a graph --------------------------------------------------------------------------------------------------------

ASKS = "evaluate: {features: encoder, knn: {k: 5, every: 1}}"


def test_check_finds_what_is_missing_and_networks_without_maps(write: Write, here: Path) -> None:
    asks = f"evaluate: {{features: FEATURES, knn: null, detection: {SMALL}}}"
    boxed = asks.replace("TRAIN", boxes(here))
    assert graphssl.check(write(SIMCLR, (ASKS, boxed.replace("FEATURES", "encoder"))))
    (found,) = problems_of(graphssl.check, write(SIMCLR, (ASKS, boxed.replace("FEATURES", "z"))))
    assert "detection: 'z': it cannot be the backbone of a detector: it is a value of the flow" in found
    vit = ("{use: encoder.resnet, depth: 10, width: 8}", "{use: encoder.vit, patch: 8, dim: 32, depth: 2, heads: 2}")
    (found,) = problems_of(graphssl.check, write(SIMCLR, vit, (ASKS, boxed.replace("FEATURES", "encoder"))))
    assert "detection: 'encoder': it cannot be the backbone of a detector: no feature maps can be had of a ViT" in found
    lacking = asks.replace("FEATURES", "encoder").replace(", TRAIN", ", training: {use: voc, root: no, split: a}")
    found = "\n".join(problems_of(graphssl.check, write(SIMCLR, (ASKS, lacking))))
    assert "detection.training: there is no Annotations in no" in found
    assert "detection.test: pictures with boxes are needed" in found


def test_it_is_due_where_a_run_ends(write: Write, here: Path) -> None:
    asks = f"evaluate: {{features: encoder, knn: null, detection: {SMALL.replace('TRAIN', boxes(here))}}}"
    path = write(SIMCLR, (ASKS, asks), ("epochs: 2", "steps: 1"), ("batch: 16", "batch: 64"))
    run = graphssl.run(path, name="with_boxes", report=lambda _: None)
    assert set(run.outcome.scores) >= {"detection", "detection/ap50"}
    assert set(run.outcome.scores["detection"]) == {1}
    again = graphssl.evaluate(run, protocol="detection")
    assert again.scores["detection"] == run.outcome.scores["detection"][1]

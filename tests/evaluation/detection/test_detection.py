"""Detection with an encoder: what is learnt, measured and refused, on pictures that a test draws."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from box_files import coco, shapes, voc
from pydantic import ValidationError
from torch import nn

from graphssl.component import DataFacts, discover
from graphssl.components.encoder.resnet import ResNet
from graphssl.errors import RunError
from graphssl.evaluation import Context
from graphssl.evaluation.detection import Detection, masks
from graphssl.evaluation.detection.measuring import build, read_both
from graphssl.evaluation.detection.reading import read

CPU = torch.device("cpu")
SMALL = {"batch": 4, "lr": 0.2, "warmup": 5, "min_size": [64], "test_size": 64, "regions": 32, "neck": "c4"}


def context(network: nn.Module | None = None) -> Context:
    discover()
    torch.manual_seed(0)
    network = network or ResNet(ResNet.Config(depth=10, width=8), {"c": 3, "h": 32, "w": 32})
    nothing: Any = None  # the data of the run are not needed
    return Context(network, nothing, DataFacts(mean=(0.5,) * 3, std=(0.25,) * 3), (32, 32), 64, CPU, name="encoder")


def detection(**options: Any) -> Detection:
    return Detection(Detection.Config.model_validate({**SMALL, **options}))


def of_voc(folder: Path, count: int = 12) -> dict[str, Any]:
    boxes = {"use": "voc", "root": str(voc(folder / "VOC", shapes(count))), "split": "trainval"}
    return {"training": boxes, "test": boxes}


def test_the_loss_falls_and_the_figures_have_their_form(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    asked = detection(iterations=8, **{**of_voc(tmp_path, 3), "regions": 16})
    with caplog.at_level(logging.INFO):
        found = asked.run(context())
    own = {f"detection/voc07_{name}" for name in ("ap", "ap50", "ap75")}
    assert {"detection", "detection/ap50", "detection/ap75", "detection/ap_small", *own} == set(found.scores)
    losses = found.details["loss"]
    assert len(losses) == 8
    assert losses[-1] < 0.9 * losses[0]
    assert found.details["training"] == {"pictures": 3, "objects": 4, "ignored": 0, "left_out": {}}
    assert [name for name, _ in found.details["per_class"]] == ["circle", "square", "triangle"]
    assert found.details["lr"] == 0.05, "in proportion to the batch"
    assert "3 of 3 held-out pictures are training pictures too" in caplog.text
    assert "faster_rcnn with c4 on 'encoder', 3 pictures with 4 objects of 3 classes, 8 iterations" in caplog.text
    assert "detection: 8 of 8 iterations, loss" in caplog.text
    assert asked.run(context()) == found, "twice the same is the same number"


@pytest.mark.slow
def test_twelve_pictures_in_vocs_format_are_learnt_by_heart(tmp_path: Path) -> None:
    found = detection(iterations=110, **of_voc(tmp_path)).run(context())
    assert found.scores["detection/ap50"] > 0.9
    assert found.scores["detection/voc07_ap50"] > 0.9
    assert found.scores["detection"] > 0.4


@pytest.mark.slow
def test_twelve_pictures_in_cocos_format_are_learnt_by_heart_with_their_masks(tmp_path: Path) -> None:
    boxes = coco(tmp_path, shapes())
    found = detection(model="mask_rcnn", iterations=150, training=boxes, test=boxes).run(context())
    assert found.scores["detection/ap50"] > 0.9
    assert found.scores["detection/mask_ap50"] > 0.9
    assert {"detection/mask_ap", "detection/mask_ap75", "detection/mask_ap_small"} < set(found.scores)
    assert len(found.details["mask_per_class"]) == 3


@pytest.mark.slow
def test_with_a_pyramid(tmp_path: Path) -> None:
    network = ResNet(ResNet.Config(depth=10, width=8, stem="imagenet"), {"c": 3, "h": 32, "w": 32})
    found = detection(neck="fpn", iterations=8, batch=2, regions=8, **of_voc(tmp_path, 2)).run(context(network))
    assert {"detection", "detection/ap50"} < set(found.scores)
    assert found.details["loss"][-1] < found.details["loss"][0]


def test_masks_with_a_pyramid_are_learnt_from(tmp_path: Path) -> None:
    """Four losses of boxes, and that of masks."""
    boxes = coco(tmp_path, shapes(2))
    asked = detection(neck="fpn", model="mask_rcnn", regions=4, training=boxes, test=boxes)
    train, _ = read_both(asked.config)
    model = build(asked.config, context(), 3).train()
    one = read(train.pictures[0], 3, masks=True).to(CPU)
    losses = model([one.image], [one.target])
    assert set(losses) == {
        "loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg", "loss_mask",
    }  # fmt: skip
    assert all(bool(loss.isfinite()) for loss in losses.values())


def test_what_is_missing_or_cannot_be_is_told_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match=r"detection\.training: pictures with boxes are needed"):
        detection().run(context())
    vectors = nn.Sequential(nn.Flatten(), nn.Linear(3072, 8))
    given = of_voc(tmp_path, 2)
    with pytest.raises(RunError, match="'encoder': it cannot be the backbone of a detector: no feature maps"):
        detection(**given).run(context(vectors))
    with pytest.raises(RunError, match="the pyramid 5 maps: one for each"):
        detection(**given, neck="fpn", anchors=[8, 16]).run(context())
    given["test"] = {**given["test"], "root": str(tmp_path / "nowhere")}
    with pytest.raises(RunError, match=r"detection\.test: there is no Annotations in .*nowhere"):
        detection(**given).run(context())
    monkeypatch.setattr(masks.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RunError, match="needs pycocotools, which is not installed"):
        detection(**given).run(context())


def test_pictures_without_an_object_that_counts(tmp_path: Path) -> None:
    given = of_voc(tmp_path, 2)
    for file in (tmp_path / "VOC/Annotations").iterdir():
        file.write_text(file.read_text().replace("<difficult>0", "<difficult>1"))
    with pytest.raises(RunError, match=r"detection\.training has no object that counts, among 2 pictures"):
        detection(**given).run(context())


def test_options_that_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="steps has 30, and training ends after 20 iterations"):
        detection(iterations=20, steps=[10, 30])
    with pytest.raises(ValidationError, match="mask_rcnn learns from masks, and VOC's format has boxes"):
        detection(model="mask_rcnn", **of_voc(tmp_path, 1))
    with pytest.raises(ValidationError, match="each once"):
        detection(test={"use": "voc", "root": ["a", "a"], "split": "test"})


def test_the_loss_that_is_not_finite_ends_it(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the loss of detection is not finite"):
        detection(iterations=20, warmup=0, **{**of_voc(tmp_path, 2), "lr": 1e9}).run(context())


def test_it_is_computed_in_the_layout_that_it_has_after_a_run() -> None:
    """A run may have laid its weights out otherwise (train.channels_last)."""
    torch.manual_seed(0)
    resnet = ResNet(ResNet.Config(depth=10, width=8), {"c": 3, "h": 32, "w": 32}).to(memory_format=torch.channels_last)
    first = next(p for p in resnet.parameters() if p.ndim == 4)
    assert not first.is_contiguous()
    made = build(Detection.Config(neck="c4"), context(resnet), 3)
    assert all(p.is_contiguous() for p in made.parameters())
    assert not first.is_contiguous(), "the run's own stay"

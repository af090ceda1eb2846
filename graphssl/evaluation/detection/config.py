"""The options of detection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from ..registry import EvaluationConfig
from .options import Boxes, Voc

__all__ = ["PARTS", "DetectionConfig"]

Fraction = Annotated[float, Field(ge=0, le=1)]
PARTS = "training", "test"


class DetectionConfig(EvaluationConfig):
    """Faster R-CNN or Mask R-CNN of torchvision with the network as backbone (MoCo, He et al. 2020,
    arXiv:1911.05722, section 4.2), trained on pictures with boxes and judged by COCO's average precision.

    training, test: pictures with boxes, {use: voc, root: VOCdevkit/VOC2007, split: trainval} or {use: coco,
    annotations: FILE.json, images: FOLDER}. model: faster_rcnn, or with masks mask_rcnn. neck: fpn, a feature
    pyramid on all maps; c4, the map before the last, and the last stage as the head of boxes (R50-C4; residual
    networks). norm: batch trains the batch norms and puts others into the pyramid or after C4's last stage, as MoCo
    does, over the batch of one process; frozen leaves the network's as they are. trainable_layers: 5, all of the
    network, 4 without the stem, ... 0. lr: of a batch of 16; in proportion for others. warmup: iterations in which
    it rises. steps: iterations after which it falls to a tenth; default: 3/4 and 11/12 of all. min_size: of the
    shorter side in pixels, of which each picture draws one; test_size: when it is judged; max_size: of the longer
    side. flip: the share that is flipped. regions: of a picture, from which the head of boxes learns. anchors:
    sides in pixels, one for each map of the pyramid, or several for C4's one; default: 32 to 512 for a network of
    strides 4 to 32.
    """

    training: Boxes | None = None
    test: Boxes | None = None
    model: Literal["faster_rcnn", "mask_rcnn"] = "faster_rcnn"
    neck: Literal["fpn", "c4"] = "fpn"
    norm: Literal["batch", "frozen"] = "batch"
    trainable_layers: Annotated[int, Field(ge=0, le=5)] = 5
    iterations: PositiveInt = 24_000
    batch: PositiveInt = 16
    lr: PositiveFloat = 0.02
    warmup: NonNegativeInt = 100
    steps: list[PositiveInt] | None = None
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: NonNegativeFloat = 1e-4
    min_size: list[PositiveInt] = Field([480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800], min_length=1)
    test_size: PositiveInt = 800
    max_size: PositiveInt = 1333
    flip: Fraction = 0.5
    regions: PositiveInt = 512
    anchors: list[PositiveInt] | None = None
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"

    @model_validator(mode="after")
    def _fits(self) -> DetectionConfig:
        if self.steps and max(self.steps) >= self.iterations:
            raise ValueError(
                f"steps has {max(self.steps)}, and training ends after {self.iterations} iterations: give both, "
                "or steps: null"
            )
        if self.model == "mask_rcnn" and any(isinstance(one, Voc) for one in (self.training, self.test)):
            raise ValueError("mask_rcnn learns from masks, and VOC's format has boxes: use: coco, or faster_rcnn")
        return self

    def named(self) -> Mapping[str, Any]:
        """The options as figures are told apart by them: pictures by what they are called, wherever they are."""
        found = self.model_dump(mode="json", by_alias=True)
        return {**found, **{k: one.named() for k in PARTS if (one := getattr(self, k)) is not None}}

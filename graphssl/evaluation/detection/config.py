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
    """

    training: Boxes | None = Field(
        default=None,
        description="pictures with boxes: `{use: voc, root: VOCdevkit/VOC2007, split: trainval}` or `{use: coco, "
        "annotations: FILE.json, images: FOLDER}`",
    )
    test: Boxes | None = Field(default=None, description="pictures with boxes, as `training`")
    model: Literal["faster_rcnn", "mask_rcnn"] = Field(default="faster_rcnn", description="with masks `mask_rcnn`")
    neck: Literal["fpn", "c4"] = Field(
        default="fpn",
        description="`fpn`: a feature pyramid on all maps; `c4`: the map before the last, and the last stage as the "
        "head of boxes (R50-C4; residual networks)",
    )
    norm: Literal["batch", "frozen"] = Field(
        default="batch",
        description="`batch` trains the batch norms and puts others into the pyramid or after C4's last stage, as "
        "MoCo does, over the batch of one process; `frozen` leaves the network's as they are",
    )
    trainable_layers: Annotated[int, Field(ge=0, le=5)] = Field(
        default=5, description="5: all of the network, 4: without the stem, ... 0"
    )
    iterations: PositiveInt = Field(default=24_000, description="steps of training")
    batch: PositiveInt = Field(default=16, description="pictures in one step")
    lr: PositiveFloat = Field(default=0.02, description="of a batch of 16; in proportion for others")
    warmup: NonNegativeInt = Field(default=100, description="iterations in which it rises")
    steps: list[PositiveInt] | None = Field(
        default=None, description="iterations after which it falls to a tenth; null: 3/4 and 11/12 of all"
    )
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.9, description="SGD's")
    weight_decay: NonNegativeFloat = Field(default=1e-4, description="SGD's")
    min_size: list[PositiveInt] = Field(
        default=[480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800],
        min_length=1,
        description="of the shorter side in pixels, of which each picture draws one",
    )
    test_size: PositiveInt = Field(default=800, description="of the shorter side when it is judged")
    max_size: PositiveInt = Field(default=1333, description="of the longer side")
    flip: Fraction = Field(default=0.5, description="the share that is flipped")
    regions: PositiveInt = Field(default=512, description="of a picture, from which the head of boxes learns")
    anchors: list[PositiveInt] | None = Field(
        default=None,
        description="sides in pixels, one for each map of the pyramid, or several for C4's one; null: 32 to 512 for a "
        "network of strides 4 to 32",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(default="auto", description="as in `train:`")

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

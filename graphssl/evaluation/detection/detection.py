"""Object detection: how good a detector is whose backbone the judged network is."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from ...errors import RunError
from ..context import Context
from ..figures import Figures
from ..registry import Evaluation, Known, Lack, evaluation
from . import masks
from .config import PARTS, DetectionConfig
from .stages import Stages, stages_of

__all__ = ["Detection"]

FORMS = "{use: voc, root: VOCdevkit/VOC2007, split: trainval} or {use: coco, annotations: FILE.json, images: FOLDER}"


@evaluation("detection")
class Detection(Evaluation):
    """Average precision of a detector with the network as its backbone, all of it trained, where training ends."""

    title = "detection"
    quantity = "box AP"
    said = ("model", "neck", "iterations")
    parts = ("", r"(mask_)?ap(50|75|_small|_medium|_large)", "mask_ap", r"voc07_ap(50|75)?")
    needs_labels = needs_data = False  # those that the run was trained on

    Config = DetectionConfig
    config: DetectionConfig

    def due(self, epoch: int, ends: bool) -> bool:
        return ends and epoch > 0

    def refusals(self, network: nn.Module | None, channels: int) -> Iterator[str]:
        found = stages_of(network, channels)
        if (why := found if isinstance(found, str) else _unfit(found, self.config)) is not None:
            yield f"it cannot be the backbone of a detector: {why}"

    def lacks(self, known: Known | None) -> Iterator[Lack]:
        """Nothing of what is known of the run's own data."""
        for name in PARTS:
            boxes = getattr(self.config, name)
            if boxes is None:
                yield Lack("pictures with boxes are needed", name, hint=FORMS)
            elif (absent := boxes.absent()) is not None:
                yield Lack(absent, name)
        if not masks.is_there():
            yield Lack(masks.MISSING, hint=masks.GET)

    def run(self, context: Context) -> Figures:
        if lacks := list(self.lacks(None)):
            told = [f"{'.'.join(filter(None, ('detection', lack.option)))}: {lack.message}" for lack in lacks]
            raise RunError("\n  ".join(told))
        for why in self.refusals(context.module, context.facts.channels):
            raise RunError(f"'{context.name}': {why}")
        from .measuring import measure  # torchvision's detectors take a while to load

        return measure(self.config, context)


def _unfit(stages: Stages, config: DetectionConfig) -> str | None:
    """Why these stages do not do for the options."""
    if config.neck == "c4" and not stages.residual:
        return (
            "neck: c4 takes the last stage of a residual network (encoder.resnet; the resnets of encoder.torchvision "
            "and encoder.timm) as the head of boxes; neck: fpn takes any convolutional network"
        )
    if len(stages.parts) == 1 and config.trainable_layers < 5:
        return "its stages cannot be told apart, so that none of them can be left as it is: trainable_layers: 5"
    if config.anchors is not None and config.neck == "fpn" and len(config.anchors) != len(stages.strides) + 1:
        return f"anchors has {len(config.anchors)} sides, and the pyramid {len(stages.strides) + 1} maps: one for each"
    return None

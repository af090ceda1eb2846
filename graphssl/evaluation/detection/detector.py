"""torchvision's Faster R-CNN and Mask R-CNN (Ren et al. 2015, He et al. 2017) on the stages of an encoder."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from .last_stage import LastStage
from .stages import Stages, run_parts

__all__ = ["Backbone", "build_detector"]

Norm = Literal["frozen", "batch"]

WIDTH = 256  # channels of the pyramid's maps, and of a mask's
RATIOS = (0.5, 1.0, 2.0)
POOLED = 14  # cells a side of what layer4 gets of a box, which makes 7 of them


class Backbone(nn.Module):
    """Maps by name, `0` the finest: those of a feature pyramid (Lin et al. 2017), or with C4 the last map but one.

    frozen: parts, from the first on, that do not learn. norm: frozen leaves the encoder's batch norms as they are, in
    their statistics too; batch trains them, and puts others into the pyramid.
    """

    def __init__(self, stages: Stages, pyramid: bool, norm: Norm, frozen: int) -> None:
        super().__init__()
        parts = stages.parts if pyramid else stages.parts[:-1]
        self.parts = nn.ModuleList(parts)
        self.pyramid: FeaturePyramidNetwork | None = None
        self.out_channels = WIDTH if pyramid else stages.channels[-2]
        self._still = [_held(part, norm, held=i < frozen) for i, part in enumerate(parts)]
        if pyramid:
            layer = nn.BatchNorm2d if norm == "batch" else None
            self.pyramid = FeaturePyramidNetwork(list(stages.channels), WIDTH, LastLevelMaxPool(), layer)

    def train(self, mode: bool = True) -> Backbone:
        super().train(mode)
        for module in (m for part in self._still for m in part):
            module.eval()
        return self

    def maps(self, image: Annotated[Tensor, "b c h w"]) -> list[Tensor]:
        """The encoder's own."""
        return run_parts(list(self.parts), image)

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> dict[str, Tensor]:
        maps = self.maps(image)
        if self.pyramid is None:
            return {"0": maps[-1]}
        found: dict[str, Tensor] = self.pyramid(OrderedDict((str(i), x) for i, x in enumerate(maps)))
        return found


def _held(part: nn.Module, norm: Norm, *, held: bool = False) -> list[nn.Module]:
    """Makes what is not to learn stay, and gives the batch norms that keep their statistics.

    One over parts of the batch is over the whole of it here: a detector's batches are other ones.
    """
    norms = [module for module in part.modules() if isinstance(module, _BatchNorm)]
    for module in norms:
        if hasattr(module, "splits"):
            module.splits = 1  # type: ignore[assignment]  # a number, of the components
    if held:
        part.requires_grad_(False)
    if norm == "batch" and not held:
        return []
    for module in norms:
        module.requires_grad_(False)
    return list(norms)


def build_detector(
    stages: Stages, classes: int, *, masks: bool, pyramid: bool, norm: Norm, trainable: int, min_size: Sequence[int],
    max_size: int, mean: Sequence[float], std: Sequence[float], regions: int = 512,
    anchors: Sequence[int] | None = None,
) -> nn.Module:  # fmt: skip
    """classes: without the background. trainable: 5, all of the encoder, to 0. min_size: of which one is drawn for a
    picture. anchors: sides in pixels; default: 8 strides of each of the pyramid's maps, or 2 to 32 of C4's one, which
    of a network for 224 px is 32 to 512."""
    backbone = Backbone(stages, pyramid, norm, 5 - trainable)
    if pyramid:
        strides = [*stages.strides, 2 * stages.strides[-1]]
        sizes = tuple((size,) for size in anchors or [8 * stride for stride in strides])
        options: dict[str, Any] = _pooled([str(i) for i in range(len(stages.strides))], 7, masks, 2)
        options |= {"num_classes": classes + 1}
    else:
        sizes = (tuple(anchors or [stages.strides[-2] * 2**i for i in range(1, 6)]),)
        options = _of_last(stages.channels[-1], classes, masks)
    options |= {
        "rpn_anchor_generator": AnchorGenerator(sizes, (RATIOS,) * len(sizes)),
        "box_batch_size_per_image": regions,
    }
    kind: type[FasterRCNN] = MaskRCNN if masks else FasterRCNN
    made: Any = kind(
        backbone, min_size=tuple(min_size), max_size=max_size, image_mean=list(mean), image_std=list(std), **options
    )
    if not pyramid:
        _last_stage(stages, norm, trainable).put_into(made.roi_heads, masks)
    found: nn.Module = made
    return found


def _pooled(names: list[str], size: int, masks: bool, samples: int) -> dict[str, Any]:
    """samples: of a cell's side; 0: as many as it has pixels, as detectron's C4 has it."""
    found = {"box_roi_pool": MultiScaleRoIAlign(names, size, samples)}
    if masks:
        found["mask_roi_pool"] = MultiScaleRoIAlign(names, POOLED, samples)
    return found


def _last_stage(stages: Stages, norm: Norm, trainable: int) -> LastStage:
    still = _held(stages.parts[-1], norm, held=trainable == 0)
    after = nn.BatchNorm2d(stages.channels[-1]) if norm == "batch" else nn.Identity()
    return LastStage(MultiScaleRoIAlign(["0"], POOLED, 0), stages.parts[-1], after, still)


def _of_last(width: int, classes: int, masks: bool) -> dict[str, Any]:
    """Predictors on the last stage, whose place its head has yet to take; as many proposals as detectron's C4 has.

    Cells have as many samples a side as they have pixels."""
    found = _pooled(["0"], POOLED, masks, 0)
    found |= {
        "box_head": nn.Identity(), "box_predictor": FastRCNNPredictor(width, classes + 1),
        "rpn_pre_nms_top_n_train": 12_000, "rpn_pre_nms_top_n_test": 6_000,
    }  # fmt: skip
    if masks:
        found |= {"mask_head": nn.Identity(), "mask_predictor": MaskRCNNPredictor(width, WIDTH, classes + 1)}
    return found

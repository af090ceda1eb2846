"""What a trained detector finds in pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .masks import encoded
from .pictures import Picture
from .precision import Found
from .reading import ahead, read

__all__ = ["find_objects"]

SURE = 0.5  # of a mask's pixel


def find_objects(
    detector: nn.Module, pictures: Sequence[Picture], size: int, channels: int, device: torch.device
) -> list[Found]:
    """Of each picture at most 100 objects, in its own pixels. size: what the shorter side is made."""
    detector.transform.min_size = (size,)  # type: ignore[union-attr]  # torchvision's: the last is that of eval mode
    detector.eval()
    with torch.inference_mode():
        reads = ahead(pictures, lambda picture: read(picture, channels))
        return [_found(detector([one.to(device).image])[0]) for one in reads]


def _found(output: dict[str, Any]) -> Found:
    masks = []
    if "masks" in output:
        masks = [encoded(mask.numpy()) for mask in (output["masks"][:, 0] > SURE).byte().cpu()]
    boxes, labels, scores = (output[key].float().cpu().numpy() for key in ("boxes", "labels", "scores"))
    return Found(boxes, [int(label) for label in labels], scores.tolist(), masks)

"""Views of images: the published augmentations, batched, with parameters of their own for each image."""

from __future__ import annotations

from .multicrop import Crops, MultiCrop
from .plain import Plain
from .recipes import BYOL, MoCoV1, MoCoV2, SimCLR

__all__ = ["BYOL", "Crops", "MoCoV1", "MoCoV2", "MultiCrop", "Plain", "SimCLR"]

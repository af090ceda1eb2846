"""Views of images: the published augmentations, batched, with parameters of their own for each image."""

from __future__ import annotations

from .chain import Chain
from .lab import Lab, LightnessAndColour
from .multicrop import DINO, Crops, MultiCrop
from .patches import Patches
from .plain import Plain
from .recipes import AMDIM, BYOL, CMC, CPC, NPID, MoCoV1, MoCoV2, SimCLR
from .transforms import Transforms

__all__ = [
    "AMDIM", "BYOL", "CMC", "CPC", "DINO", "NPID", "Chain", "Crops", "Lab", "LightnessAndColour", "MoCoV1", "MoCoV2",
    "MultiCrop", "Patches", "Plain", "SimCLR", "Transforms",
]  # fmt: skip

"""Views of images: the published augmentations, batched, with parameters of their own for each image."""

from __future__ import annotations

from .chain import Chain
from .channels import Channels
from .lab import Lab, LightnessAndColour
from .multicrop import DINO, Crops, MultiCrop
from .neighbours import Neighbours, SideBySide
from .patches import Patches
from .plain import Plain
from .rearrange import Rearrange, Rearranged
from .recipes import AMDIM, BYOL, CMC, CPC, NPID, MoCoV1, MoCoV2, SimCLR
from .rotate import Rotate, Turned
from .transforms import Transforms

__all__ = [
    "AMDIM", "BYOL", "CMC", "CPC", "DINO", "NPID", "Chain", "Channels", "Crops", "Lab", "LightnessAndColour", "MoCoV1",
    "MoCoV2", "MultiCrop", "Neighbours", "Patches", "Plain", "Rearrange", "Rearranged", "Rotate", "SideBySide",
    "SimCLR", "Transforms", "Turned",
]  # fmt: skip

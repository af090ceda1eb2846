"""Encoders: images to the vectors that are evaluated and transferred."""

from __future__ import annotations

from .amdim import AMDIM
from .conv import Conv
from .resnet import ResNet
from .vit import ViT

__all__ = ["AMDIM", "Conv", "ResNet", "ViT"]

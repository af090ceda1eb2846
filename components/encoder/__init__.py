"""Encoders: images to the vectors that are evaluated and transferred."""

from __future__ import annotations

from .resnet import ResNet
from .vit import ViT

__all__ = ["ResNet", "ViT"]

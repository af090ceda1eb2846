"""Encoders: images to the vectors that are evaluated and transferred."""

from __future__ import annotations

from .alexnet import AlexNet
from .conv import Conv
from .module import Module
from .resnet import ResNet
from .timm import Timm
from .torchvision import Torchvision
from .unpadded import Unpadded
from .vit import ViT

__all__ = ["AlexNet", "Conv", "Module", "ResNet", "Timm", "Torchvision", "Unpadded", "ViT"]

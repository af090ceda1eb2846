"""How convolutions lie in memory: channels last where that is asked for, and where torch computes it right."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ["lay_out"]

FEWEST = 16  # channels from which on it is right
PIXELS = 32 * 32  # of a map, up to which it is


def lay_out(module: nn.Module, device: torch.device, *, channels_last: bool) -> None:
    """Puts a module's convolutions into channels last, where that is asked for.

    On a CPU the backward pass of a 1x1 convolution with strides writes beyond its memory where few channels come last
    and maps are large (torch 2.14: up to 8 channels, from 56 x 56 on): such have channels first, whatever they are
    given.
    """
    if not channels_last:
        return
    found = (layer for layer in module.modules() if device.type == "cpu" and _writes_beyond(layer))
    weights = {layer: layer.weight.data for layer in found if isinstance(layer, nn.Conv2d)}
    module.to(memory_format=torch.channels_last)
    for layer, weight in weights.items():
        layer.weight.data = weight
        layer.register_forward_pre_hook(_channels_first)


def _writes_beyond(layer: nn.Module) -> bool:
    return (
        isinstance(layer, nn.Conv2d)
        and layer.kernel_size == (1, 1)
        and max(layer.stride) > 1
        and layer.in_channels // layer.groups < FEWEST
    )


def _channels_first(layer: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    image, *rest = given
    if image.shape[-1] * image.shape[-2] <= PIXELS:
        return given
    return (image.contiguous(), *rest)

"""Clipping of the gradient: of its norm as a whole, or of each parameter's by itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ..graph import spec

__all__ = ["clip_gradients"]

EPS = 1e-6  # as torch.nn.utils.clip_grad_norm_ and DINO's code have it


def clip_gradients(parameters: Sequence[nn.Parameter], clip: float | spec.Clip) -> None:
    """Scales gradients whose norm is above `clip` down to it; nothing is read from the device.

    By parameter: g times min(1, clip / (||g|| + 1e-6)) (DINO's code, `utils.clip_gradients`).
    """
    if not isinstance(clip, spec.Clip):
        clip = spec.Clip(norm=clip)
    if clip.per == "all":
        torch.nn.utils.clip_grad_norm_(parameters, clip.norm)
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    if gradients:
        norms = torch.stack(list(torch._foreach_norm(gradients)))
        torch._foreach_mul_(gradients, list((clip.norm / (norms + EPS)).clamp(max=1).unbind()))

"""A batch without data: what a step takes, at the sizes that it will have."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data import Batch
from .program import Program

__all__ = ["blank"]


def blank(program: Program, device: torch.device, generator: torch.Generator | None = None) -> Batch:
    """A batch on a device. generator: of random pixels; without it pictures are whatever the memory holds."""
    b, facts = program.shapes.batch, program.shapes.data
    dtype = getattr(torch, facts.dtype)

    def pixels(n: int, size: tuple[int, int]) -> Tensor:
        shape = (n, facts.channels, *size)
        if generator is None:
            return torch.empty(shape, dtype=dtype, device=device)
        if dtype.is_floating_point:
            return torch.rand(shape, dtype=dtype, generator=generator, device=device)
        most = torch.iinfo(dtype).max + 1
        return torch.randint(0, most, shape, generator=generator, device=device, dtype=torch.int32).to(dtype)

    image = pixels(b, facts.image) if "image" in program.inputs else torch.empty(b, 0, device=device)
    index = torch.arange(b, device=device) % (facts.samples or b)
    cuts = tuple(tuple(pixels(b * cut.views, cut.size) for cut in cuts) for cuts in program.cuts)
    return Batch(image, index, torch.zeros_like(index), cuts)

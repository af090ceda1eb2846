"""From red, green and blue to lightness and colour, which CMC takes for two views of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..numeric import wide

__all__ = ["Lab", "LightnessAndColour", "in_lab_units", "reachable"]

# Linear RGB of sRGB's primaries to XYZ, over the white of D65 seen by the 2 degree observer.
XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
WHITE = (0.95047, 1.0, 1.08883)
KINK = 0.008856  # below it the cube root is a line
RANGE = {"l": (0.0, 100.0), "a": (-86.183, 98.233), "b": (-107.857, 94.478)}  # what sRGB has
SAMPLES = 65  # with twice as many the same bins of 10 are found


class LightnessAndColour(NamedTuple):
    """Lightness, and the two opponent colours: green to red and blue to yellow."""

    l: Annotated[Tensor, "b 1 y x"]  # noqa: E741  # its name
    ab: Annotated[Tensor, "b 2 y x"]


@component("augment.lab", traits=("rows",))
class Lab(nn.Module):
    """CIE L*a*b* of normalised RGB images, in two parts: `b 3 y x` to `.l`, `b 1 y x`, and `.ab`, `b 2 y x`.

    The views of CMC (Tian et al. 2019, arXiv:1906.05849) as in its code: sRGB to L*a*b* with the white D65, each
    channel scaled so that what sRGB has lies in -1 to 1. The data's statistics, with which images were normalised,
    are undone first, and what is then outside of 0 to 1 is clamped. In float32 or wider, also under autocast.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.mean, self.std = sizes.data.mean, sizes.data.std

    def forward(self, image: Annotated[Tensor, "b 3 y x"]) -> LightnessAndColour:
        undone = zip(wide(image).unbind(1), self.mean, self.std, strict=True)
        lab = _lab([(plane * s + m).clamp(0, 1) for plane, m, s in undone])
        lightness, a, b = (_scaled(name, value) for name, value in zip(RANGE, lab, strict=True))
        return LightnessAndColour(lightness[:, None], torch.stack((a, b), 1))


def in_lab_units(ab: Annotated[Tensor, "b 2 y x"]) -> Annotated[Tensor, "b 2 y x"]:
    """Scaled colours in units of L*a*b* again."""
    spans = zip(ab.unbind(1), (RANGE["a"], RANGE["b"]), strict=True)
    return torch.stack([plane * ((high - low) / 2) + (low + high) / 2 for plane, (low, high) in spans], 1)


def reachable() -> Annotated[Tensor, "n 2"]:
    """a* and b* of colours from all over sRGB, `SAMPLES` steps along each channel; float64."""
    levels = torch.linspace(0, 1, SAMPLES, dtype=torch.float64)
    _, a, b = _lab(torch.cartesian_prod(levels, levels, levels).unbind(1))
    return torch.stack((a, b), 1)


def _lab(rgb: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """L*, a* and b* of red, green and blue, each from 0 to 1."""
    linear = [_linear(plane) for plane in rgb]
    x, y, z = (
        _root(sum(weight * plane for weight, plane in zip(row, linear, strict=True)) / white)  # type: ignore[arg-type]
        for row, white in zip(XYZ, WHITE, strict=True)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _linear(value: Tensor) -> Tensor:
    """The linear intensity of sRGB's values, IEC 61966-2-1."""
    return torch.where(value > 0.04045, ((value + 0.055) / 1.055) ** 2.4, value / 12.92)


def _root(t: Tensor) -> Tensor:
    """The cube root, and below the kink a line; clamped there, so that its gradient stays finite."""
    return torch.where(t > KINK, t.clamp_min(KINK) ** (1 / 3), 7.787 * t + 16 / 116)


def _scaled(name: str, value: Tensor) -> Tensor:
    low, high = RANGE[name]
    return (value - (low + high) / 2) / ((high - low) / 2)

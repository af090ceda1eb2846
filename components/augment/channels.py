"""The colour channels of a patch, so that they do not tell where in the picture it lay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field, NonNegativeInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Signature, signature_of

from ..numeric import wide
from .operation import Probability

__all__ = ["Channels"]

NOISE = 0.01  # of the standard deviation of the channel that stays
EPS = 1e-4  # beside the variance of a patch, in units of the data's: a deviation of 1 %


@component("augment.channels", traits=("rows",))
class Channels(nn.Module):
    """Patches whose channels are moved apart, all but one replaced, and scaled: `b c h w` to `b c h w`, normalised.

    Lenses bend colours differently towards the picture's border, and brightness goes on from a patch to the next: a
    network tells a patch's place from both (Doersch et al. 2015, arXiv:1505.05192, section 3.1). `shift` moves each
    channel by itself, by whole pixels, borders repeated: jigsaw puzzles (Noroozi and Favaro 2016, arXiv:1603.09246,
    section 4.2) by up to 2. `drop` leaves one channel, any of them, and puts normal noise of a hundredth of its
    standard deviation for the others (Doersch, section 3.1). `standardize` takes from each channel of each patch its
    mean, and divides the patch by its standard deviation over all channels. In eval mode nothing is drawn. Float32
    under autocast too.
    """

    class Config(NodeConfig):
        shift: NonNegativeInt = Field(0, description="largest move of a channel, in px")
        drop: Probability = Field(0.0, description="probability that all channels but one are replaced by noise")
        standardize: bool = Field(True, description="each patch to mean 0 and standard deviation 1")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.shift, self.drop, self.standardize = config.shift, config.drop, config.standardize
        self.shape = (sizes["c"], sizes["h"], sizes["w"])
        if self.shift >= min(self.shape[1:]):
            raise ValueError(
                f"a move by {self.shift} px leaves nothing of patches of {self.shape[1]} x {self.shape[2]}"
            )

    @classmethod
    def signature(cls, config: Config, of: Mapping[str, Signature]) -> Signature:
        return replace(signature_of(cls.forward), draws=config.shift > 0 or config.drop > 0)

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> tuple[Tensor, ...]:
        """Of each patch the moves of its channels, `b c 2`; whether and which channel stays, `b 2`; the noise."""
        c = self.shape[0]
        moves = torch.randint(-self.shift, self.shift + 1, (b, c, 2), generator=generator, device=device)
        chance = torch.rand((b, 2), generator=generator, device=device)
        noise = torch.randn((b, *(self.shape if self.drop > 0 else (0,))), generator=generator, device=device)
        return moves, chance, noise

    def forward(
        self, image: Annotated[Tensor, "b c h w"], draws: tuple[Tensor, ...] | None = None
    ) -> Annotated[Tensor, "b c h w"]:
        image = wide(image)
        if draws is not None and self.training:
            moves, chance, noise = draws
            if self.shift > 0:
                image = _moved(image, moves)
            if self.drop > 0:
                image = torch.where(
                    (chance[:, 0] < self.drop).view(-1, 1, 1, 1), _one(image, chance[:, 1], noise), image
                )
        if not self.standardize:
            return image
        image = image - image.mean((2, 3), keepdim=True)
        return image * torch.rsqrt(image.square().mean((1, 2, 3), keepdim=True) + EPS)


def _moved(image: Annotated[Tensor, "b c h w"], moves: Annotated[Tensor, "b c 2"]) -> Tensor:
    for axis in (2, 3):
        size = image.shape[axis]
        place = (torch.arange(size, device=image.device) - moves[:, :, axis - 2, None]).clamp(0, size - 1)
        image = image.take_along_dim(place.unsqueeze(5 - axis), axis)
    return image


def _one(image: Annotated[Tensor, "b c h w"], uniform: Annotated[Tensor, "b"], noise: Tensor) -> Tensor:
    """One channel, with noise in place of the others."""
    c = image.shape[1]
    which = torch.floor(uniform * c).clamp_max(c - 1)
    stays = (torch.arange(c, device=image.device) == which[:, None])[:, :, None, None]
    spread = torch.where(stays, image.var((2, 3), keepdim=True, correction=0), 0).sum(1, keepdim=True)
    return torch.where(stays, image, NOISE * (spread + EPS).sqrt() * noise)

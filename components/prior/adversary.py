"""A discriminator that holds embeddings to a prior."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from graphssl.component import NodeConfig, Scheduled, Sizes, component

from ..numeric import wide

__all__ = ["Adversary"]


@component("prior.adversary")
class Adversary(nn.Module):
    """A discriminator tells samples of the prior from embeddings, and the encoder learns to deceive it.

    Deep InfoMax, equation 7 (Hjelm et al. 2019, arXiv:1808.06670): the loss is -mean log D(prior) - mean log(1 -
    D(embedding)), in nats, 2 log 2 where D cannot tell them apart. In one backward pass the discriminator descends
    it and the encoder ascends it, by reversal of the gradient (Ganin and Lempitsky 2015, arXiv:1409.7495, section 3.2).
    The authors' code has two optimizers instead, a non-saturating loss for the encoder and a gradient penalty. A
    weight of the term, as in `0.1 * prior(z)`, is on both sides; `reversal` is on the encoder's alone. embedding:
    `b d`, any real numbers; for the uniform prior a sigmoid takes it to [0, 1]^d here.
    """

    class Config(NodeConfig):
        prior: Literal["uniform", "normal"] = Field(
            "uniform", description="uniform on [0, 1]^d, compared with the sigmoid of the embedding; or standard normal"
        )
        hidden: list[PositiveInt] = Field([1000, 200], description="sizes of the discriminator's hidden layers")
        reversal: Scheduled[NonNegativeFloat] = Field(
            1.0, description="factor on the gradient that goes back to the encoder, reversed"
        )

    reversal: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.prior, self.d = config.prior, sizes["d"]
        layers: list[nn.Module] = []
        for d, e in itertools.pairwise([self.d, *config.hidden]):
            layers += [nn.Linear(d, e), nn.ReLU(inplace=True)]
        self.discriminator = nn.Sequential(*layers, nn.Linear([self.d, *config.hidden][-1], 1))

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Samples of the prior, `b d`."""
        sample = torch.rand if self.prior == "uniform" else torch.randn
        return sample((b, self.d), generator=generator, device=device)

    def forward(self, embedding: Annotated[Tensor, "b d"], draws: Tensor) -> Annotated[Tensor, ""]:
        embedding = wide(embedding)
        fixed = embedding.detach()
        given = fixed + self.reversal * (fixed - embedding)  # the same numbers, and the gradient reversed
        if self.prior == "uniform":
            given = given.sigmoid()
        real, fake = wide(self.discriminator(torch.cat([draws, given]))).chunk(2)
        return functional.softplus(-real).mean() + functional.softplus(fake).mean()

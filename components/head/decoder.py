"""Tokens told from others by where they stand: a transformer with mask tokens."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torchvision.models import vision_transformer

from graphssl.component import NodeConfig, NodeRef, Sizes, component

from ..encoder.vit_blocks import Block, sines
from ..encoder.vit_weights import start_as_mae
from ..tokens import check_flags, check_numbers, grid_of

__all__ = ["Decoder"]

STD = 0.02


@component("head.decoder", traits=("apart", "positions"))
class Decoder(nn.Module):
    """Tokens at other places, from those that are kept: `b s d` and their numbers `b s` to `b t e`, at numbers `b m`.

    A transformer of its own width: kept tokens are embedded, and one learned mask token stands at each place that is
    asked for; to all a position embedding is added. It is MAE's decoder (He et al. 2022, arXiv:2111.06377, section 3),
    which gives what is hidden alone, and I-JEPA's predictor (Assran et al. 2023, arXiv:2301.08243, section 3), one
    call a block. e is `out`: the numbers of a patch, c * patch * patch, those of the encoder's token, or any. With
    `valid`, `b m`, places that are False are seen by no token. `vector`, `b d`, comes first as a token without a place,
    as MAE's class token. First weights are MAE's. Raises ValueError where `of` names no encoder of tokens, and for
    another kind of numbers than a port takes.
    """

    class Config(NodeConfig):
        of: NodeRef = Field(description="the encoder whose patches they are")
        dim: PositiveInt = Field(512, description="size of a token within: MAE 512, I-JEPA 384")
        depth: PositiveInt = Field(8, description="transformer blocks: MAE 8, I-JEPA 6 to 12")
        heads: PositiveInt = Field(16, description="attention heads, which divide dim: MAE 16, I-JEPA as the encoder")
        mlp: PositiveInt | None = Field(None, description="hidden units of each block's MLP; default 4 * dim")
        out: Literal["pixels", "tokens"] | PositiveInt = Field(
            "pixels", description="size of what it gives: pixels of a patch; tokens: as the encoder's; or a number"
        )
        positions: Literal["sine", "learned"] = Field("sine", description="sine: fixed sines and cosines; learned")

        @model_validator(mode="after")
        def _parts_of_dim(self) -> Decoder.Config:
            if self.dim % self.heads:
                raise ValueError(f"{self.heads} heads do not divide a dim of {self.dim}")
            if self.positions == "sine" and self.dim % 4:
                raise ValueError(f"sines and cosines of two sides need a dim that 4 divides, and it is {self.dim}")
            return self

    positions: Tensor

    def __init__(self, config: Config, sizes: Sizes, of: nn.Module) -> None:
        super().__init__()
        self.grid, patch = grid_of(of, config.of)
        rows, columns = self.grid
        d, dim = sizes["d"], config.dim
        self.embed = nn.Linear(d, dim)
        self.mask_token = nn.Parameter(torch.empty(dim))
        shape = vision_transformer.Encoder(1, config.depth, config.heads, dim, config.mlp or 4 * dim, 0.0, 0.0)
        self.blocks, self.norm = shape.layers, shape.ln
        for block in self.blocks:
            block.__class__ = Block
        named = {"pixels": _channels(of) * patch**2, "tokens": d}
        self.head = nn.Linear(dim, config.out if isinstance(config.out, int) else named[config.out])
        if config.positions == "sine":
            self.register_buffer("positions", sines(dim, rows, columns))
        else:
            self.positions = nn.Parameter(torch.empty(rows * columns, dim).normal_(std=STD))
        start_as_mae(self)

    def forward(
        self,
        tokens: Annotated[Tensor, "b s d"],
        kept: Annotated[Tensor, "b s"],
        hidden: Annotated[Tensor, "b m"],
        valid: Annotated[Tensor, "b m"] | None = None,
        vector: Annotated[Tensor, "b d"] | None = None,
    ) -> Annotated[Tensor, "b t e"]:
        check_numbers(kept, "kept")
        check_numbers(hidden, "hidden")
        first = [] if vector is None else [self.embed(vector)[:, None]]
        given = self.embed(tokens) + self.positions[kept]
        x = torch.cat([*first, given, self.mask_token + self.positions[hidden]], 1)
        seen = None if valid is None else _seen(x, valid)
        for block in self.blocks:
            x = block(x) if seen is None else block(x, seen=seen)
        found: Tensor = self.head(self.norm(x[:, -hidden.shape[1] :]))
        return found


def _channels(encoder: nn.Module) -> int:
    """Of the images that an encoder of patches takes."""
    return int(encoder.get_submodule("conv_proj").in_channels)  # type: ignore[arg-type]


def _seen(x: Annotated[Tensor, "b t d"], valid: Annotated[Tensor, "b m"]) -> Annotated[Tensor, "b 1 1 t"]:
    """Which tokens others see: all but the last ones that are not valid. Raises ValueError where it is no yes or no."""
    check_flags(valid, "valid")
    before = valid.new_ones(len(x), x.shape[1] - valid.shape[1])
    return torch.cat((before, valid), 1)[:, None, None]

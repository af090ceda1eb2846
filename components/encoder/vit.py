"""Vision transformers: torchvision's, in the usual sizes and in any other."""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import vision_transformer

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Port, Signature, signature_of

from ..tokens import check_flags, check_numbers, rows_at
from ..twins import Twin
from .vit_blocks import Block, turns
from .vit_twins import twins_of
from .vit_weights import place_by_sines, start_as_dino, start_as_mae, start_as_moco_v3

__all__ = ["ViT"]

# Dimension, depth, heads: tiny and small from Touvron et al. 2021, arXiv:2012.12877, the others from the paper.
POSITIONS_STD = 0.02  # torchvision's
SIZES = {"tiny": (192, 12, 3), "small": (384, 12, 6), "base": (768, 12, 12), "large": (1024, 24, 16)}
BLOCKS = "encoder.layers.encoder_layer_"


@component("encoder.vit", traits=("apart",))
class ViT(vision_transformer.VisionTransformer):
    """Vision transformer (Dosovitskiy et al. 2021, arXiv:2010.11929): `b c h w` to `b d`, and to tokens `b t d`.

    d is `dim`. Weights are those of torchvision's, by the same names, without `heads`; `size: base, patch: 16` is its
    `vit_b_16`. There is no dropout. Images are normalised, their sides multiples of the patch. The position embeddings
    are of the size of the first ones, `h` x `w`; for other sizes they are interpolated (DINO's small views,
    arXiv:2104.14294). With `drop_path` a branch of a block is left out, for each sample and branch by itself, in
    training and where a loss trains the node: a target that follows it is not random (DINO's teacher).

    With `tokens` or `layers` there are several outputs: `vector`, and by name tokens `b t d`, one for each patch, row
    by row. Of a masked picture it takes the numbers of the patches that are kept, `b s`, and computes those alone, so
    that t is s (MAE, arXiv:2111.06377, section 3); or, with `mask_token`, a mask `b p` of all patches, True where that
    token stands for one (BEiT, arXiv:2106.08254, section 2.3).
    """

    class Config(NodeConfig):
        size: Literal["tiny", "small", "base", "large"] = Field(
            "small", description="dim, depth and heads: 192, 12, 3; 384, 12, 6; 768, 12, 12; 1024, 24, 16"
        )
        patch: PositiveInt = Field(16, description="height and width of a patch in px; it must divide the image's")
        dim: PositiveInt | None = Field(None, description="size of a token, instead of the one that `size` says")
        depth: PositiveInt | None = Field(None, description="transformer blocks, instead of what `size` says")
        heads: PositiveInt | None = Field(
            None, description="attention heads, instead of what `size` says; they divide dim (MoCo v3: small with 12)"
        )
        mlp: PositiveInt | None = Field(None, description="hidden units of each block's MLP; default 4 * dim")
        pool: Literal["token", "mean"] = Field(
            "token", description="the output: the class token, or the mean of the patches' tokens"
        )
        freeze_patch: bool = Field(
            False, description="the patch projection stays as it was drawn: steadier (MoCo v3, arXiv:2104.02057)"
        )

        drop_path: float = Field(
            0.0,
            ge=0,
            lt=1,
            description="stochastic depth (arXiv:1603.09382): how often the last block's branches are left out, in "
            "training; the first block's never, those between in proportion (DINO 0.1)",
        )
        init: Literal["torchvision", "moco_v3", "dino", "mae"] = Field(
            "torchvision",
            description="first weights: torchvision's; moco_v3: Xavier, fixed sine-cosine positions; dino: normal; "
            "mae: Xavier",
        )
        positions: Literal["learned", "sine", "rotary"] = Field(
            "learned",
            description="learned: added to tokens; sine: fixed sines and cosines, added; rotary: turn queries and keys "
            "(arXiv:2104.09864)",
        )
        tokens: bool = Field(False, description="another output, `tokens`: the patches', after the last norm")
        layers: tuple[PositiveInt, ...] = Field(
            (),
            description="blocks whose tokens are outputs too: [11, 12] are `layer11` and `layer12`, before that norm",
        )
        registers: NonNegativeInt = Field(
            0, description="more tokens without a place, which nothing reads (arXiv:2309.16588: 4)"
        )
        mask_token: bool = Field(False, description="a learned token that stands for hidden patches, for `mask`")

        @field_validator("layers")
        @classmethod
        def _each_once(cls, layers: tuple[int, ...]) -> tuple[int, ...]:
            if len(set(layers)) < len(layers):
                raise ValueError(f"a block is named twice in {list(layers)}")
            return layers

        @model_validator(mode="after")
        def _positions_part_dim(self) -> ViT.Config:
            (dim, depth, heads), what = self.shape(), "has sines and cosines of two sides, and 4 does not divide"
            option = "init: moco_v3" if self.init == "moco_v3" else "positions: sine"
            if (self.init == "moco_v3" or self.positions == "sine") and dim % 4:
                raise ValueError(f"{option} {what} a dim of {dim}")
            if self.positions == "rotary" and dim // heads % 4:
                raise ValueError(f"positions: rotary {what} a head's {dim // heads} numbers")
            if self.init == "moco_v3" and self.positions == "rotary":
                raise ValueError("init: moco_v3 has fixed sines for positions: leave positions out")
            if missing := [n for n in self.layers if n > depth]:
                raise ValueError(f"there is no block {missing[0]}: there are {depth}, numbered from 1")
            return self

        @model_validator(mode="after")
        def _heads_divide_dim(self) -> ViT.Config:
            dim, _, heads = self.shape()
            if dim % heads:
                raise ValueError(f"{heads} heads do not divide a dim of {dim}")
            return self

        def shape(self) -> tuple[int, int, int]:
            """Dimension, depth, heads."""
            dim, depth, heads = SIZES[self.size]
            return self.dim or dim, self.depth or depth, self.heads or heads

        def of_tokens(self) -> list[str]:
            """The outputs beside the vector."""
            return [*(["tokens"] if self.tokens else []), *(f"layer{number}" for number in self.layers)]

    def __init__(self, config: Config, sizes: Sizes) -> None:
        channels, height, width = sizes["c"], sizes["h"], sizes["w"]
        _check_patches(height, width, config.patch)
        dim, depth, heads = config.shape()
        super().__init__(height, config.patch, depth, heads, dim, config.mlp or 4 * dim)
        self.grid = height // config.patch, width // config.patch
        if height != width:  # torchvision knows squares only
            positions = torch.empty(1, 1 + math.prod(self.grid), dim).normal_(std=POSITIONS_STD)
            self.encoder.pos_embedding = nn.Parameter(positions)
        if channels != 3:
            self.conv_proj = _projection(channels, dim, config.patch)
        self.heads = nn.Identity()
        self.pool, self.drop_path, self.rotary = config.pool, config.drop_path, config.positions == "rotary"
        self.named = config.of_tokens()
        self.outputs = namedtuple("Outputs", ["vector", *self.named])  # type: ignore[misc]  # names from the config
        self._add_tokens(config, dim)
        self._start(config)
        self.conv_proj.requires_grad_(not config.freeze_patch)
        if config.drop_path or self.rotary:
            for block in self.encoder.layers:
                block.__class__ = Block

    def _add_tokens(self, config: Config, dim: int) -> None:
        """Register tokens and the mask token. prefix: how many tokens come before the patches'."""
        self.prefix = 1 + config.registers
        registers = torch.empty(1, config.registers, dim).normal_(std=POSITIONS_STD) if config.registers else None
        mask = torch.empty(dim).normal_(std=POSITIONS_STD) if config.mask_token else None
        for name, tokens in (("register_tokens", registers), ("mask_token", mask)):
            self.register_parameter(name, None if tokens is None else nn.Parameter(tokens))

    def _start(self, config: Config) -> None:
        """First weights and positions."""
        if config.init == "moco_v3":
            start_as_moco_v3(self, self.grid)
        elif config.init == "dino":
            start_as_dino(self)
        elif config.init == "mae":
            start_as_mae(self)
        if config.positions == "sine":
            place_by_sines(self, self.grid)
        elif self.rotary:  # which turn tokens in place of what is added to them
            nn.init.zeros_(self.encoder.pos_embedding)
            self.encoder.pos_embedding.requires_grad_(False)

    @staticmethod
    def twins(config: Config, sizes: Sizes) -> dict[str, Twin | str]:
        """The networks of torchvision and timm that take the weights, or why there is none."""
        return twins_of(config, sizes, SIZES[config.size])

    @classmethod
    def signature(cls, config: Config, of: Mapping[str, Signature]) -> Signature:
        """Those of `forward`: draws where something is random, `mask` where there is a token for it."""
        own = signature_of(cls.forward)
        inputs = tuple(port for port in own.inputs if port.name != "mask" or config.mask_token)
        more = tuple(Port(name, "tensor", (("b", "t", "d"),)) for name in config.of_tokens())
        outputs = (replace(own.outputs[0], name="vector"), *more) if more else own.outputs
        return replace(own, inputs=inputs, outputs=outputs, draws=config.drop_path > 0)

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Uniform numbers of the two branches of each block, `2 n b`, from which it follows what is left out."""
        return torch.rand((2, len(self.encoder.layers), b), generator=generator, device=device)

    def forward(
        self,
        image: Annotated[Tensor, "b c h w"],
        kept: Annotated[Tensor, "b s"] | None = None,
        mask: Annotated[Tensor, "b p"] | None = None,
        draws: Tensor | None = None,
    ) -> Annotated[Tensor, "b d"]:
        tokens, turn = self._embedded(image, kept, mask)
        found = {}
        for number, after in enumerate(self._blocks(tokens, draws, turn), 1):
            found[f"layer{number}"] = tokens = after
        found["tokens"] = last = self.encoder.ln(tokens)
        patches = last[:, self.prefix :]
        vector: Tensor = last[:, 0] if self.pool == "token" else patches.mean(1)
        if not self.named:
            return vector
        parts: Any = self.outputs(vector, *(found[name][:, self.prefix :] for name in self.named))
        return parts  # type: ignore[no-any-return]  # what `signature` says

    def _embedded(
        self, image: Annotated[Tensor, "b c h w"], kept: Tensor | None, mask: Tensor | None
    ) -> tuple[Annotated[Tensor, "b t d"], Tensor | None]:
        """The tokens before the first block, and by what their positions turn them."""
        _check_patches(image.shape[2], image.shape[3], self.patch_size)
        patches = self.conv_proj(image)
        rows, columns = patches.shape[2:]
        patches = patches.flatten(2).transpose(1, 2)
        if mask is not None:
            check_flags(mask, "mask")
            patches = torch.where(mask[:, :, None], self.mask_token.to(patches.dtype), patches)
        places = self._positions(rows, columns)
        patches = patches + places[:, 1:]
        if kept is not None:
            check_numbers(kept, "kept")
            patches = rows_at(patches, kept)
        first = self.class_token + places[:, :1]
        if self.register_tokens is not None:
            first = torch.cat((first, self.register_tokens), 1)
        tokens = self.encoder.dropout(torch.cat((first.expand(len(image), -1, -1), patches), 1))
        return tokens, self._turns(rows, columns, kept) if self.rotary else None

    def _blocks(self, tokens: Tensor, draws: Tensor | None, turn: Tensor | None) -> Iterator[Tensor]:
        """The tokens after each block. draws: what `draw` gave, where branches may be left out."""
        last = max(len(self.encoder.layers) - 1, 1)
        for i, block in enumerate(self.encoder.layers):
            rate, stay = self.drop_path * i / last, None
            if draws is not None and self.training and rate:
                # As large on average as without: what stays grows by as much as is left out.
                stay = ((draws[:, i] >= rate).to(tokens.dtype) / (1 - rate))[:, :, None, None]
            tokens = block(tokens) if stay is None and turn is None else block(tokens, stay, turn)
            yield tokens

    def _positions(self, rows: int, columns: int) -> Annotated[Tensor, "1 t d"]:
        """The position embeddings; of a grid of another size interpolated bicubically, as in DINO's code."""
        known: Tensor = self.encoder.pos_embedding
        if (rows, columns) == self.grid:
            return known
        grid = known[:, 1:].transpose(1, 2).unflatten(2, self.grid)
        grid = functional.interpolate(grid, (rows, columns), mode="bicubic", align_corners=False)
        return torch.cat((known[:, :1], grid.flatten(2).transpose(1, 2)), 1)

    def _turns(self, rows: int, columns: int, kept: Tensor | None) -> Annotated[Tensor, "2 1 1 t e"]:
        """By what queries and keys turn, `2 b 1 t e` of kept tokens: class and register tokens do not."""
        angles = turns(self.hidden_dim // self.encoder.layers[0].num_heads, rows, columns).to(self.class_token.device)
        still = angles.new_zeros(2, 1, self.prefix, angles.shape[2])
        still[0] = 1
        chosen = angles[:, None] if kept is None else angles[:, kept]
        return torch.cat((still.expand(-1, chosen.shape[1], -1, -1), chosen), 2)[:, :, None]

    def layer_of(self, name: str) -> int:
        """Of a parameter, for `layer_decay`: the embeddings are layer 0, then come the blocks, and the last norm."""
        if name.startswith(BLOCKS):
            return int(name.removeprefix(BLOCKS).partition(".")[0]) + 1
        return len(self.encoder.layers) + 1 if name.startswith("encoder.ln.") else 0


def _check_patches(height: int, width: int, patch: int) -> None:
    if height % patch or width % patch:
        raise ValueError(f"images of {height} x {width} px do not part into patches of {patch} px")


def _projection(channels: int, dim: int, patch: int) -> nn.Conv2d:
    """The projection of patches, initialised as torchvision's."""
    conv = nn.Conv2d(channels, dim, patch, patch)
    nn.init.trunc_normal_(conv.weight, std=math.sqrt(1 / (channels * patch**2)))
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv

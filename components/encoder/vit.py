"""Vision transformers: torchvision's, in the usual sizes and in any other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import vision_transformer

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Signature, signature_of

from ..twins import IDENTITY, Twin, arguments
from .vit_weights import start_as_dino, start_as_moco_v3

__all__ = ["ViT"]

# Dimension, depth, heads: tiny and small from Touvron et al. 2021, arXiv:2012.12877, the others from the paper.
POSITIONS_STD = 0.02  # torchvision's
SIZES = {"tiny": (192, 12, 3), "small": (384, 12, 6), "base": (768, 12, 12), "large": (1024, 24, 16)}
BLOCKS = "encoder.layers.encoder_layer_"

TO_TIMM = (  # names of weights
    (r"^class_token$", "cls_token"),
    (r"^encoder\.pos_embedding$", "pos_embed"),
    (r"^conv_proj\.", "patch_embed.proj."),
    (r"^encoder\.layers\.encoder_layer_", "blocks."),
    (r"^encoder\.ln\.", "norm."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.self_attention\.in_proj_", ".attn.qkv."),
    (r"\.self_attention\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.0\.", ".mlp.fc1."),
    (r"\.mlp\.3\.", ".mlp.fc2."),
)


@component("encoder.vit", traits=("apart",))
class ViT(vision_transformer.VisionTransformer):
    """Vision transformer (Dosovitskiy et al. 2021, arXiv:2010.11929): `b c h w` to `b d`.

    d is `dim`. Weights are those of torchvision's, by the same names, without `heads`; `size: base, patch: 16` is its
    `vit_b_16`. There is no dropout. Images are normalised, their sides multiples of the patch. The position embeddings
    are of the size of the first ones, `h` x `w`; for other sizes they are interpolated (DINO's small views,
    arXiv:2104.14294). With `drop_path` a branch of a block is left out, for each sample and branch by itself, in
    training and where a loss trains the node: a target that follows it is not random (DINO's teacher).
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
        init: Literal["torchvision", "moco_v3", "dino"] = Field(
            "torchvision",
            description="first weights: torchvision's; moco_v3: Xavier, fixed sine-cosine positions; dino: normal",
        )

        @model_validator(mode="after")
        def _sines_part_dim(self) -> ViT.Config:
            if self.init == "moco_v3" and self.shape()[0] % 4:
                raise ValueError(
                    f"init: moco_v3 has sines and cosines of two sides, and 4 does not divide a dim of "
                    f"{self.shape()[0]}"
                )
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
        self.pool, self.drop_path = config.pool, config.drop_path
        if config.init == "moco_v3":
            start_as_moco_v3(self, self.grid)
        elif config.init == "dino":
            start_as_dino(self)
        self.conv_proj.requires_grad_(not config.freeze_patch)
        if config.drop_path:
            for block in self.encoder.layers:
                block.__class__ = Block

    @staticmethod
    def twins(config: Config, sizes: Sizes) -> dict[str, Twin | str]:
        """The networks of torchvision and timm that take the weights, or why there is none."""
        theirs: Twin | str = _torchvision(config, sizes)
        if config.pool == "mean":
            theirs = "torchvision's network gives the class token, and not the mean of the patches' tokens"
        if sizes["h"] != sizes["w"]:
            theirs = f"torchvision's network takes square images, and these are {sizes['h']} x {sizes['w']} px"
        return {"torchvision": theirs, "timm": _timm(config, sizes)}

    @classmethod
    def signature(cls, config: Config, of: Mapping[str, Signature]) -> Signature:
        """Those of `forward`, without draws where nothing is random."""
        return signature_of(cls.forward) if config.drop_path else replace(signature_of(cls.forward), draws=False)

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Uniform numbers of the two branches of each block, `2 n b`, from which it follows what is left out."""
        return torch.rand((2, len(self.encoder.layers), b), generator=generator, device=device)

    def tokens(self, image: Annotated[Tensor, "b c h w"], draws: Tensor | None = None) -> Annotated[Tensor, "b t d"]:
        """The class token and those of the patches, row by row, after the last layer norm."""
        _check_patches(image.shape[2], image.shape[3], self.patch_size)
        patches = self.conv_proj(image)
        rows, columns = patches.shape[2:]
        tokens = torch.cat((self.class_token.expand(image.shape[0], -1, -1), patches.flatten(2).transpose(1, 2)), 1)
        placed = self.encoder.dropout(tokens + self._positions(rows, columns))
        result: Tensor = self.encoder.ln(self._blocks(placed, draws))
        return result

    def _blocks(self, tokens: Tensor, draws: Tensor | None) -> Tensor:
        """The tokens after all blocks. draws: what `draw` gave, where branches may be left out."""
        if draws is None or not self.training:
            result: Tensor = self.encoder.layers(tokens)
            return result
        last = max(len(self.encoder.layers) - 1, 1)
        for i, block in enumerate(self.encoder.layers):
            rate = self.drop_path * i / last
            # As large on average as without: what stays grows by as much as is left out.
            kept = (draws[:, i] >= rate).to(tokens.dtype) / (1 - rate)
            tokens = block(tokens, kept[:, :, None, None]) if rate else block(tokens)
        return tokens

    def _positions(self, rows: int, columns: int) -> Annotated[Tensor, "1 t d"]:
        """The position embeddings; of a grid of another size interpolated bicubically, as in DINO's code."""
        known: Tensor = self.encoder.pos_embedding
        if (rows, columns) == self.grid:
            return known
        grid = known[:, 1:].transpose(1, 2).unflatten(2, self.grid)
        grid = functional.interpolate(grid, (rows, columns), mode="bicubic", align_corners=False)
        return torch.cat((known[:, :1], grid.flatten(2).transpose(1, 2)), 1)

    def layer_of(self, name: str) -> int:
        """Of a parameter, for `layer_decay`: the embeddings are layer 0, then come the blocks, and the last norm."""
        if name.startswith(BLOCKS):
            return int(name.removeprefix(BLOCKS).partition(".")[0]) + 1
        return len(self.encoder.layers) + 1 if name.startswith("encoder.ln.") else 0

    def forward(self, image: Annotated[Tensor, "b c h w"], draws: Tensor | None = None) -> Annotated[Tensor, "b d"]:
        tokens = self.tokens(image, draws)
        return tokens[:, 0] if self.pool == "token" else tokens[:, 1:].mean(1)


class Block(vision_transformer.EncoderBlock):
    """torchvision's block, whose two branches may be left out, a sample at a time."""

    def forward(self, input: Tensor, kept: Tensor | None = None) -> Tensor:
        """`b t d` to the same. kept: `2 b 1 1`, what each branch is multiplied by; None for 1."""
        if kept is None:
            result: Tensor = super().forward(input)
            return result
        normed = self.ln_1(input)
        x = input + kept[0] * self.dropout(self.self_attention(normed, normed, normed, need_weights=False)[0])
        y: Tensor = x + kept[1] * self.mlp(self.ln_2(x))
        return y


def _check_patches(height: int, width: int, patch: int) -> None:
    if height % patch or width % patch:
        raise ValueError(f"images of {height} x {width} px do not part into patches of {patch} px")


def _torchvision(config: ViT.Config, sizes: Sizes) -> Twin:
    dim, depth, heads = config.shape()
    given = arguments(
        image_size=sizes["h"], patch_size=config.patch, num_layers=depth, num_heads=heads, hidden_dim=dim,
        mlp_dim=config.mlp or 4 * dim,
    )  # fmt: skip
    projection = f"model.conv_proj = torch.nn.Conv2d({sizes['c']}, {dim}, {config.patch}, {config.patch})"
    lines = [f"model = torchvision.models.VisionTransformer({given})", f"model.heads = {IDENTITY}"]
    return Twin(("torchvision",), (*lines, *([projection] if sizes["c"] != 3 else [])))


def _timm(config: ViT.Config, sizes: Sizes) -> Twin:
    dim, depth, heads = config.shape()
    mlp = config.mlp or 4 * dim
    # timm rounds dim * mlp_ratio down.
    ratio = mlp // dim if mlp % dim == 0 else (mlp + 0.5) / dim
    known = {"img_size": 224, "patch_size": 16, "in_chans": 3, "mlp_ratio": 4}
    known |= dict(zip(("embed_dim", "depth", "num_heads"), SIZES[config.size], strict=True))
    size = sizes["h"] if sizes["h"] == sizes["w"] else (sizes["h"], sizes["w"])
    wanted = {"img_size": size, "patch_size": config.patch, "in_chans": sizes["c"], "mlp_ratio": ratio}
    wanted |= {"embed_dim": dim, "depth": depth, "num_heads": heads}
    options: dict[str, object] = {key: value for key, value in wanted.items() if value != known[key]}
    if config.pool == "mean":
        options |= {"global_pool": "avg", "fc_norm": False}
    given = arguments(f"vit_{config.size}_patch16_224", num_classes=0, **options)
    return Twin(("timm",), (f"model = timm.create_model({given})",), TO_TIMM)


def _projection(channels: int, dim: int, patch: int) -> nn.Conv2d:
    """The projection of patches, initialised as torchvision's."""
    conv = nn.Conv2d(channels, dim, patch, patch)
    nn.init.trunc_normal_(conv.weight, std=math.sqrt(1 / (channels * patch**2)))
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv

"""Vision transformers: torchvision's, in the usual sizes and in any other."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import vision_transformer

from graphssl.component import NodeConfig, Sizes, component

from ..twins import IDENTITY, Twin, arguments

__all__ = ["ViT"]

# Dimension, depth, heads: tiny and small from Touvron et al. 2021, arXiv:2012.12877, the others from the paper.
SIZES = {"tiny": (192, 12, 3), "small": (384, 12, 6), "base": (768, 12, 12), "large": (1024, 24, 16)}

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
    `vit_b_16`. There is no dropout. Images are normalised, their sides multiples of the patch. The first ones are
    square, and of the size that the position embeddings have; for other sizes these are interpolated (DINO's small
    views, arXiv:2104.14294).
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
        if height != width:
            raise ValueError(f"a vision transformer takes square images, and these are {height} x {width} px")
        if height % config.patch:
            raise ValueError(f"images of {height} px do not part into patches of {config.patch} px")
        dim, depth, heads = config.shape()
        super().__init__(height, config.patch, depth, heads, dim, config.mlp or 4 * dim)
        if channels != 3:
            self.conv_proj = _projection(channels, dim, config.patch)
        self.conv_proj.requires_grad_(not config.freeze_patch)
        self.heads = nn.Identity()
        self.pool = config.pool

    @staticmethod
    def twins(config: Config, sizes: Sizes) -> dict[str, Twin | str]:
        """The networks of torchvision and timm that take the weights, or why there is none."""
        mean = "torchvision's network gives the class token, and not the mean of the patches' tokens"
        return {
            "torchvision": _torchvision(config, sizes) if config.pool == "token" else mean,
            "timm": _timm(config, sizes),
        }

    def tokens(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b t d"]:
        """The class token and those of the patches, row by row, after the last layer norm."""
        h, w = image.shape[2:]
        if h % self.patch_size or w % self.patch_size:
            raise ValueError(f"images of {h} x {w} px do not part into patches of {self.patch_size} px")
        patches = self.conv_proj(image)
        rows, columns = patches.shape[2:]
        tokens = torch.cat((self.class_token.expand(image.shape[0], -1, -1), patches.flatten(2).transpose(1, 2)), 1)
        placed = self.encoder.dropout(tokens + self._positions(rows, columns))
        result: Tensor = self.encoder.ln(self.encoder.layers(placed))
        return result

    def _positions(self, rows: int, columns: int) -> Annotated[Tensor, "1 t d"]:
        """The position embeddings; of a grid of another size interpolated bicubically, as in DINO's code."""
        known: Tensor = self.encoder.pos_embedding
        side = self.image_size // self.patch_size
        if (rows, columns) == (side, side):
            return known
        grid = known[:, 1:].transpose(1, 2).unflatten(2, (side, side))
        grid = functional.interpolate(grid, (rows, columns), mode="bicubic", align_corners=False)
        return torch.cat((known[:, :1], grid.flatten(2).transpose(1, 2)), 1)

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b d"]:
        tokens = self.tokens(image)
        return tokens[:, 0] if self.pool == "token" else tokens[:, 1:].mean(1)


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
    wanted = {"img_size": sizes["h"], "patch_size": config.patch, "in_chans": sizes["c"], "mlp_ratio": ratio}
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

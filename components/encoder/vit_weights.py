"""First weights of vision transformers, as they are in the code of MoCo v3, of DINO and of MAE."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .vit_blocks import sines

__all__ = ["place_by_sines", "start_as_dino", "start_as_mae", "start_as_moco_v3"]

STD = 0.02
TOKEN_STD = 1e-6


def start_as_moco_v3(net: nn.Module, grid: tuple[int, int]) -> None:
    """Chen et al. 2021, arXiv:2104.02057, and its code.

    Linear layers Xavier-uniform, query, key and value as three matrices; biases zero; the class token almost zero; the
    patch projection Xavier-uniform as the linear layer that it is; position embeddings fixed, sines and cosines of
    rows and columns. grid: rows and columns of patches.
    """
    for module in net.modules():
        if isinstance(module, nn.MultiheadAttention):
            for part in module.in_proj_weight.detach().chunk(3):
                nn.init.xavier_uniform_(part)
            nn.init.zeros_(module.in_proj_bias)
        elif isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    conv, token, _ = _parts(net)
    dim, *patch = conv.weight.shape
    bound = math.sqrt(6 / (math.prod(patch) + dim))
    nn.init.uniform_(conv.weight, -bound, bound)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    nn.init.normal_(token, std=TOKEN_STD)
    place_by_sines(net, grid)


def start_as_mae(net: nn.Module) -> None:
    """He et al. 2022, arXiv:2111.06377, and its code, for the encoder and the decoder.

    Linear layers Xavier-uniform, query, key and value as one matrix; biases zero; the patch projection Xavier-uniform
    as the linear layer that it is, with torch's bias; class token and mask token normal, with a deviation of 0.02.
    """
    for name, module in net.named_modules():
        if isinstance(module, nn.MultiheadAttention):
            nn.init.xavier_uniform_(module.in_proj_weight)
            nn.init.zeros_(module.in_proj_bias)
        elif isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
        elif name == "conv_proj":
            assert isinstance(module, nn.Conv2d)
            nn.init.xavier_uniform_(module.weight.detach().flatten(1))
    for name, parameter in net.named_parameters():
        if name in ("class_token", "mask_token", "register_tokens"):
            nn.init.normal_(parameter, std=STD)


def place_by_sines(net: nn.Module, grid: tuple[int, int]) -> None:
    """Fixed position embeddings: sines and cosines of rows and columns, zero for the class token."""
    *_, positions = _parts(net)
    dim = positions.shape[2]
    with torch.no_grad():
        positions.copy_(torch.cat((torch.zeros(1, dim), sines(dim, *grid)))[None])
    positions.requires_grad_(False)


def start_as_dino(net: nn.Module) -> None:
    """Caron et al. 2021, arXiv:2104.14294, and its code, which is timm's.

    Linear layers, class token and position embeddings normal with a standard deviation of 0.02, biases zero; the patch
    projection as torch has convolutions.
    """
    for module in net.modules():
        if isinstance(module, nn.MultiheadAttention):
            nn.init.trunc_normal_(module.in_proj_weight, std=STD)
            nn.init.zeros_(module.in_proj_bias)
        elif isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=STD)
            nn.init.zeros_(module.bias)
    conv, token, positions = _parts(net)
    conv.reset_parameters()
    nn.init.trunc_normal_(token, std=STD)
    nn.init.trunc_normal_(positions, std=STD)


def _parts(net: nn.Module) -> tuple[nn.Conv2d, Tensor, Tensor]:
    """The patch projection, the class token and the position embeddings."""
    conv = net.get_submodule("conv_proj")
    assert isinstance(conv, nn.Conv2d)
    return conv, net.get_parameter("class_token"), net.get_parameter("encoder.pos_embedding")

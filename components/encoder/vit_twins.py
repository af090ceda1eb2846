"""The vision transformers of torchvision and timm with the weights of encoder.vit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..twins import IDENTITY, Twin, arguments

__all__ = ["twins_of"]

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


def twins_of(config: Any, sizes: Mapping[str, int], usual: tuple[int, int, int]) -> dict[str, Twin | str]:
    """By library the network, or why there is none. usual: dim, depth and heads of the config's `size`."""
    more = {"mask token": config.mask_token, "register tokens": config.registers}
    if names := [name for name, there in more.items() if there]:
        return dict.fromkeys(("torchvision", "timm"), f"it has no {' and no '.join(names)}")
    if config.positions == "rotary":
        return dict.fromkeys(("torchvision", "timm"), "its positions are added to tokens, and do not turn them")
    theirs: Twin | str = _torchvision(config, sizes)
    if config.pool == "mean":
        theirs = "torchvision's network gives the class token, and not the mean of the patches' tokens"
    if sizes["h"] != sizes["w"]:
        theirs = f"torchvision's network takes square images, and these are {sizes['h']} x {sizes['w']} px"
    return {"torchvision": theirs, "timm": _timm(config, sizes, usual)}


def _torchvision(config: Any, sizes: Mapping[str, int]) -> Twin:
    dim, depth, heads = config.shape()
    given = arguments(
        image_size=sizes["h"], patch_size=config.patch, num_layers=depth, num_heads=heads, hidden_dim=dim,
        mlp_dim=config.mlp or 4 * dim,
    )  # fmt: skip
    projection = f"model.conv_proj = torch.nn.Conv2d({sizes['c']}, {dim}, {config.patch}, {config.patch})"
    lines = [f"model = torchvision.models.VisionTransformer({given})", f"model.heads = {IDENTITY}"]
    return Twin(("torchvision",), (*lines, *([projection] if sizes["c"] != 3 else [])))


def _timm(config: Any, sizes: Mapping[str, int], usual: tuple[int, int, int]) -> Twin:
    dim, depth, heads = config.shape()
    mlp = config.mlp or 4 * dim
    # timm rounds dim * mlp_ratio down.
    ratio = mlp // dim if mlp % dim == 0 else (mlp + 0.5) / dim
    known = {"img_size": 224, "patch_size": 16, "in_chans": 3, "mlp_ratio": 4}
    known |= dict(zip(("embed_dim", "depth", "num_heads"), usual, strict=True))
    size = sizes["h"] if sizes["h"] == sizes["w"] else (sizes["h"], sizes["w"])
    wanted = {"img_size": size, "patch_size": config.patch, "in_chans": sizes["c"], "mlp_ratio": ratio}
    wanted |= {"embed_dim": dim, "depth": depth, "num_heads": heads}
    options: dict[str, object] = {key: value for key, value in wanted.items() if value != known[key]}
    if config.pool == "mean":
        options |= {"global_pool": "avg", "fc_norm": False}
    given = arguments(f"vit_{config.size}_patch16_224", num_classes=0, **options)
    return Twin(("timm",), (f"model = timm.create_model({given})",), TO_TIMM)

"""The ways in which others call what a node has: a vision transformer in timm's names, a ResNet by numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

__all__ = ["DIRECTIONS", "LENGTHS", "Spelling", "spellings"]

# torchvision's name and timm's, which DINO, MoCo v3 and MAE have too. Queries, keys and values are one matrix in both,
# in this order, of all heads one after the other.
BLOCK = ("encoder.layers.encoder_layer_{}.", "blocks.{}.")
IN_A_BLOCK = {
    "ln_1": "norm1", "self_attention.in_proj_weight": "attn.qkv.weight", "self_attention.in_proj_bias": "attn.qkv.bias",
    "self_attention.out_proj": "attn.proj", "ln_2": "norm2", "mlp.0": "mlp.fc1", "mlp.3": "mlp.fc2",
}  # fmt: skip
OUTSIDE = {
    "class_token": "cls_token", "encoder.pos_embedding": "pos_embed", "conv_proj": "patch_embed.proj",
    "encoder.ln": "norm",
}  # fmt: skip
# torchvision's ResNet as nn.Sequential of its children, as lightly and others write it.
IN_ORDER = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
# torch.nn.utils.weight_norm's direction, before and since torch 2.0.
DIRECTIONS = ("weight_v", "parametrizations.weight.original1")
LENGTHS = ("weight_g", "parametrizations.weight.original0")


@dataclass(frozen=True)
class Spelling:
    """names: as others write them, to the node's own. said: in whose way, None for the node's own."""

    names: Mapping[str, str]
    said: str | None = None


def spellings(own: Iterable[str]) -> list[Spelling]:
    """A node's names as they are, without what all of them begin with, and in other people's ways."""
    found: list[Spelling] = []
    for start in _starts(list(own)):
        names = {name[len(start) :]: name for name in own}
        found.append(Spelling(names))
        for said, respell in RESPELLINGS.items():
            if (respelt := _respelt(names, respell)) is not None:
                found.append(Spelling(respelt, said))
    if [*own] == ["weight"]:
        found += [Spelling({name: "weight"}, "a weight-normalised layer's") for name in DIRECTIONS]
    return found


def _starts(names: list[str]) -> Iterator[str]:
    """The beginnings, in whole words, that all names have: at first none."""
    start, words = "", names[0].split(".")
    for word in words[:-1]:
        yield start
        start += f"{word}."
        if not all(name.startswith(start) for name in names):
            return
    yield start


def _respelt(names: Mapping[str, str], respell: Callable[[str], str | None]) -> dict[str, str] | None:
    """All names respelt; None where there is one that is not written in the way that the function knows."""
    respelt = {respell(name): own for name, own in names.items()}
    return None if None in respelt or len(respelt) < 2 else {str(name): own for name, own in respelt.items()}


def _to_timm(name: str) -> str | None:
    return _translated(name, BLOCK[0], BLOCK[1], IN_A_BLOCK, OUTSIDE)


def _from_timm(name: str) -> str | None:
    inside, outside = ({theirs: ours for ours, theirs in table.items()} for table in (IN_A_BLOCK, OUTSIDE))
    return _translated(name, BLOCK[1], BLOCK[0], inside, outside)


def _translated(name: str, block: str, other: str, inside: Mapping[str, str], outside: Mapping[str, str]) -> str | None:
    match = re.fullmatch(re.escape(block).replace(r"\{\}", r"(\d+)") + "(.+)", name)
    table, rest, before = (inside, match[2], other.format(match[1])) if match else (outside, name, "")
    for theirs, ours in table.items():
        if rest == theirs or rest.startswith(f"{theirs}."):
            return f"{before}{ours}{rest[len(theirs) :]}"
    return None


def _by_number(name: str) -> str | None:
    first, dot, rest = name.partition(".")
    return f"{IN_ORDER[first]}{dot}{rest}" if first in IN_ORDER else None


RESPELLINGS: dict[str, Callable[[str], str | None]] = {
    "timm's": _to_timm, "torchvision's": _from_timm, "a sequence's": _by_number,
}  # fmt: skip

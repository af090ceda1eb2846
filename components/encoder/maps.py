"""Feature maps as outputs of an encoder, beside its vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphssl.ports import Port, Signature

__all__ = ["with_maps"]


def with_maps(one: Signature, names: Sequence[str]) -> Signature:
    """Ports of an encoder of one output, which becomes `vector` where there are maps, and each map after it.

    A map has channels, rows and columns of its own: `b c3 r3 k3` for `map3`.
    """
    if not names:
        return one
    numbers = (name.lstrip("abcdefghijklmnopqrstuvwxyz_") for name in names)
    axes = (("b", *(letter + number for letter in "crk")) for number in numbers)
    maps = (Port(name, "tensor", (own,)) for name, own in zip(names, axes, strict=True))
    return replace(one, outputs=(replace(one.outputs[0], name="vector"), *maps))

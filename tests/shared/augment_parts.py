"""What an augmentation has drawn, by the names of a recipe's operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from graphssl.components.augment.crop import Box
from graphssl.components.augment.view import Parameters, View


@dataclass(frozen=True)
class Said:
    """Of a recipe's view: each entry `b ...`."""

    box: Box
    flip: Tensor
    slots: Tensor
    turns: Tensor
    grey: Tensor
    blur: Tensor
    sigma: Tensor
    solarize: Tensor
    grey_first: bool


def said(view: View, own: Parameters) -> Said:
    names = [operation.use for operation in view.operations]
    by_name = dict(zip(names, own.drawn, strict=True))
    blur, sigma = by_name["blur"]
    return Said(
        own.box, own.flip, *by_name["jitter"], by_name["grey"][0], blur, sigma, by_name["solarize"][0],
        names.index("grey") < names.index("jitter"),
    )  # fmt: skip


def told(module: Any, draws: Sequence[Parameters]) -> list[Said]:
    """By group of views."""
    return [said(view, own) for (view, _), own in zip(module.groups, draws, strict=True)]


def chance(view: View, name: str) -> float:
    """The probability of a view's operation."""
    return next(operation.p for operation in view.operations if operation.use == name)

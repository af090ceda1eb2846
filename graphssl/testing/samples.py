"""Values that ports may get, made from their axes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ..ports import Axes, Gaussian, Negatives, Port, Scores
from .values import replaced

SIZES = {"b": 4, "d": 8, "e": 6, "n": 12, "c": 3, "h": 16, "w": 16, "r": 3, "k": 2}
OTHER = 7  # the size of any other letter
PICKED = 5  # negatives of a sample, where some are picked
VIEWS = 2  # in a family that a port takes
POSITIONS = (3, 2)  # the axes that `...` stands for, where there are any

Make = Callable[[tuple[int, ...]], Tensor]


def options(
    port: Port, make: Make, sizes: Mapping[str, int], generator: torch.Generator, positions: tuple[int, ...] = ()
) -> Iterator[Any]:
    """What a port may get, the fullest last; None for nothing. make: a tensor of a shape. positions: what `...` is."""
    if port.optional:
        yield None
    for value in _of_kind(port, make, sizes, generator, positions):
        yield tuple(replaced(value, torch.clone) for _ in range(VIEWS)) if port.family else value


def _of_kind(
    port: Port, make: Make, sizes: Mapping[str, int], generator: torch.Generator, positions: tuple[int, ...]
) -> Iterator[Any]:
    first, *others = (make(shape_of(axes, sizes, positions)) for axes in port.axes)
    b, n = sizes["b"], sizes["n"]
    mask, same = (torch.rand(b, n, generator=generator) < 0.3 for _ in range(2))
    mask[0] = True  # a sample without any negatives
    same &= ~mask
    if port.kind == "tensor":
        yield first
    elif port.kind == "gaussian":
        yield Gaussian(first, make(tuple(first.shape)))
    elif port.kind == "scores":
        yield Scores(first)
        yield Scores(first, others[0])
        yield Scores(first, others[0], mask)
        yield Scores(first, others[0], mask, same)
    else:
        pick = torch.randint(n, (b, PICKED), generator=generator)
        yield Negatives(first)
        yield Negatives(first, None, mask)
        yield Negatives(first, pick)
        yield Negatives(first, pick, mask[:, :PICKED], same[:, :PICKED])


def shape_of(axes: Axes, sizes: Mapping[str, int], positions: tuple[int, ...] = ()) -> tuple[int, ...]:
    """A shape with these axes, with `positions` for `...`."""
    shape: list[int] = []
    for word in axes:
        shape += positions if word == "..." else (int(word) if word.isdigit() else sizes.get(word, OTHER),)
    return tuple(shape)

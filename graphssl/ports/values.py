"""Values of the flow, whatever their kind: their tensors, without gradients, joined along the batch, taken apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .kinds import Gaussian, Negatives, Scores
from .pairs import whole


def tensors_of(value: Any) -> list[Tensor]:
    """The tensors with axes of a value, one for each entry of its port's `axes`."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Negatives):
        return [value.entries]
    if isinstance(value, Scores):
        return [t for t in (value.positive, value.negative) if t is not None]
    if isinstance(value, Gaussian):
        return [value.mean]
    raise AssertionError(f"not a value of the flow: {type(value)}")


def each_tensor(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """The value with the function done to each of its tensors."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, tuple):
        return type(value)(*(each_tensor(function, member) for member in value))
    return value


def detached(value: Any) -> Any:
    """The value without its gradient."""
    return each_tensor(Tensor.detach, value)


def held(value: Any) -> Any:
    """The value with all of its tensors computed, so that it outlives what they are computed from."""
    if isinstance(value, Negatives | Scores):
        return type(value)(*(whole(member) for member in value))  # type: ignore[arg-type]  # None stays None
    return value


def outlasting(scores: Scores) -> Scores:
    """The scores as they may wait for the optimizer's step: computed where it may change the entries."""
    return held(scores) if scores.pairs is not None and scores.pairs.entries.requires_grad else scores


def joined(values: Sequence[Any], parts: int = 1) -> Any:
    """Values of several batches as one, along the batch: one batch after the other, or a part of each in turn.

    parts: so many there are of each, equal ones of neighbouring samples. Raises ValueError where they are not.
    """
    first = values[0]
    if isinstance(first, Tensor):
        return _cat(values, parts)
    members = zip(*map(held, values), strict=True)
    return type(first)(*(None if batches[0] is None else _cat(batches, parts) for batches in members))


def _cat(batches: Sequence[Tensor], parts: int) -> Tensor:
    if parts == 1:
        return torch.cat(list(batches))
    if len(batches[0]) % parts:
        raise ValueError(f"a batch of {len(batches[0])} does not part into {parts} equal splits for batch norm")
    return torch.cat([part for taken in zip(*(b.chunk(parts) for b in batches), strict=True) for part in taken])


def parted(value: Any, count: int, parts: int = 1) -> list[Any]:
    """A value of several batches, each by itself: the reverse of `joined`."""
    if isinstance(value, Tensor):
        return _apart(value, count, parts)
    members = [[None] * count if v is None else _apart(v, count, parts) for v in value]
    return [type(value)(*found) for found in zip(*members, strict=True)]


def _apart(tensor: Tensor, count: int, parts: int) -> list[Tensor]:
    if parts == 1:
        return list(tensor.chunk(count))
    return list(tensor.unflatten(0, (parts, count, -1)).transpose(0, 1).flatten(1, 2))


def flattened(value: Any, grid: int) -> Any:
    """A value with so many axes of positions folded into its batch."""
    return each_tensor(lambda tensor: tensor.flatten(0, grid), value)


def unflattened(value: Any, sizes: tuple[int, ...]) -> Any:
    """The reverse of `flattened`, of one value or of several views; sizes: of the batch (or -1) and the positions."""
    if type(value) is tuple:
        return tuple(unflattened(view, sizes) for view in value)
    return each_tensor(lambda tensor: tensor.unflatten(0, sizes), value)

"""Values of ports taken apart, compared, held against axes, and told in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..ports import Axes, Negatives, Scores


def fits(axes: Axes, shape: tuple[int, ...], letters: dict[str, int]) -> bool:
    """Whether a shape has these axes; learns the sizes of new letters."""
    if "..." in axes:
        at, more = axes.index("..."), len(shape) - (len(axes) - 1)
        if more < 0:
            return False
        axes, shape = axes[:at] + axes[at + 1 :], shape[:at] + shape[at + more :]
    return len(axes) == len(shape) and all(
        size == (int(w) if w.isdigit() else letters.setdefault(w, size)) for w, size in zip(axes, shape, strict=True)
    )


def shapes_of(value: Any) -> list[tuple[int, ...]]:
    """The shapes of the tensors that axes are said of. Where negatives are picked, `n` of them are."""
    if isinstance(value, Negatives) and value.pick is not None:
        return [(value.pick.shape[1], *value.entries.shape[1:])]
    if isinstance(value, Scores):
        return [tuple(t.shape) for t in (value.positive, value.negative) if t is not None]
    return [tuple(flat(value)[0].shape)]


def marks_of(value: Any) -> dict[str, Tensor]:
    """What negatives or scores say of pairs: `mask` and `same`, where there is such."""
    if not isinstance(value, Negatives | Scores):
        return {}
    return {name: mark for name in ("mask", "same") if (mark := getattr(value, name)) is not None}


def mark_fits(mark: Tensor, value: Any) -> bool:
    """Whether a mark belongs to these negatives or scores."""
    shape = shapes_of(value)
    n = shape[1][1] if isinstance(value, Scores) and len(shape) > 1 else shape[0][0]
    return bool(mark.dtype == torch.bool and mark.ndim == 2 and mark.shape[1] == n)


def replaced(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """The same value with each of its tensors replaced."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, Mapping):
        return {k: replaced(v, function) for k, v in value.items()}
    if isinstance(value, list | tuple):
        members = [replaced(v, function) for v in value]
        return type(value)(*members) if hasattr(value, "_fields") else type(value)(members)
    return value


def flat(value: Any) -> list[Tensor]:
    """The tensors of a value, in order."""
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    replaced(value, note)
    return found


def alike(a: Any, b: Any) -> bool:
    """Equal, floats up to rounding."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        same = a.shape == b.shape and a.dtype == b.dtype
        return same and torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-5, equal_nan=True)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(alike(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    return bool(a == b)


def text(value: Any) -> str:
    """A value by its shapes: `query [4, 8], negatives (entries [12, 8], mask [4, 12])`."""
    if isinstance(value, Tensor):
        return str(list(value.shape))
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {text(v)}" for k, v in value.items() if v is not None)
    if isinstance(value, list | tuple):
        fields = getattr(value, "_fields", None)
        return f"({text(dict(zip(fields, value, strict=True))) if fields else ', '.join(map(text, value))})"
    return "nothing" if value is None else type(value).__name__

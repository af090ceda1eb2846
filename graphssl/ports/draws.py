"""Random numbers that were drawn for a whole batch, and those of them that are of some of its samples."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

__all__ = ["GENERATOR", "draws_of"]

GENERATOR = threading.RLock()  # held by whoever seeds torch's own generator, one for all threads, until it has drawn

Layout = tuple[int, ...]  # of each tensor of a node's draws the axis of the samples
_layouts: weakref.WeakKeyDictionary[nn.Module, dict[int, Layout]] = weakref.WeakKeyDictionary()


def draws_of(node: nn.Module, drawn: Any, b: int, own: slice, fold: int = 1, times: int = 1) -> Any:
    """What is of some rows in what `draw(b * times)` gave.

    own: which of the b samples. times: fold * positions. Along the axis of the samples lie, from without to within:
    what the node repeats, the views of a fold, the samples, and each one's positions.
    """
    leaves, form = tree_flatten(drawn)
    layouts = _layouts.setdefault(node, {})
    if times not in layouts:
        layouts[times] = _layout(node, times, leaves[0].device)
    positions, parts = times // fold, []
    for leaf, axis in zip(leaves, layouts[times], strict=True):
        rows = leaf.unflatten(axis, (leaf.shape[axis] // (b * positions), b, positions)).narrow(
            axis + 1, own.start, own.stop - own.start
        )
        parts.append(rows.flatten(axis, axis + 2))
    return tree_unflatten(parts, form)


def _layout(node: Any, times: int, device: torch.device) -> Layout:
    """The axes that grow with the batch, found with two small ones."""
    generator = torch.Generator(device).manual_seed(0)
    few, many = (tree_flatten(node.draw(b * times, generator, device))[0] for b in (2, 4))
    return tuple(_grown(one, other, node) for one, other in zip(few, many, strict=True))


def _grown(few: Tensor, many: Tensor, node: nn.Module) -> int:
    axes = [axis for axis, (m, n) in enumerate(zip(few.shape, many.shape, strict=True)) if n == 2 * m > 0]
    if len(axes) != 1:
        shapes = f"{tuple(few.shape)} for 2 samples and {tuple(many.shape)} for 4"
        raise ValueError(f"what {type(node).__name__}.draw gives has no axis of its own for the samples: {shapes}")
    return axes[0]

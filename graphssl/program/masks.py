"""Dropout and its like over the batch of all processes: the mask is drawn for all samples, and each takes its own rows.

So the numbers are those of one process. A module that multiplies by a mask keeps its names; in eval mode, and where a
process has the whole batch, it is the module that it was.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .. import world
from ..checks.chance import axes_of_mask, named_parts
from ..checks.inference import infer
from ..checks.shapes import Shapes
from ..errors import GraphError
from ..graph.calls import Call
from ..graph.graph import Graph
from .synced import parts_joined

__all__ = [
    "Drawn", "Views", "draw_for_all", "draw_rows", "masks_of", "views_outside", "what_is_drawn", "with_masks_of_both",
]  # fmt: skip

Views = dict[tuple[int, ...], int]  # by the shape of what a module gets


@dataclass
class Drawn:
    """What the calls of a step draw by themselves.

    why: by node, why its numbers cannot be drawn for all processes, and its rows taken of them. views: by the module's
    name, of how many views joined are the shapes that it gets, those of all processes.
    """

    why: dict[str, str] = field(default_factory=dict)
    views: dict[str, Views] = field(default_factory=dict)


def what_is_drawn(graph: Graph, shapes: Shapes, calls: Sequence[Call]) -> Drawn:
    """Of calls, which come in the order of the step."""
    found = Drawn()
    for call in calls:
        if call.id in shapes.chance and (others := shapes.chance[call.id].others):
            found.why.setdefault(call.node, f"it draws numbers of its own, for all samples at once: {_some(others)}")
    calls = [call for call in calls if call.id in shapes.chance and shapes.chance[call.id].masks]
    if not calls:
        return found
    double = _of_twice_the_batch(graph, shapes)
    for call in calls:
        _note_masks(call, shapes, double, found)
    return found


def _some(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{words[0]}, and {len(words) - 1} more"


def _of_twice_the_batch(graph: Graph, shapes: Shapes) -> Shapes | None:
    """What tells an axis of samples from one that is as long by chance, such as of tokens."""
    try:
        return infer(graph.with_batch(2 * shapes.batch), shapes.data, 2 * shapes.batch)
    except GraphError:
        return None


def _note_masks(call: Call, shapes: Shapes, double: Shapes | None, found: Drawn) -> None:
    chance = double.chance.get(call.id) if double else None
    joined = views_outside(call, shapes)
    for name, given in shapes.chance[call.id].masks.items():
        twice = chance.masks.get(name) if chance else None
        if twice != {(2 * n, *rest) for n, *rest in given} or any(s[0] % (call.fold * shapes.batch) for s in given):
            found.why.setdefault(call.node, f"'{name}' draws, and the first axis of what it gets is not the samples'")
        views = found.views.setdefault(name, {})
        if any(views.setdefault(shape, joined) != joined for shape in given):
            found.why.setdefault(call.node, f"'{name}' draws for one view as for several joined")


def views_outside(call: Call, shapes: Shapes) -> int:
    """How many batches a call gets one after the other; with norms of parts, in which all views are together, one."""
    return call.fold if parts_joined(call, shapes.modules.get(call.node)) == 1 else 1


def masks_of(calls: Sequence[Call], shapes: Shapes) -> set[str]:
    """The names of the modules that multiply by a mask in these calls."""
    return {name for c in calls if c.id in shapes.chance for name in shapes.chance[c.id].masks}


def with_masks_of_both(rows: Sequence[Call], whole: Sequence[Call], shapes: Shapes) -> set[str]:
    """The nodes with a module that multiplies by a mask both in calls on rows and in others."""
    both = masks_of(rows, shapes) & masks_of(whole, shapes)
    return {call.node for call in rows if masks_of([call], shapes) & both}


# -- in a step -------------------------------------------------------------------------------------------------------


def draw_for_all(nodes: Mapping[str, nn.Module], views: Mapping[str, Views]) -> list[nn.Module]:
    """Makes those modules of nodes draw for all processes that `views` names, as `Drawn` has it. Gives them."""
    found: list[Any] = [(part, views[name]) for name, part in named_parts(nodes) if name in views]
    for part, of_shapes in found:
        part._mask_axes = {len(shape): axes_of_mask(part, shape) for shape in of_shapes}
        part._mask_views, part._of_rows = of_shapes, True
        part.__class__ = _of_all(type(part))  # type: ignore[arg-type]  # a class is hashable
    return [part for part, _ in found]


def draw_rows(masks: Iterable[Any], rows: bool) -> None:
    """Says whether the modules get a process's rows from now on, or the whole batch."""
    for part in masks:
        part._of_rows = rows


@functools.cache
def _of_all(own: Any) -> Any:
    """A class of modules that multiply by a mask, whose mask is a part of that of all processes."""

    def forward(self: Any, input: Tensor) -> Tensor:
        if not self.training or not self._of_rows:
            plain: Tensor = own.forward(self, input)
            return plain
        size, rank = world.current().size, world.current().rank
        shape = len(input) * size, *input.shape[1:]
        whole = own.forward(self, _ones(input, shape, self._mask_axes[input.ndim]))
        views = self._mask_views[shape]
        mask = whole.unflatten(0, (views, size, -1))[:, rank].flatten(0, 1).clone()  # the rest need not be kept
        return input.mul_(mask) if getattr(self, "inplace", False) else input * mask

    return type(own.__name__, (own,), {"forward": forward, "__module__": own.__module__})


def _ones(input: Tensor, shape: Sequence[int], axes: int) -> Tensor:
    """Of a shape, in the order in which the input lies in memory; of size 1 behind the axes of the mask."""
    if axes < input.ndim:
        return input.new_ones((*shape[:axes], *(1 for _ in shape[axes:])))
    strides = torch.empty_like(input).stride()
    order = sorted(range(input.ndim), key=lambda axis: -strides[axis])
    made = input.new_ones([shape[axis] for axis in order])
    return made.permute([order.index(axis) for axis in range(input.ndim)])

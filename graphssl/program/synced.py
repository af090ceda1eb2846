"""Batch norm over the batches of all processes.

A norm's state keeps its names. In eval mode, and where a process has the whole batch, it is the norm that it was.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .. import world
from ..graph.calls import Call

__all__ = ["is_activated", "norms_of", "parts_joined", "parts_of", "reduces", "settle", "synchronise", "take_rows"]


def synchronise(nodes: Iterable[nn.Module]) -> list[_BatchNorm]:
    """Makes the batch norms of nodes that get rows those of the whole batch. Gives them."""
    norms = [norm for node in nodes for norm in norms_of(node)]
    for norm in norms:
        norm.__class__ = _of_all(type(norm))  # type: ignore[arg-type]  # a class is hashable
        norm.rows = True  # type: ignore[assignment]
    return norms


def take_rows(norms: Iterable[Any], rows: bool) -> None:
    """Says whether the norms get a process's rows from now on, or the whole batch."""
    for norm in norms:
        norm.rows = rows


@torch.no_grad()
def settle(norms: Iterable[Any]) -> None:
    """Brings together the running statistics of norms whose parts lie in one process each.

    They are moving averages of what is averaged over the parts: their mean over the processes is that over all parts.
    """
    apart = [norm for norm in norms if parts_of(norm) % world.current().size == 0 and norm.running_mean is not None]
    running = [state for norm in apart for state in (norm.running_mean, norm.running_var)]
    if not running:
        return
    flat = world.mean_of_all(torch.cat([state.double().flatten() for state in running]))
    for state, mean in zip(running, flat.split([state.numel() for state in running]), strict=True):
        state.copy_(mean.view_as(state))


def norms_of(module: nn.Module) -> list[_BatchNorm]:
    """The batch norms in a module."""
    return [part for part in module.modules() if isinstance(part, _BatchNorm)]


def parts_of(norm: nn.Module) -> int:
    """Of how many parts of the batch a norm has statistics each; 1 where it is over all of it."""
    return int(getattr(norm, "splits", 1))


def parts_joined(call: Call, module: nn.Module | None) -> int:
    """Of how many parts of the batch a call of several views has norms; 1 where it has none such.

    Each part has all views of its samples, as on so many devices.
    """
    if call.fold == 1 or module is None:
        return 1
    return max(map(parts_of, norms_of(module)), default=1)


def is_activated(norm: nn.Module) -> bool:
    """Whether it is timm's, whose forward calls an activation after the norm."""
    return hasattr(norm, "act") and hasattr(norm, "drop")


@functools.cache
def _of_all(own: Any) -> Any:
    """A class of batch norm, over all processes."""

    def forward(self: Any, input: Tensor) -> Tensor:
        if not self.training or not self.rows:
            plain: Tensor = own.forward(self, input)
            return plain
        size, splits = world.current().size, parts_of(self)
        if splits % size == 0:
            return _own_parts(own, self, input, splits, size)
        normed = _normed(self, input, size // splits)
        return self.act(self.drop(normed)) if is_activated(self) else normed

    return type(own.__name__, (own,), {"forward": forward, "__module__": own.__module__})


def _own_parts(own: Any, norm: Any, input: Tensor, splits: int, size: int) -> Tensor:
    """Where the parts of the batch lie in one process each, nothing is sent."""
    norm.splits = splits // size
    try:
        result: Tensor = own.forward(norm, input)
    finally:
        norm.splits = splits
    return result


def _normed(norm: Any, input: Tensor, group: int) -> Tensor:
    """Normalised over the rows of `group` neighbouring processes."""
    norm._check_input_dim(input)
    over = [axis for axis in range(input.ndim) if axis != 1]
    x = input.detach().float() if input.dtype in (torch.float16, torch.bfloat16) else input.detach()
    n = x[:, 0].numel()
    var, mean = torch.var_mean(x, over, correction=0)
    mean, var = _of_group(mean, var, group)
    _track(norm, mean.mean(0), var.mean(0) * (group * n / max(group * n - 1, 1)))
    part = world.current().rank // group
    result: Tensor = _Norm.apply(input, norm.weight, norm.bias, mean[part], var[part], norm.eps, group)
    return result


def _of_group(mean: Tensor, var: Tensor, group: int) -> tuple[Tensor, Tensor]:
    """Mean and variance over the rows of each group of processes, `part c`."""
    if reduces(world.current().size, group):
        mean = mean.double()  # in which a square loses nothing
        mean, square = world.mean_of_all(torch.stack((mean, var.double() + mean.square())))[:, None]
        return mean.to(var.dtype), (square - mean.square()).clamp(min=0).to(var.dtype)
    means, vars_ = world.pooled(torch.stack((mean, var))).unflatten(0, (-1, group)).unbind(2)  # part, process, c
    mean = means.mean(1)
    return mean, vars_.mean(1) + (means - mean[:, None]).square().mean(1)


def reduces(processes: int, group: int) -> bool:
    """Whether statistics are summed up on their way: of all of so many processes that to send each's is no less."""
    return group == processes >= 4


def _track(norm: Any, mean: Tensor, var: Tensor) -> None:
    """The running statistics, of the mean over the parts."""
    if norm.running_mean is None:
        return
    norm.num_batches_tracked.add_(1)
    rate = 1.0 / norm.num_batches_tracked.to(mean.dtype) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), rate)
    norm.running_var.lerp_(var.to(norm.running_var.dtype), rate)


class _Norm(torch.autograd.Function):
    """Normalisation by statistics of a group of processes, to which each of their samples has contributed."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, var: Tensor, eps: float,
        group: int,
    ) -> Tensor:  # fmt: skip
        made: Tensor = torch.native_batch_norm(x, weight, bias, mean, var, False, 0.0, eps)[0]
        ctx.save_for_backward(x, weight, mean, (var + eps).rsqrt())
        ctx.eps, ctx.group = eps, group
        return made

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, weight, mean, scale = ctx.saved_tensors
        needed = [True, True, True]
        # As if these rows were all: its sums are right, and its gradient of x but for what they add, linear in x.
        dx, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient.contiguous(memory_format=_format(x)), x, weight, None, None, mean, scale, True, ctx.eps, needed
        )
        sums, n = torch.stack((of_bias, of_weight)), x[:, 0].numel()
        lack = (sums - _mean_of_group(sums, ctx.group)) / n
        factor = scale if weight is None else scale * weight.to(scale.dtype)
        slope = factor * lack[1] * scale
        shape = (-1, *(1 for _ in range(x.ndim - 2)))
        offset = factor * lack[0] - slope * mean
        dx = torch.addcmul(dx, x, slope.view(shape).to(x.dtype)).add_(offset.view(shape).to(x.dtype))
        return dx, None if weight is None else of_weight, None if weight is None else of_bias, None, None, None, None


def _mean_of_group(sums: Tensor, group: int) -> Tensor:
    """The mean over the processes of this one's group."""
    here = world.current()
    if reduces(here.size, group):
        return world.mean_of_all(sums)
    start = here.rank // group * group
    return world.pooled(sums)[start : start + group].mean(0)


def _format(x: Tensor) -> torch.memory_format:
    last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format

"""Normalisation as a choice in a config, and batch norm with the statistics of parts of the batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

import torch
from pydantic import Discriminator, Field, PositiveInt, Tag
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from graphssl.component import NodeConfig
from graphssl.errors import Refused

__all__ = [
    "GivenNorm", "Group", "MapNorm", "SplitBatchNorm1d", "SplitBatchNorm2d", "VectorNorm", "chosen_norm", "deal",
    "map_norm", "split_norms", "splits_of", "undeal", "vector_norm",
]  # fmt: skip

Builder = Callable[[int], nn.Module]


class Batch(NodeConfig):
    """Batch norm over the whole batch that a call gets (Ioffe and Szegedy 2015, arXiv:1502.03167)."""

    use: Literal["batch"] = "batch"


class SplitBatch(NodeConfig):
    """Batch norm over each of `splits` equal parts of the batch, as on so many devices."""

    use: Literal["split_batch"] = "split_batch"
    splits: PositiveInt = Field(
        default=8, description="parts of the batch; they must divide it. Of views joined by fold a part has all views"
    )


class Group(NodeConfig):
    """Group norm (Wu and He 2018, arXiv:1803.08494): no statistics of the batch. One group is layer norm."""

    use: Literal["group"] = "group"
    groups: PositiveInt = Field(
        default=32, description="groups of channels; they must divide the channels of every layer"
    )


class Layer(NodeConfig):
    """Layer norm (Ba et al. 2016, arXiv:1607.06450): no statistics of the batch."""

    use: Literal["layer"] = "layer"


class Nothing(NodeConfig):
    """No normalisation."""

    use: Literal["none"] = "none"


def _form(value: object) -> str:
    return "name" if isinstance(value, str) else "mapping"


# A norm is named, `norm: group`, or given with its options, `norm: {use: group, groups: 8}`.
MapNorm = Annotated[
    Annotated[Literal["batch", "split_batch", "group"], Tag("name")]
    | Annotated[Annotated[Batch | SplitBatch | Group, Field(discriminator="use")], Tag("mapping")],
    Discriminator(_form),
]
VectorNorm = Annotated[
    Annotated[Literal["batch", "split_batch", "layer", "none"], Tag("name")]
    | Annotated[Annotated[Batch | SplitBatch | Layer | Nothing, Field(discriminator="use")], Tag("mapping")],
    Discriminator(_form),
]
# Of a network that comes with norms of its own.
GivenNorm = Annotated[
    Annotated[Literal["split_batch"], Tag("name")] | Annotated[SplitBatch, Tag("mapping")], Discriminator(_form)
]
NAMED: dict[str, NodeConfig] = {"batch": Batch(), "split_batch": SplitBatch(), "group": Group(), "layer": Layer()}


def chosen_norm(choice: MapNorm) -> NodeConfig:
    """What a config says of its norm, in its long form."""
    return NAMED[choice] if isinstance(choice, str) else choice


def map_norm(choice: MapNorm) -> Builder:
    """What makes a norm for maps `b c h w`, by their channels; it raises ValueError for groups that do not fit."""
    config = chosen_norm(choice)
    if isinstance(config, SplitBatch):
        return partial(SplitBatchNorm2d, splits=config.splits)
    return partial(_group_norm, config.groups) if isinstance(config, Group) else nn.BatchNorm2d


def vector_norm(choice: VectorNorm, affine: bool = True) -> Builder | None:
    """What makes a norm for vectors `b d`, by their size; None for no norm. affine: with learned scale and shift."""
    config = NAMED.get(choice) if isinstance(choice, str) else choice
    if isinstance(config, SplitBatch):
        return partial(SplitBatchNorm1d, splits=config.splits, affine=affine)
    if isinstance(config, Layer):
        return partial(nn.LayerNorm, elementwise_affine=affine)
    return partial(nn.BatchNorm1d, affine=affine) if isinstance(config, Batch) else None


def split_norms(network: nn.Module, choice: GivenNorm) -> None:
    """Makes batch norms of a network those of parts of the batch. Raises ValueError where there is none."""
    config = NAMED[choice] if isinstance(choice, str) else choice
    assert isinstance(config, SplitBatch)
    found = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    if not found:
        raise ValueError("norm is split_batch, and this network has no batch norm")
    for module in found:
        _split(module, config.splits)


def _split(module: Any, splits: int) -> None:
    split = SplitBatchNorm1d if isinstance(module, nn.BatchNorm1d) else SplitBatchNorm2d
    plain = type(module) in (nn.BatchNorm1d, nn.BatchNorm2d)
    if not plain and not (hasattr(module, "act") and hasattr(module, "drop")):
        raise ValueError(f"norm is split_batch, and {type(module).__name__} is no norm whose batch can be split")
    module.__class__ = split if plain else _activated(type(module), split)  # type: ignore[arg-type]  # a class is hashable
    module.splits, module.rate = splits, module.momentum


@functools.cache
def _activated(own: Any, split: Any) -> Any:
    """timm's batch norm with an activation in it, split."""

    def forward(self: Any, x: Tensor) -> Any:
        if not self.training:
            return own.forward(self, x)
        return self.act(self.drop(split.forward(self, x)))

    return type(own.__name__, (split, own), {"forward": forward, "__module__": own.__module__})


def _group_norm(groups: int, channels: int) -> nn.Module:
    if channels % groups:
        raise ValueError(f"{channels} channels do not part into {groups} groups: give norm a number that divides them")
    return nn.GroupNorm(groups, channels)


class _SplitBatchNorm(_BatchNorm):
    """In training each of `splits` equal parts of the batch, samples in their order, has statistics of its own.

    One device's stand-in for batch norm on several, each with its own part (He et al. 2020, arXiv:1911.05722,
    section 3.3; their CIFAR-10 demo). The running statistics move towards the mean over the parts. In eval mode,
    and in its state, it is ordinary batch norm. Raises ValueError for a batch that does not part evenly.
    """

    def __init__(
        self, features: int, splits: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True
    ) -> None:
        super().__init__(features, eps, momentum, affine)
        self.splits = splits
        self.rate = momentum

    def forward(self, input: Tensor) -> Tensor:
        """`b c ...` to the same."""
        if not self.training or self.splits == 1:
            return super().forward(input)
        self._check(input)
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        if torch.compiler.is_compiling():  # which does better with one formula for all parts
            return self._at_once(input)
        if input.is_meta or isinstance(input, FakeTensor):  # no data: shapes and memory are those of the whole batch
            return super().forward(input)
        return self._one_by_one(input)  # with the native kernels, which are fastest

    def _check(self, input: Tensor) -> None:
        b = len(input)
        _check_parts(b, self.splits)
        if input[:, 0].numel() == self.splits:
            raise ValueError(f"a batch of {b} in {self.splits} splits leaves batch norm one value in each")

    def _one_by_one(self, input: Tensor) -> Tensor:
        assert self.running_mean is not None
        assert self.running_var is not None
        mean, var = (s.expand(self.splits, -1).clone() for s in (self.running_mean, self.running_var))
        parts = [
            functional.batch_norm(part, mean[i], var[i], self.weight, self.bias, True, self.rate, self.eps)
            for i, part in enumerate(input.chunk(self.splits))
        ]
        self.running_mean.copy_(mean.mean(0))
        self.running_var.copy_(var.mean(0))
        return torch.cat(parts)

    def _at_once(self, input: Tensor) -> Tensor:
        assert self.running_mean is not None
        assert self.running_var is not None
        low = input.dtype in (torch.float16, torch.bfloat16)
        x: Tensor = (input.float() if low else input).unflatten(0, (self.splits, -1))
        over = [d for d in range(x.ndim) if d not in (0, 2)]
        var, mean = torch.var_mean(x, over, correction=0, keepdim=True)
        n = x[0, :, 0].numel()
        self.running_mean.lerp_(mean.detach().flatten(1).mean(0).to(self.running_mean.dtype), self.rate)
        unbiased = var.detach().flatten(1).mean(0) * (n / (n - 1))
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.rate)
        y = (x - mean) * (var + self.eps).rsqrt()
        if self.affine:
            shape = (-1, *(1 for _ in over[1:]))
            y = y * self.weight.view(shape) + self.bias.view(shape)
        return y.flatten(0, 1).to(input.dtype)

    def extra_repr(self) -> str:
        return f"{self.num_features}, splits={self.splits}, eps={self.eps}, momentum={self.rate}, affine={self.affine}"


def _check_parts(b: int, splits: int) -> None:
    if b % splits:
        fits = next(n for n in range(splits, 0, -1) if b % n == 0)
        instead = f"norm: {{use: split_batch, splits: {fits}}}" if fits > 1 else "another norm"
        hint = f"a batch that {splits} divides, or in the node {instead}"
        raise Refused(f"a batch of {b} does not part into {splits} equal splits for batch norm", "batch", hint)


class SplitBatchNorm1d(_SplitBatchNorm, nn.BatchNorm1d):
    __doc__ = f"For vectors `b d`. {_SplitBatchNorm.__doc__}"


class SplitBatchNorm2d(_SplitBatchNorm, nn.BatchNorm2d):
    __doc__ = f"For maps `b c h w`, of either memory format. {_SplitBatchNorm.__doc__}"


def splits_of(module: nn.Module) -> int:
    """The largest number of parts that a split batch norm inside has; 1 where there is none."""
    return max((m.splits for m in module.modules() if isinstance(m, _SplitBatchNorm)), default=1)


def deal(x: Tensor, splits: int) -> Tensor:
    """The batch dealt out like cards: a part of the new order has its samples from all parts of the old one, evenly.

    Through a module with split batch norm, with `undeal` after it, keys are normalised with other samples than
    their queries were, as by MoCo's shuffling (section 3.3), but always the same way and without random numbers.
    x: `b ...`; raises ValueError where splits does not divide b.
    """
    _check_parts(len(x), splits)
    return _transposed(x, (splits, -1))


def undeal(x: Tensor, splits: int) -> Tensor:
    """The order before `deal`."""
    return _transposed(x, (-1, splits))


def _transposed(x: Tensor, parts: tuple[int, int]) -> Tensor:
    """The batch as a table of `parts`, read by columns; one copy, in the memory format of x."""
    if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
        return _transposed(x.permute(0, 2, 3, 1)[:, None], parts)[:, 0].permute(0, 3, 1, 2)
    dealt: Tensor = x.unflatten(0, parts).transpose(0, 1).flatten(0, 1)
    return dealt

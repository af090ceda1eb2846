"""A momentum encoder: a moving average of other nodes."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from graphssl.component import NodeConfig, NodeRef, Scheduled, Sizes, component, update
from graphssl.ports import Signature, signature_of

from ..chance import without_chance
from ..norms import deal, splits_of, undeal
from ..numeric import Momentum

__all__ = ["EMA"]


@component("target.ema", detached=True, traits=("average",))
class EMA(nn.Module):
    """A moving average of a chain of nodes, called as the chain: `target(x)` for `projector(encoder(x))`.

    The key encoder of MoCo, equation 2 (He et al. 2020, arXiv:1911.05722), and the target network of BYOL, equation
    1 (Grill et al. 2020, arXiv:2006.07733). It starts as a copy and never carries a gradient. Parameters follow;
    buffers, such as the running statistics of batch norm, are by default the target's own, from its own inputs, as
    in MoCo's code. It is not random: it leaves nothing out by chance, though its nodes may, as DINO's teacher (Caron
    et al. 2021, arXiv:2104.14294). Where its nodes have split batch norm, the batch is dealt out to other parts than
    the queries' and put back in order: MoCo's shuffling (section 3.3).
    """

    class Config(NodeConfig):
        of: list[NodeRef] = Field(min_length=1, description="the nodes that it follows, in the order of the chain")
        momentum: Scheduled[Momentum] = Field(0.99, description="m in m * target + (1 - m) * online")
        buffers: Literal["own", "follow"] = Field("own", description="follow averages buffers too, and copies integers")

    momentum: float | Tensor
    # With several processes: gives a process's rows of what a function makes of the whole batch.
    exchange: Callable[[Callable[[Tensor], Tensor], Tensor], Tensor] | None = None

    def __init__(self, config: Config, sizes: Sizes, of: Sequence[nn.Module]) -> None:
        super().__init__()
        _check_chain(config.of, [signature_of(type(node).forward) for node in of])
        self._online = tuple(of)  # modules in a tuple are no children: their state is theirs
        self._with_buffers = config.buffers == "follow"
        for name, node in zip(config.of, of, strict=True):
            if hasattr(self, name) or name in type(config).model_fields:
                raise ValueError(f"'{name}' cannot be the name of a node that a target follows, or is named twice")
            self.add_module(name, _copy(node).requires_grad_(False))
        self._schedules = list(_scheduled(self.children(), of))
        self._splits = splits_of(self)

    @classmethod
    def signature(cls, config: Config, of: Mapping[str, Signature]) -> Signature:
        """The inputs of the first node and the outputs of the last. Raises ValueError for what is no chain."""
        _check_chain(config.of, [of[name] for name in config.of])
        return Signature(of[config.of[0]].inputs, of[config.of[-1]].outputs)

    def forward(self, *x: Annotated[Tensor, "b ..."], **named: Tensor) -> Annotated[Tensor, "b ..."]:
        """named: inputs of the first node that stand behind one that is left out, as an encoder's `mask`."""
        with torch.no_grad():
            for ours, theirs, name in self._schedules:
                getattr(ours, name).copy_(getattr(theirs, name))
            first, *others = self.children()
            shuffled = self.training and self._splits > 1
            if shuffled:
                x = tuple(self._reordered(deal, v) for v in x)
                named = {name: self._reordered(deal, v) for name, v in named.items()}
            value: Any = first(*x, **named)
            for node in others:
                value = node(value)
            result: Tensor = _each(partial(self._reordered, undeal), value) if shuffled else value
        return result

    def _reordered(self, order: Callable[[Tensor, int], Tensor], x: Tensor) -> Tensor:
        """The samples of the whole batch in another order, or the rows of this process of that."""
        if self.exchange is None:
            return order(x, self._splits)
        return self.exchange(lambda whole: order(whole, self._splits), x)

    @update
    def follow(self) -> None:
        """target = momentum * target + (1 - momentum) * online."""
        ours, theirs = self._following(self.children()), self._following(self._online)
        pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.is_floating_point()]
        weight = 1 - self.momentum
        # A tensor is given once for each, since as one number it would have to be read from the device.
        weights = [weight.to(a.dtype) for a, _ in pairs] if isinstance(weight, Tensor) else weight
        torch._foreach_lerp_([a for a, _ in pairs], [b for _, b in pairs], weights)
        for a, b in zip(ours, theirs, strict=True):
            if not a.is_floating_point():
                a.copy_(b)

    def _following(self, nodes: Iterable[nn.Module]) -> list[Tensor]:
        """What follows of the target's nodes, or is followed of the online ones, in one order."""
        return [t for n in nodes for t in (*n.parameters(), *(n.buffers() if self._with_buffers else ()))]


def _each(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """The function on a tensor, or on each of several outputs."""
    return function(value) if isinstance(value, Tensor) else type(value)(*(_each(function, v) for v in value))


def _copy(node: nn.Module) -> nn.Module:
    """A deep copy, without dropout. An average that it contains goes on following the nodes that it follows."""
    followed = [m for average in node.modules() if isinstance(average, EMA) for m in average._online]
    return without_chance(copy.deepcopy(node, {id(m): m for m in followed}))


def _scheduled(copies: Iterator[nn.Module], of: Sequence[nn.Module]) -> Iterator[tuple[nn.Module, nn.Module, str]]:
    """Copies of scheduled values: module, original and name. The training loop writes only the originals."""
    for node, online in zip(copies, of, strict=True):
        for ours, theirs in zip(node.modules(), online.modules(), strict=True):
            for name in sorted(ours._non_persistent_buffers_set):
                if getattr(ours, name).ndim == 0:
                    yield ours, theirs, name


def _check_chain(names: Sequence[str], ports: Sequence[Signature]) -> None:
    """Raises ValueError where a node cannot take what the one before it gives."""
    for name, signature in zip(names, ports, strict=True):
        if signature.needs_draws:
            raise ValueError(f"'{name}' is random, and a target repeats only what is not")
    for (a, b), (before, after) in zip(itertools.pairwise(names), itertools.pairwise(ports), strict=True):
        takes = [p for p in after.inputs if not p.optional]
        if len(takes) != 1 or len(before.outputs) != 1 or not _fit(before, after):
            wants = ", ".join(map(str, takes)) or "nothing"
            gives = ", ".join(map(str, before.outputs)) or "nothing"
            raise ValueError(f"in a chain '{b}' takes {wants}, but '{a}' gives {gives}")


def _fit(before: Signature, after: Signature) -> bool:
    given, taken = before.outputs[0], after.inputs[0]
    if given.name or given.family or taken.family or given.kind != taken.kind:
        return False
    axes = (*given.axes, *taken.axes)
    return any("..." in a for a in axes) or given.kind != "tensor" or len(axes[0]) == len(axes[1])

"""Recomputation: activations are thrown away after the forward pass and made again in the backward pass.

Chen et al. 2016, arXiv:1604.06174, by `torch.utils.checkpoint`. A node asks for it with `recompute: true`. What is
made again at a time is a block (a residual block, a transformer's layer), so that only the blocks' inputs and what
stands outside of them are kept. Weights keep their names, and the numbers stay the same.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

__all__ = ["blocks", "recompute_blocks"]


def recompute_blocks(node: nn.Module) -> nn.Module:
    """The same node, each block of which recomputes its activations in the backward pass."""
    for block in blocks(node):
        block.__class__ = _recomputing(type(block))  # type: ignore[arg-type]  # a class is hashable
    return node


def blocks(node: nn.Module) -> list[nn.Module]:
    """What is recomputed at a time: the innermost modules with children that stand in a sequence, or the whole node."""
    found = [m for m in _in_sequence(node) if any(True for _ in m.parameters())]
    return found or [node]


def _in_sequence(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        inner = list(_in_sequence(child))
        if not inner and isinstance(module, nn.Sequential | nn.ModuleList) and any(True for _ in child.children()):
            yield child
        yield from inner


@functools.cache
def _recomputing(cls: type[nn.Module]) -> type[nn.Module]:
    """A class like `cls` that recomputes. Its instances stay those of `cls`, with the same state and ports."""

    @functools.wraps(cls.forward)
    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        plain = functools.partial(cls.forward, self)
        if not torch.is_grad_enabled():
            return plain(*args, **kwargs)
        if torch.compiler.is_compiling():  # where a state that is written twice is written once
            return checkpoint(plain, *args, use_reentrant=False, **kwargs)
        if _recorded(args):  # torch says that, too, but as a request to report it
            raise RuntimeError("recompute reads the state of the random generators, unless the step is compiled")
        contexts = functools.partial(_contexts, self)
        return checkpoint(plain, *args, use_reentrant=False, context_fn=contexts, **kwargs)

    return type(cls.__name__, (cls,), {"forward": forward, "__module__": cls.__module__, "__doc__": cls.__doc__})


def _recorded(args: tuple[Any, ...]) -> bool:
    """Whether what is computed from the arguments becomes part of a CUDA graph."""
    return any(isinstance(a, Tensor) and a.is_cuda for a in args) and torch.cuda.is_current_stream_capturing()


def _contexts(module: nn.Module) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Of the forward pass, and of the same in the backward pass."""
    states = [
        (m, name, state.clone()) for m in module.modules() for name, state in m._buffers.items() if state is not None
    ]
    return nullcontext(), _reading(states)


@contextmanager
def _reading(states: Sequence[tuple[nn.Module, str, Tensor]]) -> Iterator[None]:
    """States are, for a while, what they were before the forward pass, which may have moved them.

    And what is moved again are these: batch norm's own running statistics move once with a batch.
    """
    now = [(owner, name, owner._buffers[name]) for owner, name, _ in states]
    for owner, name, before in states:
        owner._buffers[name] = before
    try:
        yield
    finally:
        for owner, name, state in now:
            owner._buffers[name] = state

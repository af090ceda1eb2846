"""Which weights of a node its own forward gives no gradient, found by a backward pass without data."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ..component import Sizes
from ..ports import Signature

__all__ = ["is_foreign", "untrained"]


def is_foreign(module: nn.Module) -> bool:
    """Whether a node's network was written elsewhere: by the user, or for another library."""
    return type(module).__module__.partition(".")[0] != __name__.partition(".")[0]


def untrained(module: nn.Module, signature: Signature, sizes: Sizes, batch: int) -> list[str]:
    """Names of the weights that are to train and get no gradient from anything that the node gives.

    module: on the meta device. Nothing is known, and nothing named, of nodes that take more than one tensor, and of
    those that cannot do a backward pass without data.
    """
    named = {name: p for name, p in module.named_parameters() if p.requires_grad}
    given = _given(signature, sizes, batch)
    if given is None or not named:
        return []
    try:
        with torch.enable_grad():
            ends = [t for t in tree_leaves(module(given)) if isinstance(t, Tensor) and t.requires_grad]
            if not ends:
                return [*named]
            found = torch.autograd.grad(ends, [*named.values()], [torch.ones_like(t) for t in ends], allow_unused=True)
    except Exception:  # of this pass alone: where sizes were worked out, the node could be called
        return []
    return [name for name, gradient in zip(named, found, strict=True) if gradient is None]


def _given(signature: Signature, sizes: Sizes, batch: int) -> Tensor | None:
    """A tensor such as the node gets; None where that is not known."""
    if len(signature.inputs) != 1 or signature.inputs[0].family or len(signature.inputs[0].axes) != 1:
        return None
    first, *others = signature.inputs[0].axes[0]
    known = dict(sizes)
    if first != "b" or not all(letter in known or letter.isdigit() for letter in others):
        return None
    shape = [int(letter) if letter.isdigit() else known[letter] for letter in others]
    return torch.empty(batch, *shape, device="meta")

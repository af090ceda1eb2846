"""Layers that are random by themselves, wherever a network has them: dropout, stochastic depth."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

__all__ = ["without_chance"]

ANYWHERE = ("drop_rate", "drop_prob")  # attributes that are a share of what is left out, whatever has them
OF_A_LAYER = ("p", "prob", "drop")  # and those that are it in a layer that is called so
LAYERS = ("drop", "stochasticdepth")
OF_ATTENTION = "dropout"  # of torch's attention and recurrent layers


def without_chance(network: nn.Module) -> nn.Module:
    """The same network, in which nothing is left out by chance any more."""
    for module, name in list(_shares(network)):
        setattr(module, name, 0.0)
    return network


def _shares(network: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """Each module with a share above 0, and the attribute that it is."""
    for module in network.modules():
        layer = any(word in type(module).__name__.lower() for word in LAYERS)
        names = ANYWHERE + (OF_A_LAYER if layer else ())
        if isinstance(module, nn.MultiheadAttention | nn.RNNBase):
            names += (OF_ATTENTION,)
        for name in names:
            value = getattr(module, name, None)
            if isinstance(value, int | float) and value > 0:
                yield module, name

"""The order of a node's layers: which parameter is in which, counted from the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

__all__ = ["layers_of"]


def layers_of(node: nn.Module) -> dict[str, int] | None:
    """The layer of each parameter, from 0, by the parameter's name; None where nobody says.

    A component says it by a method `layer_of(name)`, a network of timm's by its `group_matcher`.
    """
    names = [name for name, _ in node.named_parameters()]
    layer_of: Callable[[str], int] | None = getattr(node, "layer_of", None)
    if layer_of is not None:
        return {name: layer_of(name) for name in names}
    matcher: Callable[..., Any] | None = getattr(node, "group_matcher", None)
    if matcher is None:
        return None
    from timm.models import group_parameters

    found: dict[str, int] = group_parameters(node, matcher(coarse=False), reverse=True)
    return {name: found[name] for name in names}

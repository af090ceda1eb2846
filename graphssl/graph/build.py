"""From nodes to modules: each is built by its component, from the modules of the nodes that its config names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ..component import Sizes, build
from .nodes import Node
from .recompute import recompute_blocks
from .training import hold


def build_node(node: Node, sizes: Sizes, modules: Mapping[str, nn.Module]) -> nn.Module:
    """A node's module; `modules` are those of the nodes that its config names. Raises `Unbound`."""
    module = build(node.component, node.config, sizes, _sources(node, modules))
    if node.common_keys.trained_parts is not None:
        module = hold(module, node.common_keys.trained_parts)
    return recompute_blocks(module) if node.common_keys.recompute else module


def _sources(node: Node, modules: Mapping[str, nn.Module]) -> dict[str, Any]:
    """The modules that a node's config names, by field, for `component.build`."""
    return {
        name: modules[value] if isinstance(value := getattr(node.config, name), str) else [modules[v] for v in value]
        for name in node.component.refs
    }

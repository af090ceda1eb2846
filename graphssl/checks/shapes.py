"""What shape inference found: the sizes of values and nodes, and the nodes on the meta device."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ..component import DataFacts, Sizes
from ..ports import Signature
from .axes import Shape
from .chance import Chance

__all__ = ["Shapes"]


@dataclass(frozen=True)
class Shapes:
    """What inference found.

    slots: the shape of each tensor of each slot, by the slot's id.
    results: what each forward call gives, on the meta device, by the call's id.
    sizes: the letters of each node. flops: multiply-adds times two of one forward pass, by node.
    chance: what forward calls draw by themselves, by the call's id; only those that do. within: by a module that is
    called, `node.path`, those in which it is at each of its calls, itself among them.
    """

    batch: int
    data: DataFacts
    slots: Mapping[int, tuple[Shape, ...]]
    results: Mapping[int, Any]
    sizes: Mapping[str, Sizes]
    modules: Mapping[str, nn.Module]
    signatures: Mapping[str, Signature]
    flops: Mapping[str, int]
    chance: Mapping[int, Chance] = field(default_factory=dict)
    within: Mapping[str, Collection[str]] = field(default_factory=dict)

    def trainable(self) -> set[str]:
        """Nodes with a parameter that an optimizer may change."""
        return {name for name, m in self.modules.items() if any(p.requires_grad for p in m.parameters())}

    def image_size(self, node: str) -> tuple[int, int] | None:
        """Height and width of the images that a node takes, or None for a node that takes none."""
        signature = self.signatures.get(node)
        first = signature.inputs[0] if signature and signature.inputs else None
        if first is None or first.family or first.axes != (("b", "c", "h", "w"),):
            return None
        if "h" not in tuple(self.sizes[node]):  # of a node that is never called
            return None
        return self.sizes[node]["h"], self.sizes[node]["w"]

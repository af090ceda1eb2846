"""What is exported: a node or a value of a run, what it takes and gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ...checks.checked import Checked
from ...checks.features import feature_problem
from ...errors import UsageError
from ...evaluation.embedding import pooled
from ..folder import RunFolder
from ..trained import load_trained

__all__ = ["Subject", "load_subject"]


@dataclass(frozen=True)
class Subject:
    """A node or a value of a run, in eval mode on the CPU. name: as in the graph. step: of its weights."""

    folder: RunFolder
    checked: Checked
    name: str
    module: nn.Module
    step: int = 0

    @property
    def state(self) -> dict[str, Tensor]:
        """A copy of its weights."""
        return {key: value.detach().clone().contiguous() for key, value in self.module.state_dict().items()}

    def plain(self) -> Subject:
        """Of an average of one node alone the copy that it holds, which is what other libraries know."""
        node = self.checked.graph.nodes.get(self.name)
        refs = node.refs() if node is not None and "average" in node.component.traits else []
        if len(refs) != 1:
            return self
        return replace(self, name=refs[0], module=self.module.get_submodule(refs[0]))

    def input(self, b: int) -> Tensor:
        """Random values of the shape that it takes, `b ...`. Raises UsageError for what takes no single tensor."""
        generator = torch.Generator().manual_seed(b)
        return torch.randn(b, *self._shape(), generator=generator)

    def _shape(self) -> tuple[int, ...]:
        checked, name = self.checked, self.name
        size = checked.image_size(name)
        if size is not None:
            return checked.data.channels, *size
        node = checked.graph.nodes.get(name)
        if node is None:
            raise UsageError(f"{feature_problem(checked.graph, checked.shapes, name)}: it cannot stand alone")
        if node.forward.draws:
            raise UsageError(f"'{name}' is random: it cannot be written as a program")
        ports = [port for port in node.forward.inputs if not port.optional]
        known = checked.shapes.sizes[name]
        axes = ports[0].axes[0] if len(ports) == 1 and ports[0].kind == "tensor" and not ports[0].family else ()
        if axes[:1] != ("b",) or any(letter not in known for letter in axes[1:]):
            takes = ", ".join(map(str, ports)) or "nothing"
            raise UsageError(f"'{name}' takes {takes}: only what takes one tensor, b ..., can be written as a program")
        return tuple(known[letter] for letter in axes[1:])

    def outputs(self, value: Any) -> dict[str, Tensor]:
        """What it gives, by name: `features`, or the names of several outputs."""
        if isinstance(value, Tensor):
            return {"features": value}
        fields = getattr(value, "_fields", None) or tuple(f"out{i}" for i in range(len(value)))
        named = dict(value) if isinstance(value, dict) else dict(zip(fields, value, strict=True))
        if not all(isinstance(one, Tensor) for one in named.values()):
            raise UsageError(f"'{self.name}' gives more than tensors: it cannot be written as a program")
        return named

    def vector(self, x: Tensor) -> Tensor:
        """The features that an evaluation sees."""
        with torch.inference_mode():
            return pooled(self.module(x))


def load_subject(folder: RunFolder, node: str | None) -> Subject:
    """The node or value of that name, with the weights of the run's last checkpoint."""
    found = load_trained(folder, node, torch.device("cpu"))
    name = node or found.checked.features or ""
    return Subject(folder, found.checked, name, found.module.eval(), found.header["step"])

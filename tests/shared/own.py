"""Components of a user's own, and the changes that put them into a graph."""

from __future__ import annotations

from pathlib import Path

OWN = """
from typing import Annotated
from torch import Tensor, nn
from graphssl.component import NodeConfig, component

@component("augment.{name}")
class Grey(nn.Module):
    class Config(NodeConfig):
        pass
    def __init__(self, config, sizes):
        super().__init__()
        {init}
    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b 1 h w"]:
        return image.mean(1, keepdim=True)
"""


def own(folder: Path, text: str, name: str, traits: tuple[str, ...]) -> tuple[str, str]:
    """The change to MOCO that loads a component of that name and traits, whose text goes beside the graph."""
    (folder / "own.py").write_text(text.format(name=name, traits=traits))
    return ("graph: moco", "components: [./own.py]\ngraph: moco")


def grey(folder: Path, name: str, init: str = "") -> list[tuple[str, str]]:
    """Changes to MOCO: a node `grey` of a component of the user's own, which makes one channel of three."""
    (folder / "own.py").write_text(OWN.format(name=name, init=init))
    node = f"  grey: {{use: augment.{name}}}\n  queue:     {{use"
    return [("graph: moco", "components: [./own.py]\ngraph: moco"), ("  queue:     {use", node)]

"""Graphs whose encoders are exported, and what their own features are."""

from __future__ import annotations

from pathlib import Path

import torch
from conftest import SIMCLR
from left_runs import left_run
from torch import Tensor, nn

from graphssl.runs.folder import RunFolder
from graphssl.runs.trained import load_trained

ENCODER = "{use: encoder.resnet, depth: 10, width: 8}"
GREY = """
from typing import Annotated
from torch import Tensor, nn
from graphssl.component import NodeConfig, component

@component("augment.NAME")
class Grey(nn.Module):
    class Config(NodeConfig):
        pass
    def __init__(self, config, sizes):
        super().__init__()
    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b 1 h w"]:
        return image.mean(1, keepdim=True)
"""


def exported_run(folder: Path, encoder: str, *, grey: bool = False) -> RunFolder:
    """A run with that encoder, of pictures of 32 px, of one channel if grey; no weight is as it began."""
    text = SIMCLR.replace(ENCODER, encoder)
    assert encoder == ENCODER or text != SIMCLR
    text = text.replace("evaluate: {features: encoder, knn: {k: 5, every: 1}}", "evaluate: {features: encoder}")
    if "maps:" in encoder:
        text = text.replace("encoder(x, views=fold)", "h.vector").replace(
            "flow:\n", "flow:\n  h: encoder(x, views=fold)\n"
        )
    if grey:
        folder.mkdir(parents=True, exist_ok=True)
        name = "grey_" + "".join(c if c.isalnum() else "_" for c in str(folder))  # a file each has its own
        (folder / "own.py").write_text(GREY.replace("NAME", name))
        text = text.replace("graph: simclr", f"components: [{folder / 'own.py'}]\ngraph: simclr")
        text = text.replace("  encoder:", f"  dull:      {{use: augment.{name}}}\n  encoder:").replace(
            "evaluate: {features: encoder}", ""
        )
        text = text.replace("encoder(x, views=fold)", "encoder(dull(x), views=fold)")
    return left_run(folder / "run", text, moved=True)


def own(run: RunFolder, node: str | None = "encoder") -> nn.Module:
    """The node as graphssl itself has it, in eval mode."""
    module = load_trained(run, node, torch.device("cpu")).module
    return module.eval()


def pictures(b: int, channels: int = 3, side: int = 32) -> Tensor:
    """Half of them noise, half smooth, normalised."""
    generator = torch.Generator().manual_seed(b)
    noise = torch.randn(b, channels, side, side, generator=generator)
    coarse = torch.randn(b, channels, 3, 3, generator=generator)
    smooth = nn.functional.interpolate(coarse, (side, side), mode="bicubic")
    return torch.where((torch.arange(b) % 2).bool()[:, None, None, None], smooth, noise)

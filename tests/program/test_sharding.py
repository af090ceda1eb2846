"""Whose weights are parted, in which modules, and who keeps all of them."""

from __future__ import annotations

import pytest
from conftest import BYOL, SIMCLR, Write

from graphssl.checks.checked import check
from graphssl.program.sharding import held_whole, in_parts, parted

WRITING = """
from typing import Annotated
import torch
from torch import Tensor, nn
from graphssl.component import NodeConfig, component, update

@component("head.writing", traits=("apart",))
class Writing(nn.Module):
    '''Its update writes its own weights, as SwAV's prototypes are normalised.'''
    class Config(NodeConfig): ...
    def __init__(self, config, sizes):
        super().__init__()
        self.layer = nn.Linear(sizes["d"], 8)
    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b e"]:
        return self.layer(x)
    @update
    def shrink(self) -> None:
        self.layer.weight.mul_(0.9)
"""


def test_blocks_come_and_go_by_themselves_and_then_the_node(write: Write) -> None:
    checked = check(write(SIMCLR))
    found = parted(checked.graph, checked.shapes.modules, checked.shapes.within)
    encoder = checked.shapes.modules["encoder"]
    names = {id(module): name for name, module in encoder.named_modules()}
    assert [names[id(m)] for m in found["encoder"]] == [f"layer{i}.0" for i in range(1, 5)] + [""]
    groups = in_parts(checked.graph, checked.shapes)["encoder"]
    assert sum(len(own) for _, own in groups) == len(list(encoder.parameters()))


def test_a_target_is_parted_as_what_it_follows(write: Write) -> None:
    checked = check(write(BYOL))
    found = parted(checked.graph, checked.shapes.modules, checked.shapes.within)
    assert len(found["target"]) == len(found["encoder"]) + len(found["projector"])
    assert checked.shapes.modules["target"] not in found["target"], "its own method averages; its nodes are called"
    assert held_whole(checked.graph, checked.shapes.modules) == {}


@pytest.mark.parametrize(("text", "also"), [(SIMCLR, {}), (BYOL, {"target": "it follows 'projector'"})])
def test_what_is_read_beside_the_call_is_whole(write: Write, text: str, also: dict[str, str]) -> None:
    write(WRITING, name="writing.py")
    head, name = ("projector: {use: head.mlp, hidden: 16, out: 8}", text.partition("\n")[0])
    text = text.replace(head, "projector: {use: head.writing}").replace(name, f"{name}\ncomponents: [./writing.py]")
    text = text.replace("update:\n", "update:\n  projector: shrink()\n")
    if "update:" not in text:
        text = text.replace("train:", "update:\n  projector: shrink()\ntrain:", 1)
    checked = check(write(text))
    expected = {"projector": "its updates may write its weights", **also}
    assert held_whole(checked.graph, checked.shapes.modules) == expected
    assert not parted(checked.graph, checked.shapes.modules, checked.shapes.within).keys() & expected.keys()


LOOKING = """
from typing import Annotated
from torch import Tensor, nn
from graphssl.component import NodeConfig, component

class Block(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(d), nn.Linear(d, d)
    def forward(self, x):
        return x + self.linear(self.norm(x))

@component("head.looking", traits=("apart",))
class Looking(nn.Module):
    class Config(NodeConfig):
        into: bool = True
    def __init__(self, config, sizes):
        super().__init__()
        self.blocks, self.into = nn.Sequential(Block(sizes["d"]), Block(sizes["d"])), config.into
    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b d"]:
        if not self.into:
            return self.blocks(x)
        for block in self.blocks:
            x = x + block.linear(block.norm(x))
        return x
"""


@pytest.mark.parametrize(("into", "modules"), [("true", 1), ("false", 3)])
def test_a_block_that_is_looked_into_comes_with_its_node(write: Write, into: str, modules: int) -> None:
    write(LOOKING, name="looking.py")
    text = SIMCLR.replace("graph: simclr\n", "graph: simclr\ncomponents: [./looking.py]\n")
    text = text.replace("head.mlp, hidden: 16, out: 8", f"head.looking, into: {into}")
    checked = check(write(text))
    assert len(parted(checked.graph, checked.shapes.modules, checked.shapes.within)["projector"]) == modules

"""Positions of a grid: a node that does not know them sees them as more samples, and they come back afterwards."""

from __future__ import annotations

from typing import Annotated

import torch
from conftest import Write, problems_of
from helpers import arguments, program_of
from torch import Tensor, nn

import graphssl
from graphssl.component import NodeConfig, Sizes, component, update
from graphssl.program.program import Program

GRAPH = """\
graph: grid
data: {use: digits, batch: 4}
nodes:
  augment: {use: augment.simclr}
  cut:     {use: testing.cut}
  encoder: {use: encoder.resnet, depth: 10, width: 4}
  head:    {use: head.mlp, hidden: 8, out: 8}
  mean:    {use: testing.mean}
  others:  {use: negatives.in_batch}
  critic:  {use: critic.cosine}
  objective: {use: objective.infonce}
flow:
  x: augment(batch.image)
  z: head(encoder(cut(x)))
  h: mean(z)
  s: critic(h, h, others(h), pairs=cross)
loss:
  nce: objective(s)
evaluate: {features: h}
"""


@component("testing.cut")
class Cut(nn.Module):
    """`b c y x` to four patches, `b r k c h w`."""

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, image: Annotated[Tensor, "b c y x"]) -> Annotated[Tensor, "b r k c h w"]:
        size = image.shape[2] // 2
        return image.unfold(2, size, size).unfold(3, size, size).permute(0, 2, 3, 1, 4, 5)


@component("testing.mean")
class Mean(nn.Module):
    """`b r k d` to `b d`."""

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, z: Annotated[Tensor, "b r k d"]) -> Annotated[Tensor, "b d"]:
        return z.mean((1, 2))


@component("testing.log")
class Log(nn.Module):
    """Keeps the last key, to see what an update gets."""

    class Config(NodeConfig):
        pass

    last: Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.register_buffer("last", torch.zeros(16, sizes["d"]))

    def forward(self, key: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b d"]:
        return key

    @update
    def keep(self, key: Annotated[Tensor, "b d"]) -> None:
        self.last.copy_(key)


@component("testing.noise")
class AddNoise(nn.Module):
    """A random number for each row."""

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        return torch.randn(b, 1, generator=generator, device=device)

    def forward(self, x: Annotated[Tensor, "b d"], draws: Tensor) -> Annotated[Tensor, "b d"]:
        return x + draws


def program(write: Write, *changes: tuple[str, str]) -> Program:
    return program_of(graphssl.check(write(GRAPH, *changes)))


def test_the_axes_of_positions_are_kept(write: Write) -> None:
    checked = graphssl.check(write(GRAPH))
    z = checked.graph.values["z"].slots[0]
    assert z.axes == (("b", "r", "k", "e"),)
    assert checked.shapes.slots[z.id] == ((4, 2, 2, 8),)


def test_each_patch_is_encoded_by_itself(write: Write) -> None:
    p = program(write)
    given = arguments(p, 4)
    loss = p.forward(*given)["loss"]
    m = program(write).forward
    pairs = []
    for view in m.augment(given[0], draws=given[1]):
        patches = [view[:, :, i : i + 16, j : j + 16] for i in (0, 16) for j in (0, 16)]
        rows = torch.stack(patches, 1).flatten(0, 1)
        pairs.append(m.head(m.encoder(rows)).unflatten(0, (4, 4)).mean(1))
    one, two = (torch.nn.functional.normalize(v, dim=1) for v in pairs)
    keys = torch.cat([one, two])
    expected = torch.zeros(())
    for query, key in ((one, two), (two, one)):
        scores = (query @ keys.T).masked_fill(torch.eye(4, dtype=torch.bool).repeat(1, 2), -torch.inf)
        positive = (query * key).sum(1)
        expected = expected + (torch.logsumexp(torch.cat([positive[:, None], scores], 1), 1) - positive).mean() / 2
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)


def test_views_fold_with_their_positions(write: Write) -> None:
    p = program(write, ("encoder(cut(x))", "encoder(cut(x), views=fold)"))
    p.forward(*arguments(p, 4))
    assert int(p.node("encoder").bn1.num_batches_tracked) == 1
    assert "flatten(0, 2)" in p.code()


def test_an_update_gets_rows(write: Write) -> None:
    p = program(
        write,
        ("  mean:    {", "  log:     {use: testing.log}\n  mean:    {"),
        ("evaluate:", "update:\n  log: keep(z[0])\nevaluate:"),
        ("h: mean(z)", "h: mean(log(z))"),
    )
    out = p.forward(*arguments(p, 4))
    p.commit(*out["carried"])
    rows = next(v for v in out["carried"] if v.shape == (4, 2, 2, 8))
    assert torch.equal(p.node("log").last, rows.flatten(0, 2))


def test_a_random_node_draws_for_each_position(write: Write) -> None:
    p = program(
        write,
        ("  mean:    {", "  noise:   {use: testing.noise}\n  mean:    {"),
        ("h: mean(z)", "w: mean(z)\n  h: mean(noise(z))"),
        ("features: h", "features: w"),
    )
    given = arguments(p, 4)
    assert [tuple(d.shape) for d in given[2:]] == [(16, 1), (16, 1)]
    assert p.forward(*given)["loss"].isfinite()


def test_a_batch_of_another_size_has_the_same_positions(write: Write) -> None:
    p = program(write)
    image = torch.zeros(3, 3, 32, 32, dtype=torch.uint8)
    assert p.forward(image, *p.draw(3, None, torch.device("cpu")))["loss"].isfinite()


def test_it_compiles_to_one_graph(write: Write) -> None:
    p = program(write)
    given = arguments(p, 4)
    compiled = torch.compile(program(write).forward, fullgraph=True, backend="aot_eager", dynamic=False)
    torch.testing.assert_close(p.forward(*given)["loss"], compiled(*given)["loss"])


def test_positions_on_one_side_only_are_told(write: Write) -> None:
    path = write(
        GRAPH,
        ("  mean:    {", "  scale:   {use: objective.alignment}\n  mean:    {"),
        ("nce: objective(s)", "nce: objective(s)\n  more: scale(z[0], h[0])"),
    )
    (problem,) = problems_of(graphssl.check, path)
    assert "'x' has positions (r k), and 'y' has none" in problem
    assert "context.pool makes one vector of them" in problem
    assert "more: scale(z[0], h[0])" in problem


def test_maps_are_not_positions(write: Write) -> None:
    """Channels come first in a map, so that its last axis is no embedding."""
    path = write(GRAPH, ("z: head(encoder(cut(x)))", "z: head(cut(x))"))
    (problem,) = problems_of(graphssl.check, path)
    assert "head.x takes [b d]" in problem


def test_features_of_a_value_on_plain_images(write: Write) -> None:
    p = program(write)
    module = p.features("h").eval()
    image = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    patches = torch.stack([image[:, :, i : i + 16, j : j + 16] for i in (0, 16) for j in (0, 16)], 1)
    expected = p.node("head")(p.node("encoder")(patches.flatten(0, 1))).unflatten(0, (5, 4)).mean(1)
    torch.testing.assert_close(module(image), expected, rtol=1e-4, atol=1e-5)

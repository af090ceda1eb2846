"""What becomes of calls at the edges: folds in updates, ports left out, rows of micro-batches, features behind folds."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import pytest
import torch
from conftest import MOCO, Write, problems_of
from helpers import arguments, program_of
from torch import Tensor, nn

import graphssl
from graphssl.checks.features import feature_problem
from graphssl.component import NodeConfig, Sizes, component, update
from graphssl.errors import GraphError
from graphssl.ports import Gaussian
from graphssl.program.program import Program

PLAIN = """\
graph: plain
data: {use: digits, batch: 6, size: 16}
nodes:
  image:     {use: augment.plain}
  encoder:   {use: encoder.conv, width: 4, layers: 2, hidden: 8, out: 8}
  positions: {use: context.positions}
  others:    {use: negatives.in_batch}
  critic:    {use: critic.separable, hidden: 8, out: 4}
  objective: {use: objective.infonce}
flow:
  h: encoder(image(batch.image))
  l: positions(h.map)
  s: critic(h.vector, l, others(l))
loss:
  nce: objective(s)
evaluate: {features: encoder}
"""


class Pair(NamedTuple):
    """Two results."""

    one: Annotated[Tensor, "b d"]
    two: Annotated[Tensor, "b d"]


@component("testing.notes")
class Notes(nn.Module):
    """Keeps what it was told, by port."""

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        for name in "abc":
            self.register_buffer(name, torch.zeros(sizes["d"]))

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b d"]:
        return x

    @update
    def note(
        self, a: Annotated[Tensor, "b d"], b: Annotated[Tensor, "b d"] | None = None,
        c: Annotated[Tensor, "b d"] | None = None,
    ) -> None:  # fmt: skip
        for name, value in (("a", a), ("b", b), ("c", c)):
            if value is not None:
                getattr(self, name).copy_(value.mean(0))


@component("testing.pixels")
class Pixels(nn.Module):
    """An encoder that takes the pixels themselves."""

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.conv = nn.Conv2d(sizes["c"], 3, 2, 2)

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b e r k"]:
        return self.conv(image.float() / 255)


@component("testing.spread")
class Spread(nn.Module):
    """A distribution for each row, and back: to see positions go through."""

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Gaussian, "b d"]:
        return Gaussian(x, torch.zeros_like(x))


@component("testing.mean_of")
class MeanOf(nn.Module):
    """The mean of a distribution."""

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, g: Annotated[Gaussian, "b d"]) -> Annotated[Tensor, "b d"]:
        return g.mean


def program(write: Write, text: str, *changes: tuple[str, str]) -> Program:
    return program_of(graphssl.check(write(text, *changes)))


def forward(p: Program, b: int, size: int = 32) -> dict[str, Any]:
    return p.forward(*arguments(p, b, size=size))  # type: ignore[no-any-return]


def test_an_update_joins_the_views_of_a_fold(write: Write) -> None:
    p = program(
        write, MOCO, ("k: target(x[1])", "k: target(x)"), ("critic(q, k,", "critic(q, k[1],"),
        ("queue: push(k)", "queue: push(k, views=fold)"),
    )  # fmt: skip
    out = forward(p, 16)
    p.commit(*out["carried"])
    queue = p.node("queue")
    keys = torch.cat([v for v in out["carried"] if v.shape == (16, 8)])
    assert int(queue.head) == 32
    assert torch.equal(queue.keys[:32], keys)


def test_ports_that_an_update_leaves_out_stay_out(write: Write) -> None:
    p = program(
        write, MOCO, ("  queue:     {", "  notes:     {use: testing.notes}\n  queue:     {"),
        ("s: critic(q, k", "s: critic(notes(q), k"), ("  queue: push(k)", "  queue: push(k)\n  notes: note(q, c=k)"),
    )  # fmt: skip
    out = forward(p, 16)
    p.commit(*out["carried"])
    notes = p.node("notes")
    assert notes.b.abs().sum() == 0
    assert notes.c.abs().sum() > 0
    assert not torch.equal(notes.a, notes.c)


def test_rows_of_all_micro_batches_are_kept(write: Write) -> None:
    """Rows of positions, `p d`, are as many as the micro-batches have together."""
    p = program(
        write, PLAIN, ("  others:", "  below:     {use: context.offset, rows: 1}\n  queue: {use: negatives.queue, size: 1024}\n  others:"),
        ("s: critic(h.vector, l, others(l))", "a: below(l, l)\n  s: critic(a.query, stopgrad(a.key), queue())"),
        ("evaluate:", "update:\n  queue: push(a.key)\nallow: [G301, G104, G302]\nevaluate:"),
    )  # fmt: skip
    outputs = [forward(p, 6, 16), forward(p, 6, 16)]
    assert p.batched == (True,)
    rows = outputs[0]["carried"][0].shape[0]
    from graphssl.ports import joined

    p.commit(joined([o["carried"][0] for o in outputs]))
    assert int(p.node("queue").head) == 2 * rows


def test_positions_go_through_distributions_and_families(write: Write) -> None:
    p = program(
        write, PLAIN, ("  others:", "  spread: {use: testing.spread}\n  mean: {use: testing.mean_of}\n  others:"),
        ("l: positions(h.map)", "l: mean(spread(positions(h.map)))"),
    )  # fmt: skip
    plain = program(write, PLAIN)
    torch.testing.assert_close(forward(p, 6, 16)["loss"], forward(plain, 6, 16)["loss"])


def test_features_behind_a_fold_of_different_values(write: Write) -> None:
    text = PLAIN.replace(
        "  positions: {use: context.positions}", "  halves: {use: context.halves}\n  join: {use: context.join}"
    )
    text = text.replace("h: encoder(image(batch.image))\n  l: positions(h.map)\n  s: critic(h.vector, l, others(l))",
        "v: halves(image(batch.image))\n  e: encoder(views(v.top, v.bottom), views=fold)\n  a: e.vector\n  h: join(a[0], a[1])\n  s: critic(a[0], a[1], others(a[1]))")  # fmt: skip
    p = program(write, text, ("features: encoder", "features: h"))
    module = p.features("h").eval()
    image = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    encoder = p.node("encoder")
    expected = torch.cat([encoder(image[:, :, :8]).vector, encoder(image[:, :, 8:]).vector], 1)
    torch.testing.assert_close(module(image), expected)


OWN = """\
graph: own
data: {use: digits, batch: 6, size: 16}
nodes:
  image:     {use: augment.plain}
  own:       {use: testing.pixels}
  flatten:   {use: context.flatten}
  head:      {use: head.mlp, hidden: 8, out: 8}
  others:    {use: negatives.in_batch}
  critic:    {use: critic.bilinear}
  objective: {use: objective.infonce}
flow:
  x: image(batch.image)
  m: own(batch.image)
  w: head(flatten(m))
  f: flatten(x)
  s: critic(w, f, others(f))
loss:
  nce: objective(s)
evaluate: {knn: null}
"""


@pytest.mark.parametrize(
    ("name", "reason"), [("m", "'own' makes no images of batch.image"), ("x", "'x' are images, and no features")]
)
def test_images_stand_for_images_only(write: Write, name: str, reason: str) -> None:
    checked = graphssl.check(write(OWN))
    assert str(feature_problem(checked.graph, checked.shapes, name)).startswith(reason)
    assert feature_problem(checked.graph, checked.shapes, "f") is None


@pytest.mark.parametrize(("name", "line"), [("mae", "h.vector"), ("rotation", "encoder(r.view[0])")])
def test_what_a_draw_has_made_is_not_judged(name: str, line: str) -> None:
    with pytest.raises(GraphError, match="draws anew each time, and needs its draws"):
        graphssl.check(
            name, ["nodes.encoder.tokens=true"] * (name == "mae") + [f"flow.judged={line}", "evaluate.features=judged"]
        )


def test_an_encoder_of_patches_is_none_of_images(write: Write) -> None:
    checked = graphssl.check("cpc")
    reason = "'encoder' is given the positions of a grid, and no whole images"
    assert str(feature_problem(checked.graph, checked.shapes, "encoder")).startswith(reason)
    assert feature_problem(checked.graph, checked.shapes, "h") is None


def test_negatives_of_views_are_not_joined(write: Write) -> None:
    path = write(
        MOCO, ("k: target(x[1])", "k: target(x)\n  n: others(k, views=each)"), ("q: projector(encoder(x[0]))", "q: projector(encoder(x))"),
        ("critic(q, k, queue())", "critic(q, k, n, views=fold)"), ("  queue:     {use: negatives.queue, size: 48}", "  others:     {use: negatives.in_batch}"),
        ("  queue: push(k)\n", ""),
    )  # fmt: skip
    (problem,) = problems_of(graphssl.check, path)
    assert "each view has negatives of its own" in problem

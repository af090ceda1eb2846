"""Maps, patches and contexts in graphs: whole steps against the same numbers by hand, and what is evaluated."""

from __future__ import annotations

from typing import Any

import torch
from conftest import Write, problems_of
from helpers import CPU, images, program_of
from torch import Tensor
from torch.nn import functional as f

from graphssl.api import check
from graphssl.program.program import Program

CPC = """\
graph: cpc
data: {use: digits, batch: 4}
nodes:
  augment:   {use: augment.cpc, flip: 0}
  patches:   {use: augment.patches, size: 8, stride: 4, crop: 7}
  encoder:   {use: encoder.resnet, depth: 10, width: 2, norm: {use: group, groups: 2}}
  context:   {use: context.gru, out: 6}
  below:     {use: context.offset, rows: 2}
  others:    {use: negatives.in_batch}
  pool:      {use: context.pool}
  critic:    {use: critic.bilinear}
  objective: {use: objective.infonce}
flow:
  x: augment(batch.image)
  z: encoder(patches(x[0]))
  p: below(context(z), z)
  s: critic(p.query, p.key, others(p.key))
  features: pool(z)
loss:
  two: objective(s)
evaluate: {features: features, knn: null}
"""

AMDIM = """\
graph: amdim
data: {use: digits, batch: 4}
nodes:
  augment:   {use: augment.amdim, flip: 0}
  encoder:   {use: encoder.unpadded, width: 2, out: 8, depth: 1}
  positions: {use: context.positions}
  pick:      {use: context.pick}
  others:    {use: negatives.in_batch}
  critic:    {use: critic.dot}
  objective: {use: objective.infonce}
flow:
  x: augment(batch.image)
  h: encoder(x)
  five: positions(h.five)
  one: pick(five)
  s: critic(one, five, others(h.vector), pairs=cross)
loss:
  five: objective(s)
evaluate: {features: one, knn: null}
"""

CMC = """\
graph: cmc
data: {use: digits, batch: 4}
nodes:
  augment:   {use: augment.cmc, flip: 0}
  lab:       {use: augment.lab}
  lightness: {use: encoder.resnet, depth: 10, width: 2}
  colour:    {use: encoder.resnet, depth: 10, width: 3}
  head_l:    {use: head.mlp, layers: 1, out: 8}
  head_ab:   {use: head.mlp, layers: 1, out: 8}
  join:      {use: context.join}
  others:    {use: negatives.in_batch}
  critic:    {use: critic.cosine}
  objective: {use: objective.infonce}
flow:
  x: augment(batch.image)
  v: lab(x)
  l: lightness(v.l)
  ab: colour(v.ab)
  features: join(l, ab)
  z: head_ab(ab)
  s: critic(head_l(l), z, others(z))
loss:
  l: objective(s)
evaluate: {features: features, knn: null}
"""


def program(write: Write, text: str, *changes: tuple[str, str]) -> Program:
    return program_of(check(write(text, *changes)))


def stepped(p: Program, image: Tensor) -> tuple[tuple[Any, ...], Tensor]:
    """What was drawn for a step, and its loss."""
    draws = p.draw(len(image), torch.Generator().manual_seed(1), CPU)
    return draws, p.forward(image, *draws)["loss"]


def test_cpc_by_hand(write: Write) -> None:
    """One patch after another, one prediction after another: InfoNCE among all positions of the batch."""
    p, image = program(write, CPC), images(4)
    (views, parts), loss = stepped(p, image)
    m = p.forward
    (x,) = m.augment(image, draws=views)
    grid = m.patches(x, draws=parts)
    z = torch.stack([torch.stack([m.encoder(grid[:, i, j]) for j in range(7)], 1) for i in range(7)], 1)
    c = m.context(z)
    pairs = [(c[b, i, j], z[b, i + 2, j]) for b in range(4) for i in range(5) for j in range(7)]
    query, key = (torch.stack(side) for side in zip(*pairs, strict=True))
    expected = f.cross_entropy(query @ m.critic.weight @ key.T, torch.arange(4 * 5 * 7))
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)


def test_cpc_with_convolutions(write: Write) -> None:
    changes = ("{use: context.gru, out: 6}", "{use: context.masked_conv, hidden: 5, layers: 2}")
    _, loss = stepped(program(write, CPC, changes), images(4))
    loss.backward()
    assert loss.isfinite()


def test_a_prediction_below_the_last_row(write: Write) -> None:
    (problem,) = problems_of(check, write(CPC, ("rows: 2", "rows: 7")))
    assert "there is nothing 7 rows below in a grid of 7: rows is at most 6" in problem
    assert "below(context(z), z)" in problem


def test_patches_are_evaluated_in_their_middle(write: Write) -> None:
    """A value behind random nodes has features of plain images, without anything drawn."""
    p = program(write, CPC)
    module, image = p.features("features").eval(), torch.randn(3, 3, 32, 32)
    m = p.forward
    grid = m.patches(image)
    expected = sum(m.encoder(grid[:, i, j]) for i in range(7) for j in range(7)) / 49
    torch.testing.assert_close(module(image), expected, rtol=1e-4, atol=1e-5)


def test_amdim_by_hand(write: Write) -> None:
    p, image = program(write, AMDIM), images(4)
    (views, *places), loss = stepped(p, image)
    m = p.forward
    h = [m.encoder(x) for x in m.augment(image, draws=views)]
    rest = torch.cat([own.vector for own in h])
    total = torch.tensor(0.0)
    for one, two, place in ((0, 1, places[0]), (1, 0, places[1])):
        for b in range(4):
            row, column = divmod(int(place[b]) % 25, 5)
            query = h[one].five[b, :, row, column]
            negative = [query @ rest[n] for n in range(8) if n % 4 != b]
            for i in range(5):
                for j in range(5):
                    positive = query @ h[two].five[b, :, i, j]
                    total = total - positive + torch.logsumexp(torch.stack([positive, *negative]), 0)
    torch.testing.assert_close(loss, total / (2 * 4 * 25), rtol=1e-4, atol=1e-5)


def test_amdim_is_evaluated_in_the_middle(write: Write) -> None:
    p, image = program(write, AMDIM), torch.randn(3, 3, 32, 32)
    module = p.features("one").eval()
    torch.testing.assert_close(module(image), p.forward.encoder(image).five[:, :, 2, 2])


def test_one_view_needs_no_index(write: Write) -> None:
    """A family of one goes through the flow like a single value: both readings give the same loss."""
    first, second = program(write, CMC), program(write, CMC, ("lab(x)", "lab(x[0])"))
    one, two = (stepped(p, images(4))[1] for p in (first, second))
    assert torch.equal(one, two)
    joined = first.features("features").eval()(torch.randn(3, 3, 32, 32))
    assert joined.shape == (3, 16 + 24)


def test_maps_of_a_resnet_go_to_a_head_position_by_position(write: Write) -> None:
    changes = [
        (
            "{use: encoder.unpadded, width: 2, out: 8, depth: 1}",
            "{use: encoder.resnet, depth: 10, width: 2, maps: [layer3]}",
        ),
        ("  positions:", "  head: {use: head.mlp, hidden: 8, out: 16, norm: none}\n  positions:"),
        ("positions(h.five)", "head(positions(h.layer3))"),
    ]
    p, image = program(write, AMDIM, *changes), torch.randn(2, 3, 32, 32)
    module = p.features("five").eval()
    m = p.forward
    layer3 = m.encoder(image).layer3
    expected = torch.stack([torch.stack([m.head(layer3[:, :, i, j]) for j in range(8)], 1) for i in range(8)], 1)
    torch.testing.assert_close(module(image), expected)

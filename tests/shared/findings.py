"""What the checks say about a graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from conftest import MOCO, Write

from graphssl.api import check
from graphssl.checks.inference import infer
from graphssl.checks.rules.all import check as check_rules
from graphssl.component import DataFacts
from graphssl.errors import GraphError, Problem, Problems, in_file_order
from graphssl.graph.read import load

Changes = Sequence[tuple[str, str]]

QUICK_MOCO = MOCO.replace("norm: {use: split_batch, splits: 4}", "norm: {use: group, groups: 4}")  # quicker to infer
ROTATION = """
graph: rotation
data: {use: digits, batch: 16}
nodes:
  augment:   {use: augment.simclr, views: 1}
  rotate:    {use: augment.rotate, views: 2}
  encoder:   {use: encoder.resnet, depth: 10, width: 8}
  head:      {use: head.mlp, hidden: 8, out: 4}
  objective: {use: objective.classification}
flow:
  x: augment(batch.image)[0]
  r: rotate(x)
  logits: head(encoder(r.view))
loss:
  turns: objective(logits, r.label)
train: {epochs: 2, optimizer: {use: sgd, lr: 0.05}}
"""
MASKED = """
graph: masked
data: {use: digits, batch: 16}
nodes:
  augment:   {use: augment.simclr, views: 1}
  encoder:   {use: encoder.vit, patch: 8, dim: 12, depth: 1, heads: 2, tokens: true, mask_token: true}
  target:    {use: target.ema, of: [encoder]}
  mask:      {use: mask.random, of: encoder, ratio: 0.5}
  decoder:   {use: head.decoder, of: encoder, dim: 8, depth: 1, heads: 2, out: tokens}
  take:      {use: context.take}
  objective: {use: objective.distance}
flow:
  x: augment(batch.image)[0]
  m: mask(x)
  h: encoder(x, m.kept)
  t: target(x)
  p: decoder(h.tokens, m.kept, m.hidden)
loss:
  told: objective(p, take(t.tokens, m.hidden))
update:
  target: follow()
train: {epochs: 2, optimizer: {use: sgd, lr: 0.05}}
"""  # half is kept, so that as many tokens are hidden
OTHER: Changes = [
    (
        "  target:    {use",
        "  other:     {use: encoder.vit, patch: 4, dim: 12, depth: 1, heads: 2, tokens: true, mask_token: true}\n"
        "  sight:     {use: head.mlp, layers: 1, out: 48}\n  own:       {use: target.pixels, of: other}\n"
        "  target:    {use",
    ),
    ("loss:\n", "loss:\n  other: objective(sight(other(x).tokens), own(x))\n"),
]  # an encoder with another grid
CLUSTERS = """
graph: clusters
data: {use: digits, batch: 16}
nodes:
  augment:   {use: augment.simclr, views: 1}
  encoder:   {use: encoder.resnet, depth: 10, width: 8}
  bank:      {use: negatives.memory_bank, momentum: 0}
  clusters:  {use: target.clusters, of: bank, count: 8}
  objective: {use: objective.cross_entropy, temperature: 0.1}
flow:
  z: encoder(augment(batch.image)[0])
  c: clusters(z, batch.index)
loss:
  deepcluster: objective(c.scores, c.code)
update:
  bank: store(batch.index, z)
  clusters: {call: fit(), every: epoch}
train: {epochs: 2, optimizer: {use: sgd, lr: 0.05}}
"""
DENSE = """
graph: dense
data: {use: digits, batch: 16}
nodes:
  augment:   {use: augment.simclr, boxes: true}
  encoder:   {use: encoder.resnet, depth: 10, width: 8, maps: [layer4]}
  positions: {use: context.positions}
  predictor: {use: head.mlp, hidden: 8, out: 64}
  cells:     {use: context.cells}
  match:     {use: context.match, by: box}
  gather:    {use: context.gather}
  nearest:   {use: context.nearest, count: 2}
  critic:    {use: critic.cosine}
  objective: {use: objective.regression}
flow:
  x, boxes: augment(batch.image)
  z: positions(encoder(x).layer4)
  c: cells(z, boxes)
  m: match(c, views(c[1], c[0]))
  p: predictor(z)
  k: gather(stopgrad(views(z[1], z[0])), m.share)
loss:
  all: objective(critic(p, k))
  near: objective(critic(nearest(p, m.distance), nearest(k, m.distance)))
train: {epochs: 2, optimizer: {use: sgd, lr: 0.05}}
"""
SECOND: Changes = [
    ("  clusters:  {use", "  other:     {use: target.clusters, of: bank, count: 8}\n  clusters:  {use"),
    ("loss:\n", "  o: other(z, batch.index)\nloss:\n  other: objective(o.scores, o.code)\n"),
    ("update:\n", "update:\n  other: {call: fit(), every: epoch}\n"),
]  # another clustering of the same bank
COLOURS = """
graph: colours
data: {use: digits, batch: 16}
nodes:
  augment:   {use: augment.cmc}
  lab:       {use: augment.lab}
  encoder:   {use: encoder.resnet, depth: 10, width: 8, stem: small, maps: [layer4]}
  positions: {use: context.positions}
  head:      {use: head.mlp, hidden: 8, out: 261}
  colours:   {use: target.colour_bins, stride: 8}
  rarity:    {use: target.rarity}
  objective: {use: objective.cross_entropy, temperature: 1}
flow:
  v: augment(batch.image)[0]
  c: lab(v)
  logits: head(positions(encoder(c.l).layer4))
  code: colours(c.ab)
loss:
  colour: objective(logits, code, weight=rarity(code))
update:
  rarity: observe(code)
train: {epochs: 2, optimizer: {use: sgd, lr: 0.05}}
"""
DINO = """
graph: dino
data: {use: digits, batch: 16}
nodes:
  augment:   {use: augment.simclr}
  encoder:   {use: encoder.resnet, depth: 10, width: 8}
  teacher:   {use: target.ema, of: [encoder]}
  centre:    {use: target.centre}
  objective: {use: objective.cross_entropy, temperature: 0.1}
flow:
  x: augment(batch.image)
  s: encoder(x)
  t: teacher(x)
loss:
  dino: objective(s, centre(t), pairs=cross)
update:
  teacher: follow()
  centre: observe(t)
train: {epochs: 2, optimizer: {use: sgd, lr: 0.05}}
"""
SIMSIAM: Changes = [
    ("  target:    {use: target.ema, of: [encoder, projector], momentum: {from: 0.9, to: 1.0}}\n", ""),
    ("z: target(x)", "z: stopgrad(projector(encoder(x)))"),
    ("update:\n  target: follow()\n", ""),
]  # BYOL without its target
BANK: Changes = [
    ("  queue:     {use: negatives.queue, size: 48}", "  bank:      {use: negatives.memory_bank, sample: 8}"),
    ("queue()", "bank(batch.index)"),
    ("queue: push(k)", "bank: store(batch.index, k)"),
]  # MoCo with a memory bank


def weighted_bank(folder: Path) -> Changes:
    """MoCo with a memory bank that draws its last entry twice as often as the others."""
    path = folder / "weights.txt"
    path.write_text("1\n" * 1499 + "2\n")
    return [*BANK, ("sample: 8", f"sample: 8, weights: {path}")]


def findings(write: Write, text: str, changes: Changes = (), sets: Sequence[str] = ()) -> list[Problem]:
    """Every problem that `check` has with a graph, errors or, where there are none, warnings."""
    try:
        return list(check(write(text, *changes), sets).warnings)
    except GraphError as error:
        return list(error.problems)


def findings_without_count(write: Write, text: str, changes: Changes = ()) -> list[Problem]:
    """The same of a data set whose samples nobody has counted."""
    graph = load(write(text, *changes))
    problems = Problems()
    check_rules(graph, infer(graph, DataFacts(samples=None), graph.spec.data.batch), problems)
    return in_file_order(problems)


def found(
    write: Write, code: str, text: str, changes: Changes = (), sets: Sequence[str] = ()
) -> list[tuple[str, str, str]]:
    """The findings of one rule: what the caret marks, the message, the hint. All other problems must be rules' too."""
    problems = findings(write, text, changes, sets)
    assert all(p.code for p in problems), problems  # a graph that is wrong in itself would pass every rule
    return [(marked(p), p.message, p.hint or "") for p in problems if p.code == code]


def marked(problem: Problem) -> str:
    """The text at the problem's place."""
    span = problem.span
    assert span is not None
    return span.text[span.column - 1 : span.column - 1 + span.length]

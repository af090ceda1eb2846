"""A small graph with a state that is written at the end of each epoch."""

from __future__ import annotations

TEXT = """\
graph: clustered
data: {use: digits, batch: 256}
nodes:
  augment:   {use: augment.simclr, flip: 0, blur: 0}
  encoder:   {use: encoder.resnet, depth: 10, width: 2, stem: imagenet}
  projector: {use: head.mlp, hidden: 8, out: 8}
  bank:      {use: negatives.memory_bank, momentum: 0}
  clusters:  {use: target.clusters, of: bank, count: 10, iterations: 2}
  objective: {use: objective.cross_entropy}
flow:
  x: augment(batch.image)
  z: projector(encoder(x))
  c: clusters(z, batch.index)
loss:
  clusters: objective(c.scores, c.code)
update:
  bank: store(batch.index, z[0])
  clusters: {call: fit(), every: epoch}
train: {epochs: 3, optimizer: {use: adamw, lr: 1e-3}, log_every: 5, checkpoint: {steps: 2}, compile: off}
evaluate: {features: encoder, knn: null, monitor: null}
track: [csv]
"""
EPOCH = 5  # steps: 1,500 digits, the last 220 left out

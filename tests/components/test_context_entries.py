"""Entries of a queue as vectors, which a node for vectors takes as it takes those of the batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import graphssl
from graphssl.component import DataFacts, Sizes, build
from graphssl.components.context import Entries
from graphssl.components.negatives import InBatch, MemoryBank, Queue
from graphssl.errors import GraphError

GRAPH = """
extends: swav
graph: small_batch
data: {batch: 8}
nodes:
  queue:   {use: negatives.queue, size: 24}
  entries: {use: context.entries}
flow:
  z: projector(encoder(x))
  c: prototypes(z)
  past: prototypes(entries(queue()))
  q: codes(c, past)
update:
  queue: push(z[0])
"""


def test_the_entries_come_back_in_their_order() -> None:
    queue = build(Queue, sizes=Sizes({"d": 3}), size=5)
    assert torch.equal(build(Entries)(queue()), queue.keys)


def test_entries_that_are_others_for_each_sample_are_refused() -> None:
    bank = build(MemoryBank, sizes=Sizes({"d": 3}, DataFacts(samples=6)), sample=4, own="keep")
    index = torch.arange(2)
    for negatives in (build(InBatch)((torch.randn(4, 3),)), bank(index, bank.draw(2, None, torch.device("cpu")))):
        with pytest.raises(ValueError, match="for each sample"):
            build(Entries)(negatives)


def test_a_bank_taken_whole_is_the_same_for_all() -> None:
    bank = build(MemoryBank, sizes=Sizes({"d": 3}, DataFacts(samples=6)), sample=None, own="keep")
    assert torch.equal(build(Entries)(bank(torch.arange(2))), bank.keys)


def test_a_queue_joins_the_batch_of_swavs_codes(tmp_path: Path) -> None:
    path = tmp_path / "small_batch.yaml"
    path.write_text(GRAPH)
    checked = graphssl.check(path)
    assert not checked.warnings
    slots = {slot.name: checked.shapes.slots[slot.id] for call in checked.graph.calls for slot in call.outputs}
    assert slots["past"] == ((24, 60),)
    assert slots["q_0"] == slots["q_1"] == ((8, 60),)


def test_what_is_no_queue_is_refused_in_the_graph(tmp_path: Path) -> None:
    path = tmp_path / "small_batch.yaml"
    path.write_text(GRAPH.replace("entries(queue())", "entries(others(z))"))
    with pytest.raises(GraphError, match="for each sample"):
        graphssl.check(path, ["nodes.others={use: negatives.in_batch}", "nodes.queue=null", "update.queue=null"])

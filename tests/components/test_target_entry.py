"""A bank's own entries: read before the step writes them, and no second home for the bank's state."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conftest import MOCO, Write, problems_of
from torch import nn

import graphssl
from graphssl.component import DataFacts, Sizes, build
from graphssl.components.negatives import MemoryBank, Queue
from graphssl.components.target import Entry


def bank() -> MemoryBank:
    torch.manual_seed(0)
    node = build(MemoryBank, sizes=Sizes({"d": 4}, DataFacts(samples=20)), momentum=0.0)
    assert isinstance(node, MemoryBank)
    return node


def entry(of: nn.Module) -> Any:
    return build(Entry, sources={"of": of}, of="bank")


def test_it_gives_the_samples_own_entries() -> None:
    of = bank()
    index = torch.tensor([3, 19, 0, 3])
    assert torch.equal(entry(of)(index), torch.stack([of.keys[i] for i in index.tolist()]))
    assert entry(of)(index[:1]).shape == (1, 4)


def test_it_follows_what_the_bank_stores_and_what_it_gave_stays() -> None:
    of = bank()
    node, index = entry(of), torch.tensor([5, 7])
    before = node(index)
    kept = before.clone()
    with torch.no_grad():
        of.store(index, torch.eye(4)[:2])
    assert torch.equal(node(index), torch.eye(4)[:2])
    assert torch.equal(before, kept)


def test_the_bank_is_no_part_of_it() -> None:
    node = entry(bank())
    assert not list(node.children())
    assert not node.state_dict()
    assert not list(node.parameters())


def test_it_carries_no_gradient() -> None:
    assert not entry(bank())(torch.tensor([1])).requires_grad


@pytest.mark.parametrize("other", [nn.Linear(4, 4), build(Queue, sizes=Sizes({"d": 4}), size=8)])
def test_what_is_no_bank_is_refused(other: nn.Module) -> None:
    message = r"'bank' holds no entry for each sample: name a node of negatives\.memory_bank"
    with pytest.raises(ValueError, match=message):
        entry(other)


def test_in_a_graph_the_refusal_has_its_place(write: Write) -> None:
    path = write(
        MOCO,
        ("  critic:", "  own:       {use: target.entry, of: queue}\n  critic:"),
        ("  k: target(x[1])\n", "  k: target(x[1])\n  o: own(batch.index)\n"),
        ("critic(q, k, queue())", "critic(q, o, queue())"),
    )
    (problem,) = problems_of(graphssl.check, path)
    assert "graph.yaml:9:3" in problem
    assert "'own' (target.entry) cannot be built: 'queue' holds no entry for each sample" in problem


def test_in_a_graph_a_bank_gives_positives_and_negatives(write: Write) -> None:
    """Instance discrimination: one view, its own entry, others; and the proximal term."""
    path = write(
        MOCO,
        ("  queue:     {use: negatives.queue, size: 48}\n", "  bank:      {use: negatives.memory_bank, sample: 8}\n"),
        ("  target:    {use: target.ema, of: [encoder, projector], momentum: 0.99}\n", "  own:       {use: target.entry, of: bank}\n  proximal:  {use: objective.alignment}\n"),
        ("  k: target(x[1])\n", "  k: own(batch.index)\n"),
        ("critic(q, k, queue())", "critic(q, k, bank(batch.index))"),
        ("  infonce: objective(s)\n", "  infonce: objective(s)\n  proximal: 0.5 * proximal(q, k)\n"),
        ("  target: follow()\n  queue: push(k)", "  bank: store(batch.index, q)"),
    )  # fmt: skip
    checked = graphssl.check(path)
    program = graphssl.compile(checked)
    assert [k for k in program.forward.state_dict() if k.startswith(("bank", "own"))] == ["bank.keys"]
    assert program.forward.get_submodule("own")._bank[0] is program.forward.get_submodule("bank")  # type: ignore[index]

"""What the updates of a step take and write, and what one that is skipped leaves alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from allocation import allocated
from conftest import MOCO, Write
from helpers import batch, fresh, make, scaled
from torch import Tensor

from graphssl.api import check
from graphssl.component import update
from graphssl.components.negatives import Queue
from graphssl.ports import pairs, pieces
from graphssl.train.commit import revocable_updates_of

BANK = (
    ("negatives.queue, size: 48", "negatives.memory_bank, sample: 4"), ("queue())", "queue(batch.index))"),
    ("push(k)", "store(batch.index, k)"),
)  # fmt: skip


def test_a_skipped_step_leaves_a_bank(write: Write) -> None:
    step = make(write, MOCO, *BANK)
    scaler, bank = scaled(step, float("inf")), step.program.node("queue")
    before = bank.keys.clone()
    step(0, [batch()])
    assert torch.equal(bank.keys, before)
    scaler._scale.fill_(2.0**10)
    step(1, [batch()])
    assert (bank.keys != before).any(1).nonzero().flatten().tolist() == list(range(16))


class Forgetful(Queue):
    """A queue that writes more than a queue does, whatever the step."""

    @update
    def push(self, key: Tensor) -> None:
        super().push(key)
        self.keys.mul_(0.5)


def test_a_skipped_step_leaves_what_a_derived_class_writes(write: Write) -> None:
    step = make(write, MOCO)
    queue = step.program.node("queue")
    queue.__class__ = Forgetful
    step._functions.current["commit_unless"] = revocable_updates_of(step.program)
    scaled(step, float("inf"))
    before = queue.keys.clone()
    step(0, [batch()])
    assert torch.equal(queue.keys, before)
    assert int(queue.head) == 0


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["eager", "compiled"])
@pytest.mark.parametrize("changes", [(), BANK], ids=["queue", "bank"])
def test_no_copy_of_a_store_is_made_to_take_a_step_back(
    write: Write, changes: tuple[tuple[str, str], ...], compiled: bool
) -> None:
    step = make(write, MOCO, *changes)
    queue, target = step.program.node("queue"), step.program.node("target")
    queue.keys = torch.randn(2**20, 8)
    updates = step._functions.current["commit_unless"]
    if compiled:
        updates = torch.compile(updates, fullgraph=True, dynamic=False)
    key = torch.randn(16, 8)
    carried = (key,) if "head" in queue.state_dict() else (torch.arange(16), key)
    with torch.no_grad():
        updates(torch.tensor(True), *carried)
        _, most = allocated(lambda: updates(torch.tensor(True), *carried))
    kept = sum(t.nbytes for t in (*target.parameters(), *target.buffers()))
    assert (0 if compiled else kept) <= most < kept + 2**15 < queue.keys.nbytes // 8


def test_compiled_updates_take_scores_that_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler looks at all that it is given, before each call: each look at their negatives would compute them."""
    checked = check("cmc", ["data.batch=16", "nodes.bank_l.sample=null", "nodes.bank_ab.sample=null"])
    step = fresh(checked)
    commit: Any = torch.compile(step._functions.current["commit"], fullgraph=True, dynamic=False, backend="eager")
    step._functions.current["commit"] = commit
    monkeypatch.setattr(pieces, "PIECE", 2**12)
    monkeypatch.setattr(pairs.Pairs, "whole", lambda _: pytest.fail("all pairs are computed"))
    for number in range(2):
        step(number, [batch(seed=number)])
    assert step.program.node("nce_l").known


def test_one_commit_for_each_optimizer_step(write: Write) -> None:
    step = make(write, MOCO, ("{epochs", "{accumulate: 2, epochs"))
    step(0, [batch(seed=0), batch(seed=1)])
    assert int(step.program.node("queue").head) == 32
    calls: list[int] = []
    commit = step._functions.current["commit"]
    step._functions.current["commit"] = lambda *c: (calls.append(len(c[0])), commit(*c))
    step(1, [batch(seed=2), batch(seed=3)])
    assert calls == [32]

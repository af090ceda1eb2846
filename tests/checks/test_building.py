"""Nodes that wait for a size: which one, and what has to flow into them."""

from __future__ import annotations

from pathlib import Path

from conftest import MOCO, Write, problems_of
from own import grey

from graphssl.api import check
from graphssl.checks.checked import validated


def test_a_target_that_follows_a_node_that_nothing_calls(write: Write) -> None:
    changes = [("of: [encoder, projector]", "of: [encoder, other]"), ("  queue:     {use", "  other: {use: head.mlp, hidden: 4, out: 8}\n  queue:     {use")]  # fmt: skip
    (found,) = problems_of(check, write(MOCO, *changes))
    assert "graph.yaml:8:3: 'other' (head.mlp) needs the size of 'd', and no wire gives it" in found
    assert "must flow into 'other', which only 'target' names" in found


def test_a_letter_that_no_port_has(write: Write, tmp_path: Path) -> None:
    own = grey(tmp_path, "grey_letter", 'sizes["q"]')
    (found,) = problems_of(check, write(MOCO, *own, ("target(x[1])", "target(grey(x[1]))")))
    assert "'grey' (augment.grey_letter) needs the size of 'q', and no wire gives it" in found
    assert "hint: something whose 'q' is known must flow into 'grey'\n" in f"{found}\n"


def test_memory_bank_needs_the_number_of_samples(write: Write) -> None:
    change = [("  queue:     {use: negatives.queue, size: 48}", "  bank: {use: negatives.memory_bank, sample: 8}"), ("queue())", "bank(batch.index))"), ("queue: push(k)", "bank: store(batch.index, k)")]  # fmt: skip
    assert check(write(MOCO, *change)).shapes.slots
    path = write(MOCO, *change, ("use: digits", "use: image_folder, root: ./nowhere"))
    (found,) = problems_of(validated, path)
    assert "needs the number of training samples" in found
    (found,) = problems_of(check, path)
    assert "there is no folder" in found


def test_a_node_that_asks_for_no_letter_has_the_facts_of_the_data(write: Write) -> None:
    shapes = check(write(MOCO, ("batch: 16}", "batch: 16, size: 64}"), ("k: target(x[1])", "k: target(plain(batch.image))"), ("  queue:     {use", "  plain:     {use: augment.plain}\n  queue:     {use"))).shapes  # fmt: skip
    assert shapes.image_size("encoder") == (64, 64)


def test_a_node_that_nothing_calls_has_no_size(write: Write) -> None:
    """It was an internal error of `check`, and a run's failure."""
    change = ("  queue:     {use", "  spare: {use: head.mlp}\n  queue:     {use")
    (found,) = problems_of(check, write(MOCO, change))
    assert "'spare' (head.mlp) is never called, and so nothing gives it the size of 'd'" in found
    assert "hint: call it in a line of the flow, or leave the node out" in found

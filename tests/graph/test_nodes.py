"""Nodes: options that a null is a value of, and nodes that are made of each other."""

from __future__ import annotations

import pytest
from conftest import MOCO, Write, problems_of
from wired import read


@pytest.mark.parametrize(
    ("further", "sample"),
    [
        ("", None), ("nodes: {bank: {momentum: 0.9}}", None), ("nodes: {bank: {sample: 8}}", 8),
        ("nodes: {bank: {use: negatives.memory_bank}}", None), ("train: {epochs: 1}", None),
    ],
)  # fmt: skip
def test_a_null_is_the_value_of_an_option_that_takes_it(write: Write, further: str, sample: int | None) -> None:
    """Also where that is not its default; of other options the default is back."""
    write("extends: npid\nnodes: {bank: {sample: null}, critic: {temperature: null}}", name="all.yaml")
    nodes = read(write, f"extends: all.yaml\n{further}").resolved()["nodes"]
    assert (nodes["bank"]["sample"], nodes["critic"]["temperature"]) == (sample, 1.0)


def test_a_null_counts_for_the_node_that_it_was_said_of(write: Write) -> None:
    write("extends: npid\nnodes: {bank: {sample: null}}", name="all.yaml")
    write("extends: all.yaml\nnodes: {bank: null}", name="none.yaml")
    nodes = read(write, "extends: none.yaml\nnodes: {bank: {use: negatives.memory_bank}}").resolved()["nodes"]
    assert nodes["bank"]["sample"] == 4096


def test_reference_cycles_are_named(write: Write) -> None:
    found = problems_of(
        read, write, MOCO,
        ("of: [encoder, projector]", "of: [other]"),
        ("  queue:     {use", "  other: {use: target.ema, of: [target]}\n  queue:     {use"),
    )  # fmt: skip
    assert any("nodes are made of each other: target -> other -> target" in p for p in found), found

"""Nodes: options that a null is a value of, and nodes that are made of each other."""

from __future__ import annotations

import pytest
from conftest import MOCO, Write, problems_of
from wired import read

from graphssl import check


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


def test_a_former_name_is_told_with_its_place_and_the_name_of_today(write: Write) -> None:
    """In a file, in one that is extended, and in what `--set` says."""
    old = write("extends: simclr\nnodes:\n  objective: {use: objective.dcl}\n", name="old.yaml")
    told = (
        "no component is called 'objective.dcl'",
        "it is called objective.decoupled now, and is the same in all else",
    )
    (found,) = problems_of(check, old)
    assert f"{old}:3:20: {told[0]}" in found
    assert "use: objective.dcl}\n                     ^^^^^^^^^^^^^\n" in found
    assert f"hint: {told[1]}" in found
    (found,) = problems_of(read, write, "extends: old.yaml\ngraph: new")
    assert f"{old}:3:20: {told[0]}" in found
    (found,) = problems_of(check, "barlow_twins", ["nodes.objective.use=objective.vicreg"])
    assert "it is called objective.variance_covariance now" in found


def test_reference_cycles_are_named(write: Write) -> None:
    found = problems_of(
        read, write, MOCO,
        ("of: [encoder, projector]", "of: [other]"),
        ("  queue:     {use", "  other: {use: target.ema, of: [target]}\n  queue:     {use"),
    )  # fmt: skip
    assert any("nodes are made of each other: target -> other -> target" in p for p in found), found

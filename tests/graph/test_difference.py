"""In what graphs differ is told part by part, and not by what is merely written otherwise."""

from __future__ import annotations

import graphssl
from graphssl.cli.differences import difference_text


def test_what_is_written_otherwise_and_means_the_same_is_no_difference() -> None:
    first = graphssl.load("byol")
    last = graphssl.load("byol", ["train.log_every=10", "nodes.projector.layers=2"])
    assert graphssl.diff(first, last).parts == ()
    assert difference_text(graphssl.diff(first, last)).endswith("they are the same")


def test_nodes_lines_and_values_are_told_by_themselves() -> None:
    text = difference_text(graphssl.diff("byol", "simsiam"))
    lines = text.splitlines()
    assert lines[0] == "byol -> simsiam"
    assert "  - target target.ema" in lines
    assert "  ~ augment augment.byol -> augment.simclr" in lines
    assert "  ~ projector (head.mlp) out 64 -> 256, layers 2 -> 3, last_norm false -> true" in lines
    assert "  ~ s critic(p, z, pairs=cross) -> critic(p, stopgrad(z), pairs=cross)" in lines
    assert "  - target follow()" in lines
    assert "  ~ optimizer adamw -> sgd" in lines
    assert "  ~ knn.every 10 -> 5" in lines


def test_changes_are_of_both_sides() -> None:
    found = graphssl.diff("byol", "simsiam", ["train.epochs=3"])
    assert "train.epochs" not in [part.key for part in found.parts]

"""Parts of resolved graphs: what differs, what is laid over, what has a share in what is learnt."""

from __future__ import annotations

from graphssl.graph.parts import MISSING, changed_parts, needed, with_parts, with_terms_of
from graphssl.graph.read import load


def test_all_parts_laid_over_the_first_make_the_second() -> None:
    first, last = load("simclr").resolved(), load("moco_v2").resolved()
    parts = changed_parts(first, last)
    made = with_parts(first, tuple(parts))
    for section in ("nodes", "flow", "loss", "update", "data", "train"):
        assert made.get(section, {}) == last.get(section, {}), section
    assert first == load("simclr").resolved()  # of which nothing was changed
    assert {part.key for part in parts if part.was is MISSING} >= {"nodes.queue", "update.queue", "flow.k"}


def test_graphs_that_are_the_same_have_no_parts_that_differ() -> None:
    assert changed_parts(load("byol").resolved(), load("byol", ["train.log_every=10"]).resolved()) == []


def test_a_line_is_about_what_it_makes_calls_and_reads() -> None:
    parts = {part.key: part for part in changed_parts(load("byol").resolved(), load("simsiam").resolved())}
    assert parts["flow.s"].names == {"s", "critic", "p", "z", "stopgrad"}
    assert parts["nodes.target"].names >= {"target", "encoder", "projector"}


def test_a_term_that_is_called_otherwise_is_the_same_term() -> None:
    first, last = load("byol").resolved(), load("simsiam").resolved()
    assert with_terms_of(first, last)["loss"] == last["loss"]


def test_what_nothing_reads_or_calls_is_not_needed() -> None:
    plain = load("simclr").resolved()
    more = load(
        "simclr", ["nodes.other={use: head.mlp, hidden: 8, out: 8}", "flow.unused=projector(encoder(x[0]))"]
    ).resolved()  # fmt: skip
    assert needed(more) == needed(plain)
    moco = load("moco_v2").resolved()
    assert needed(moco) == moco  # what the queue is given is needed, though no line of the loss reads it

"""Masks that hide nothing from what is to tell it."""

from __future__ import annotations

import pytest
from conftest import Write
from findings import MASKED, Changes, findings, found

HEAD = ("  decoder:   {use: head.decoder, of: encoder, dim: 8, depth: 1, heads: 2, out: tokens}", "  head: {use: head.mlp, hidden: 8, out: 12}")  # fmt: skip
TOKENS = [("encoder(x, m.kept)", "encoder(x, mask=m.mask)"), ("decoder(h.tokens, m.kept, m.hidden)", "head(h.tokens)"),
          ("objective(p, take(t.tokens, m.hidden))", "objective(p, t.tokens, m.mask)"), HEAD]  # fmt: skip
UNUSED = ("\n  take:      {use: context.take}", "")


@pytest.mark.parametrize("changes", [[], [*TOKENS, UNUSED]], ids=["kept", "mask token"])
def test_what_is_hidden_from_what_tells_it_is_no_matter(write: Write, changes: Changes) -> None:
    assert findings(write, MASKED, changes) == []


@pytest.mark.parametrize("part", ["m.kept", "m.hidden"])
def test_a_target_that_sees_the_mask(write: Write, part: str) -> None:
    changes = [("t: target(x)", f"t: target(x, {part})"), ("take(t.tokens, m.hidden)", "t.tokens"), UNUSED]
    problems = found(write, "G206", MASKED, changes)
    assert problems == (
        []
        if part == "m.hidden"
        else [
            (
                "target(x, m.kept)",
                "'target' gives targets, and sees no more than 'mask' leaves",
                "call it without: target(x)",
            )
        ]
    )


@pytest.mark.parametrize(
    "changes",
    [
        [*TOKENS[1:], UNUSED, ("encoder(x, m.kept)", "encoder(x)")],
        [
            ("encoder(x, m.kept)", "encoder(x)"),
            ("decoder(h.tokens, m.kept, m.hidden)", "head(take(h.tokens, m.hidden))"),
            HEAD,
        ],
        [("encoder(x, m.kept)", "encoder(x, n.kept)"), ("  m: mask(x)", "  m: mask(x)\n  n: mask(x)")],
    ],
    ids=["counted alone", "taken alone", "another mask's"],
)
def test_a_loss_on_patches_that_are_seen(write: Write, changes: Changes) -> None:
    (problem,) = found(write, "G207", MASKED, changes)
    assert problem[1] == "'told' is about what 'mask' hides, and nothing is hidden from what predicts it"
    assert problem[2] == "tell the encoder: encoder(x, m.kept), or encoder(x, mask=m.mask)"


def test_kept_patches_in_the_place_of_hidden_ones(write: Write) -> None:
    """Half are kept, so that the shapes fit."""
    changes = [("decoder(h.tokens, m.kept, m.hidden)", "head(h.tokens)"), HEAD]
    (problem,) = found(write, "G208", MASKED, changes)
    assert problem[1] == "tokens of what 'mask' keeps are compared with those of what it hides"
    assert problem[2] == "put a head.decoder between: decoder(h.tokens, m.kept, m.hidden)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("ratio: 0.5", "ratio: 0.97"),
            "'mask' (mask.random) cannot be built: a ratio of 0.97 hides all of 16 patches",
        ),
        (
            ("mask.random, of: encoder, ratio: 0.5", "mask.block, of: encoder, ratio: 0.05"),
            "a ratio of 0.05 hides none of 16 patches",
        ),
        (("mask.random, of: encoder", "mask.random, of: objective"), "'objective' has no grid of patches"),
        (("mask.random, of: encoder", "mask.random, of: encodr"), "no node is called 'encodr'"),
        (("decoder(h.tokens, m.kept, m.hidden)", "decoder(h.tokens, m.hidden)"), "decoder needs 'hidden'"),
    ],
)
def test_what_cannot_be_built_is_told_with_its_place(write: Write, change: tuple[str, str], message: str) -> None:
    problems = findings(write, MASKED, [change])
    assert any(message in p.message and p.span is not None for p in problems), problems

"""Masks that hide nothing from what is to tell it."""

from __future__ import annotations

import pytest
from conftest import Write
from findings import MASKED, OTHER, Changes, findings, found

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


def test_scores_that_are_clipped_are_of_the_same_patches(write: Write) -> None:
    critic = "  critic: {use: critic.cosine}\n  clip: {use: critic.clip, limit: 1}\n"
    changes = [
        ("encoder(x, m.kept)", "encoder(x)"), ("decoder(h.tokens, m.kept, m.hidden)", "head(take(h.tokens, m.hidden))"),
        HEAD, ("  objective: {use: objective.distance}", critic + "  objective: {use: objective.regression}"),
        ("objective(p, take(t.tokens, m.hidden))", "objective(clip(critic(p, take(t.tokens, m.hidden))))"),
    ]  # fmt: skip
    (problem,) = found(write, "G207", MASKED, changes)
    assert problem[1] == "'told' is about what 'mask' hides, and nothing is hidden from what predicts it"


BOTH = [("views: 1", "views: 2"), ("augment(batch.image)[0]", "augment(batch.image)")]  # two views, a mask each


@pytest.mark.parametrize(
    "changes",
    [
        [("m.kept, m.hidden)", "m.kept, m.hidden, vector=encoder(x).vector)")],
        [
            ("m.kept, m.hidden)", "m.kept, m.hidden, vector=join(h.vector, encoder(x).vector))"),
            ("\n  take: ", "\n  join: {use: context.mean}\n  take: "),
            ("join(h.vector, encoder(x).vector)", "join(views(h.vector, encoder(x).vector))"),
        ],
        [
            *TOKENS,
            UNUSED,
            ("p: head(h.tokens)", "p: head(both(views(h.tokens, encoder(x).tokens)))"),
            ("\n  mask: ", "\n  both: {use: context.mean}\n  mask: "),
        ],
    ],
    ids=["as a vector", "in a mean of vectors", "in a mean of tokens"],
)
def test_a_whole_picture_beside_what_is_left(write: Write, changes: Changes) -> None:
    (problem,) = found(write, "G207", MASKED, changes)
    assert problem[1] == "'told' is about what 'mask' hides, and the whole picture gets into what predicts it"
    assert problem[2] == "all of it comes through one call: encoder(x, m.kept), or encoder(x, mask=m.mask)"


def test_another_picture_may_help(write: Write) -> None:
    """The whole of another view is none of what the mask hides."""
    changes = [("views: 1", "views: 2"), ("x: augment(batch.image)[0]", "y: augment(batch.image)\n  x: y[0]"),
               ("m.kept, m.hidden)", "m.kept, m.hidden, vector=encoder(y[1]).vector)")]  # fmt: skip
    assert findings(write, MASKED, changes) == []


@pytest.mark.parametrize(
    "changes",
    [[*BOTH, *TOKENS, UNUSED, ("t.tokens, m.mask", "t.tokens, views(m.mask[1], m.mask[0])")],
     [*BOTH, *TOKENS, UNUSED, ("encoder(x, mask=m.mask)", "encoder(x, mask=views(m.mask[1], m.mask[0]))")],
     [*BOTH, *TOKENS, UNUSED, ("p: head(h.tokens)", "g: encoder(x)\n  p: head(views(h.tokens[0], g.tokens[1]))")]],
    ids=["counted by the other's", "hidden by the other's", "one view of two"],
)  # fmt: skip
def test_views_are_hidden_each_by_its_own_mask(write: Write, changes: Changes) -> None:
    assert findings(write, MASKED, [*BOTH, *TOKENS, UNUSED]) == []
    assert found(write, "G207", MASKED, changes)


def test_pixels_of_what_is_seen(write: Write) -> None:
    changes = [("m.kept, m.hidden)\n", "m.kept, m.kept)\n"), ("take(t.tokens, m.hidden)", "take(pixels(x), m.kept)"),
               ("out: tokens", "out: pixels"), ("  take: ", "  pixels: {use: target.pixels, of: encoder}\n  take: "),
               ("  t: target(x)\n", ""), ("update:\n  target: follow()\n", ""),
               ("  target:    {use: target.ema, of: [encoder]}\n", "")]  # fmt: skip
    (problem,) = found(write, "G207", MASKED, changes)
    assert problem[1:] == (
        "'told' is about pixels that 'mask' keeps, and what predicts them sees them",
        "compare at m.hidden, both sides",
    )
    features = [("m.kept, m.hidden)\n", "m.kept, m.kept)\n"), ("t.tokens, m.hidden", "t.tokens, m.kept")]
    assert findings(write, MASKED, features) == [], "what the whole picture makes of a patch that is seen is a task"


def test_a_target_of_the_masked_picture_itself(write: Write) -> None:
    changes = [*TOKENS, UNUSED, ("t: target(x)", "t: stopgrad(encoder(x, mask=m.mask).tokens)"),
               ("t.tokens", "t"), ("update:\n  target: follow()\n", ""),
               ("  target:    {use: target.ema, of: [encoder]}\n", "")]  # fmt: skip
    (problem,) = found(write, "G206", MASKED, changes)
    assert problem == (
        "encoder(x, mask=m.mask)",
        "'encoder' gives targets, and sees no more than 'mask' leaves",
        "call it without: encoder(x)",
    )


BLOCKS = [("mask.random, of: encoder, ratio: 0.5", "mask.multi_block, of: encoder, blocks: 2, scale: [0.1, 0.2]"),
          ("patch: 8", "patch: 4"), ("m.kept, m.hidden)", "m.kept, m.hidden, m.valid)"),
          ("take(t.tokens, m.hidden))", "take(t.tokens, m.hidden), m.valid)")]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("take(t.tokens, m.hidden)", "take(t.tokens, views(m.hidden[1], m.hidden[0]))"),
            "tokens at .hidden[0] of 'mask' are compared with tokens at .hidden[1] of 'mask'",
        ),
        (
            ("m.hidden), m.valid)\n", "m.hidden), views(m.valid[1], m.valid[0]))\n"),
            "'where' is of other patches of 'mask' than those that are compared",
        ),
    ],
)
def test_one_block_against_another(write: Write, change: tuple[str, str], message: str) -> None:
    assert findings(write, MASKED, BLOCKS) == []
    (problem,) = found(write, "G208", MASKED, [*BLOCKS, change])
    assert problem[1] == message


@pytest.mark.parametrize("changes", [[], BOTH])
def test_kept_and_hidden_in_the_wrong_order(write: Write, changes: Changes) -> None:
    problems = found(write, "G209", MASKED, [*changes, ("m.kept, m.hidden)", "m.hidden, m.kept)")])
    assert len(problems) == (2 if changes else 1)
    view = " of view 0" if changes else ""
    assert problems[0][1] == (
        f"'decoder' is told that its tokens stand at .hidden of 'mask'{view}, and they stand at .kept of 'mask'{view}"
    )
    assert problems[0][2].endswith("decoder(h.tokens, m.kept, m.hidden)")


def test_a_decoder_told_another_view_s_places(write: Write) -> None:
    changes = [*BOTH, ("h.tokens, m.kept, m.hidden)", "h.tokens, views(m.kept[1], m.kept[0]), m.hidden)")]
    assert len(found(write, "G209", MASKED, changes)) == 2


@pytest.mark.parametrize(("valid", "count"), [("", 1), (", m.valid", 0)])
def test_patches_that_are_repeated(write: Write, valid: str, count: int) -> None:
    changes = [("mask.random, of: encoder, ratio", "mask.block, of: encoder, ratio"),
               ("m.hidden))", f"m.hidden){valid})")]  # fmt: skip
    assert len(found(write, "G210", MASKED, changes)) == count


@pytest.mark.parametrize(
    "changes",
    [
        [("t: target(x)", "t: target(augment(batch.image)[0])")],
        [*BOTH, ("t: target(x)", "t: target(views(x[1], x[0]))")],
        [
            *BOTH,
            *TOKENS,
            UNUSED,
            ("objective(p, t.tokens, m.mask)", "objective(p, views(t.tokens[1], t.tokens[0]), m.mask)"),
        ],
    ],
    ids=["a new draw", "the other view", "the other view's tokens"],
)
def test_a_target_of_another_picture(write: Write, changes: Changes) -> None:
    (problem,) = found(write, "G211", MASKED, changes)
    assert problem[1] == "what 'told' is to tell is of another picture than 'mask' masks"


def test_a_target_of_the_picture_in_other_colours(write: Write) -> None:
    """Whatever is made of the same crop has the same patches."""
    changes = [("m: mask(x)", "m: mask(shifted(x))"), ("encoder(x, m.kept)", "encoder(shifted(x), m.kept)"),
               ("\n  take: ", "\n  shifted: {use: augment.channels, shift: 1}\n  take: ")]  # fmt: skip
    assert found(write, "G211", MASKED, changes) == []
    assert found(write, "G207", MASKED, changes) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([("mask.random, of: encoder", "mask.random, of: other")], "what 'encoder' takes has 4 x 4"),
        ([("decoder, of: encoder", "decoder, of: other")], "what 'decoder' takes has 8 x 8"),
        (
            [("take(t.tokens, m.hidden)", "take(pixels(x), m.hidden)"), ("out: tokens", "out: 48"),
             ("  take: ", "  pixels: {use: target.pixels, of: other}\n  take: ")],
            "what 'take' takes has 64 patches",
        ),
    ],
)  # fmt: skip
def test_a_mask_of_another_grid(write: Write, changes: Changes, words: str) -> None:
    problems = [p.message for p in findings(write, MASKED, [*OTHER, *changes]) if p.code == "G212"]
    assert problems
    assert problems[0].endswith(words)


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


PLAIN = ("  encoder:   {use", "  plain:     {use: augment.plain}\n  encoder:   {use")


@pytest.mark.parametrize(
    "changes",
    [
        [("h: encoder(x, m.kept)", "y: augment(batch.image)[0]\n  h: encoder(y, m.kept)")],
        [PLAIN, ("m: mask(x)", "w: plain(batch.image)\n  m: mask(w)"), ("t: target(x)", "t: target(w)")],
    ],
    ids=["the encoder's", "the mask's and the target's"],
)
def test_the_encoder_sees_the_picture_that_is_told(write: Write, changes: Changes) -> None:
    problems = found(write, "G211", MASKED, changes)
    assert [m for _, m, _ in problems] == [
        "what 'told' is to tell is of another picture than is seen by what is told 'mask'"
    ]


def test_plain_pictures_are_masked_too(write: Write) -> None:
    instead = ("  augment:   {use: augment.simclr, views: 1}\n", "")
    assert found(write, "G211", MASKED, [PLAIN, instead, ("x: augment(batch.image)[0]", "x: plain(batch.image)")]) == []


def test_seen_patches_that_count(write: Write) -> None:
    (problem,) = found(write, "G221", MASKED, [*TOKENS, UNUSED, (", m.mask)\n", ")\n")])
    assert problem == (
        "objective(p, t.tokens)",
        "'told' counts patches that are seen as it counts those that 'mask' hides",
        "say which count: objective(..., where=m.mask)",
    )


@pytest.mark.parametrize(
    ("objective", "loss", "hint"),
    [
        ("objective.alignment", "objective(p, t.tokens)", "compare those that are hidden: context.take of both sides, at m.hidden"),
        ("objective.regression", "objective(critic(p, t.tokens))", "say which count: objective(..., weight=m.mask)"),
    ],
)  # fmt: skip
def test_how_an_objective_is_told_which_patches_count(write: Write, objective: str, loss: str, hint: str) -> None:
    tokens = [change for change in TOKENS if "objective" not in change[0]]
    critic = (
        ("  mask:  ", "  critic: {use: critic.cosine}\n  mask:  ") if "critic" in loss else ("  mask:  ", "  mask:  ")
    )
    changes = [("use: objective.distance", f"use: {objective}"), ("objective(p, take(t.tokens, m.hidden))", loss)]
    (problem,) = found(write, "G221", MASKED, [*tokens, UNUSED, critic, *changes])
    assert problem[2] == hint
    shown = hint.partition(": ")[2].replace("...", loss.removeprefix("objective(")[:-1])
    if "weight" in hint:  # followed as it is written
        followed = [("use: objective.distance", f"use: {objective}"), ("objective(p, take(t.tokens, m.hidden))", shown)]
        assert found(write, "G221", MASKED, [*tokens, UNUSED, critic, *followed]) == []


@pytest.mark.parametrize(
    "changes",
    [
        [("objective(p, take(t.tokens, m.hidden))", "objective(take(p, m.hidden), take(t.tokens, m.hidden))")],
        [("objective(p, take(t.tokens, m.hidden))", "objective(p, target(augment(batch.image)[0]).tokens)")],
    ],
    ids=["taken", "of another picture"],
)
def test_what_is_not_about_seen_patches(write: Write, changes: Changes) -> None:
    tokens = [change for change in TOKENS if "objective" not in change[0]]
    assert found(write, "G221", MASKED, [*tokens, *changes]) == []

"""G3: queues, banks and in-batch negatives, each rule on both sides."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import BYOL, MOCO, SIMCLR, Write
from findings import BANK, DINO, QUICK_MOCO, Changes, findings, found, weighted_bank

NO_TARGET: Changes = [
    ("  target:    {use: target.ema, of: [encoder, projector], momentum: 0.99}\n", ""),
    ("k: target(x[1])", "k: projector(encoder(x[1]))"),
    ("  target: follow()\n", ""),
]
OTHERS = ("  queue:     {use", "  others: {use: negatives.in_batch}\n  queue:     {use")
NNCLR: Changes = [
    *NO_TARGET, OTHERS, ("  critic: ", "  nearest: {use: target.nearest}\n  critic: "),
    ("critic(q, k, queue())", "critic(q, nearest(k, queue()), others(q))"), ("push(k)", "push(k)"),
]  # fmt: skip


# -- G301 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ([("push(k)", "push(q)")], "push(q)"),
        ([("push(k)", "push(stopgrad(q))")], "push(stopgrad(q))"),
        (NO_TARGET, "push(k)"),
    ],
    ids=["online", "behind a stopgrad", "no target"],
)
def test_a_queue_of_online_keys_is_found(write: Write, changes: Changes, place: str) -> None:
    assert found(write, "G301", QUICK_MOCO, changes) == [
        (place, "'queue' is filled by the online encoder", "push the keys of a target.ema")
    ]


@pytest.mark.parametrize(
    "changes", [[], [*BANK, ("store(batch.index, k)", "store(batch.index, q)")], NNCLR], ids=["target", "bank", "nnclr"]
)
def test_targets_banks_and_neighbours_are_sound(write: Write, changes: Changes) -> None:
    assert found(write, "G301", QUICK_MOCO, changes) == []


# -- G302 ----------------------------------------------------------------------------------------------------

BOTH_VIEWS: Changes = [("k: target(x[1])", "k: target(x)"), ("critic(q, k,", "critic(q, k[1],")]


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        ([("size: 48", "size: 50")], "'queue' holds 50 keys, no multiple of the 16 of a step", "size: 64"),
        ([("size: 48", "size: 8")], "'queue' holds 8 keys, smaller than the 16 of a step", "size: 16"),
        ([("{epochs", "{accumulate: 2, epochs")], "'queue' holds 48 keys, no multiple of the 32 of a step", "size: 64"),
        (BOTH_VIEWS, "'queue' holds 48 keys, no multiple of the 32 of a step", "size: 64"),
        (
            [*BOTH_VIEWS, ("push(k)", "push(k, views=fold)")],
            "'queue' holds 48 keys, no multiple of the 32 of a step",
            "size: 64",
        ),
    ],
    ids=["no multiple", "small", "accumulated", "both views", "both views folded"],
)
def test_a_queue_that_does_not_fit_is_found(write: Write, changes: Changes, message: str, hint: str) -> None:
    assert [(m, h) for _, m, h in found(write, "G302", QUICK_MOCO, changes)] == [(message, f"as in {hint}")]


@pytest.mark.parametrize(
    "changes",
    [
        [("size: 48", "size: 16")],
        [("{epochs", "{accumulate: 3, epochs")],
        [*BOTH_VIEWS, ("size: 48", "size: 96")],
        BANK,
    ],
    ids=["one batch", "accumulated", "both views", "bank"],
)
def test_a_queue_of_whole_batches_is_sound(write: Write, changes: Changes) -> None:
    assert found(write, "G302", QUICK_MOCO, changes) == []


# -- G304 ----------------------------------------------------------------------------------------------------

ONE: Changes = [("batch: 16", "batch: 1"), ("out: 8}", "out: 8, norm: none}")]


def test_in_batch_negatives_of_one_are_found(write: Write) -> None:
    assert [(p, m) for p, m, _ in found(write, "G304", SIMCLR, ONE)] == [
        ("1", "'others' finds no negatives in a batch of one")
    ]


def test_two_samples_are_negatives_of_each_other(write: Write) -> None:
    assert found(write, "G304", SIMCLR, [*ONE, ("batch: 1}", "batch: 2}")]) == []


@pytest.mark.parametrize("changes", [[], [OTHERS]], ids=["queue", "a node that is never called"])
def test_a_batch_of_one_has_the_negatives_of_a_queue(write: Write, changes: Changes) -> None:
    one = [("batch: 16", "batch: 1"), (", norm: {use: group, groups: 4}", "")]
    assert found(write, "G304", QUICK_MOCO, [*one, *changes]) == []


# -- G305 ----------------------------------------------------------------------------------------------------

ENCODER, HEAD = (", norm: {use: split_batch, splits: 4}", ""), ("norm: none", "norm: batch")
ENCODER_SAID = (
    "'encoder' uses batch norm over the whole batch, and 'target' makes keys with it",
    "norm: group, or {use: split_batch, splits: 8}",
)
HEAD_SAID = (
    "'projector' uses batch norm over the whole batch, and 'target' makes keys with it",
    "norm: none or layer, or {use: split_batch, splits: 8}",
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([ENCODER], [("encoder", *ENCODER_SAID)]),
        ([HEAD], [("batch", *HEAD_SAID)]),
        ([ENCODER, HEAD], [("encoder", *ENCODER_SAID), ("batch", *HEAD_SAID)]),
        ([("split_batch, splits: 4", "split_batch, splits: 1")], [("norm", *ENCODER_SAID)]),
        ([("norm: none", "norm: layer, last_norm: true"), ENCODER], [("encoder", *ENCODER_SAID)]),
    ],
    ids=["encoder", "head", "both", "one split", "encoder only"],
)
def test_each_leaking_node_of_the_targets_chain_is_named(
    write: Write, changes: Changes, expected: list[tuple[str, str, str]]
) -> None:
    assert found(write, "G305", MOCO, changes) == expected


def test_a_node_behind_two_targets_is_named_for_both(write: Write) -> None:
    changes = [
        ENCODER, ("  queue:     {use", "  slower: {use: target.ema, of: [target], momentum: 0.999}\n  queue:     {use"),
        ("k: target(x[1])", "k: slower(x[1])"), ("  target: follow()", "  target: follow()\n  slower: follow()"),
    ]  # fmt: skip
    assert [m for _, m, _ in found(write, "G305", MOCO, changes)] == [
        f"'encoder' uses batch norm over the whole batch, and '{target}' makes keys with it" for target in ("target", "slower")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (MOCO, []),
        (MOCO, [("{use: split_batch, splits: 4}", "{use: group, groups: 4}")]),
        (MOCO, [("norm: none", "norm: {use: split_batch, splits: 4}")]),
        (MOCO, [("norm: none", "norm: layer")]),
        (MOCO, [*BANK, ENCODER, HEAD]),
        (MOCO, [ENCODER, HEAD, OTHERS, ("queue())", "others(k))")]),
        (BYOL, []),
        (SIMCLR, []),
    ],
    ids=["split", "group", "split head", "layer head", "bank", "queue not read", "no queue", "no target"],
)
def test_other_norms_and_other_negatives_do_not_leak(write: Write, text: str, changes: Changes) -> None:
    assert found(write, "G305", text, changes) == []


# -- G306 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "place", "hint"),
    [
        ([("bank(batch.index)", "bank(batch.label)")], "bank(batch.label)", "it is bank(batch.index)"),
        ([("store(batch.index, k)", "store(batch.label, k)")], "store(batch.label, k)", "it is store(batch.index, key)"),
        ([("store(batch.index, k)", "store(key=k, index=batch.label)")], "store(key=k, index=batch.label)", "it is store(batch.index, key)"),
        ([("bank(batch.index)", "bank(stopgrad(batch.label))")], "bank(stopgrad(batch.label))", "it is bank(batch.index)"),
        ([("  critic: ", "  entry: {use: target.entry, of: bank}\n  critic: "), ("critic(q, k,", "critic(q, entry(batch.label),")], "entry(batch.label)", "it is entry(batch.index)"),
    ],
    ids=["read", "stored", "by name", "stopgrad", "entry"],
)  # fmt: skip
def test_a_bank_indexed_by_labels_is_found(write: Write, changes: Changes, place: str, hint: str) -> None:
    problems = found(write, "G306", QUICK_MOCO, [*BANK, *changes])
    message = f"the index of '{'entry' if 'entry' in place else 'bank'}' is batch.label, not batch.index"
    assert problems == [(place, message, hint)]


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [("bank(batch.index)", "bank(stopgrad(batch.index))")],
        [("store(batch.index, k)", "store(key=k, index=batch.index)")],
        [
            ("  critic: ", "  entry: {use: target.entry, of: bank}\n  critic: "),
            ("critic(q, k,", "critic(q, entry(batch.index),"),
        ],
    ],
    ids=["index", "stopgrad", "by name", "entry"],
)
def test_a_bank_indexed_by_sample_is_sound(write: Write, changes: Changes) -> None:
    assert found(write, "G306", QUICK_MOCO, [*BANK, *changes]) == []


def test_no_index_at_all_is_said_too(write: Write) -> None:
    """Labels in both places: the batch's index is not even read."""
    changes = [*BANK, ("batch.index", "batch.label"), ("graph: moco", "allow: [G401]\ngraph: moco")]
    assert [p.code for p in findings(write, QUICK_MOCO, changes)] == ["G306", "G306"]


def test_one_image_has_no_negatives_among_its_own_positions(write: Write) -> None:
    """In-batch negatives mask all positions of a sample; rows of context.offset are each other's negatives."""
    local = """\
graph: local
data: {use: digits, batch: 1, size: 16}
nodes:
  image:     {use: augment.plain}
  encoder:   {use: encoder.conv, width: 8, layers: 2, hidden: 8, out: 8, norm: {use: group, groups: 4}}
  positions: {use: context.positions}
  others:    {use: negatives.in_batch}
  critic:    {use: critic.separable, hidden: 8, out: 4}
  objective: {use: objective.infonce}
flow:
  h: encoder(image(batch.image))
  l: positions(h.map)
  s: critic(h.vector, l, others(l))
loss:
  nce: objective(s)
"""
    assert found(write, "G304", local)
    rows = [
        ("  others:", "  below: {use: context.offset, rows: 1}\n  others:"),
        ("s: critic(h.vector, l, others(l))", "a: below(l, l)\n  s: critic(a.query, a.key, others(a.key))"),
    ]
    assert not [p for p in findings(write, local, rows) if p.code == "G304"]


def test_a_margin_wants_distances(write: Write) -> None:
    ((_, message, hint),) = found(write, "G307", QUICK_MOCO, [("objective.infonce", "objective.margin")])
    assert "'objective' is for distances, and 'critic' (critic.cosine) gives none" in message
    assert "critic.euclidean" in hint
    changes = [("objective.infonce", "objective.margin"), ("critic.cosine, temperature: 0.2", "critic.euclidean")]
    assert not found(write, "G307", QUICK_MOCO, changes)


# -- G308 ----------------------------------------------------------------------------------------------------


@pytest.fixture
def weighted(tmp_path: Path) -> Changes:
    return weighted_bank(tmp_path)


@pytest.mark.parametrize("objective", ["nce_fixed", "nce_learned", "nce"])
def test_nce_wants_a_bank_that_draws_uniformly(write: Write, weighted: Changes, objective: str) -> None:
    settle = [("bank: store", "objective: settle(s)\n  bank: store")] if objective == "nce" else []
    changes = [("objective.infonce", f"objective.{objective}"), *settle]
    ((place, message, hint),) = found(write, "G308", QUICK_MOCO, [*weighted, *changes])
    assert place == "objective(s)"
    assert message == "'objective' is for noise that draws all entries alike, and 'bank' has weights"
    assert "objective.infonce" in hint
    assert not found(write, "G308", QUICK_MOCO, [*BANK, *changes])


def test_weights_are_found_behind_a_node_that_clips_the_scores(write: Write, weighted: Changes) -> None:
    changes = [
        ("objective.infonce", "objective.nce_fixed"), ("objective(s)", "objective(clip(s))"),
        ("  critic:  ", "  clip: {use: critic.clip}\n  critic:  "),
    ]  # fmt: skip
    assert len(found(write, "G308", QUICK_MOCO, [*weighted, *changes])) == 1


def test_other_objectives_take_what_weights_draw(write: Write, weighted: Changes) -> None:
    assert not found(write, "G308", QUICK_MOCO, weighted)


# -- G309 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([], None),
        ([("observe(t)", "observe(t[0])")], None),
        ([("centre(t)", "centre(stopgrad(t))")], None),
        ([("observe(t)", "observe(s)")], "'encoder'"),
        ([("  s: encoder(x)", "  s: encoder(x)\n  u: teacher(augment(batch.image))"), ("observe(t)", "observe(u)")],
         "'teacher'"),
    ],
    ids=["as given", "one view of it", "stopped", "the student's", "of other views"],
)  # fmt: skip
def test_a_statistic_of_other_values_is_found(write: Write, changes: Changes, says: str | None) -> None:
    messages = [m for _, m, _ in found(write, "G309", DINO, changes)]
    assert len(messages) == (says is not None)
    assert all(f"and observes that of {says} (line" in m for m in messages)

"""G4: labels, epochs and steps, the last batch and rates; each on both sides."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR, Write
from findings import BANK, CLUSTERS, QUICK_MOCO, Changes, findings_without_count, found
from helpers import make

from graphssl.data import Batch

# -- G401 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ([("bank(batch.index)", "bank(batch.label)")], ["bank(batch.label)"]),
        ([("store(batch.index, k)", "store(batch.label, k)")], ["store(batch.label, k)"]),
        ([("batch.index", "batch.label")], ["bank(batch.label)", "store(batch.label, k)"]),
        ([("bank(batch.index)", "bank(stopgrad(batch.label))")], ["stopgrad(batch.label)"]),
        ([("  k: target", "  w: bank(batch.label)\n  k: target"), ("bank(batch.index))", "w)")], ["bank(batch.label)"]),
    ],
    ids=["read", "through the state", "both", "stopgrad", "another line"],
)
def test_labels_are_found_at_the_call_that_reads_them(write: Write, changes: Changes, places: list[str]) -> None:
    problems = found(write, "G401", QUICK_MOCO, [*BANK, *changes])
    assert [p for p, _, _ in problems] == places
    assert {m for _, m, _ in problems} == {"'infonce' uses the labels"}


def test_every_term_that_uses_the_labels_is_named(write: Write) -> None:
    changes = [
        *BANK,
        ("bank(batch.index)", "bank(batch.label)"),
        ("infonce: objective(s)", "one: objective(s)\n  two: 0.5 * objective(s)"),
    ]
    assert [m for _, m, _ in found(write, "G401", QUICK_MOCO, changes)] == ["'one' and 'two' use the labels"]


@pytest.mark.parametrize(
    "changes",
    [[], [("  k: target", "  w: bank(batch.label)\n  k: target")]],
    ids=["index", "a value that no term uses"],
)
def test_labels_that_reach_no_term_are_no_matter(write: Write, changes: Changes) -> None:
    assert found(write, "G401", QUICK_MOCO, [*BANK, *changes]) == []


def test_a_state_that_no_term_reads_may_be_written_with_labels(write: Write) -> None:
    spare = [("  queue:     {use", "  spare: {use: negatives.memory_bank, sample: 8}\n  queue:     {use"),
             ("queue: push(k)", "queue: push(k)\n  spare: store(batch.label, k)")]  # fmt: skip
    assert found(write, "G401", QUICK_MOCO, spare) == []


# -- G402 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([("batch: 16", "batch: 1501")], "the batch of 1501 is larger than the data set of 1500"),
        ([("{epochs", "{accumulate: 94, epochs")], "the batch of 16 times train.accumulate (94) is larger than the data set of 1500"),
        ([("batch: 16", "batch: 751, last: keep"), ("{epochs", "{accumulate: 3, epochs")], "the batch of 751 times train.accumulate (3) is larger than the data set of 1500"),
    ],
)  # fmt: skip
def test_an_epoch_without_a_step_is_found(write: Write, changes: Changes, message: str) -> None:
    assert [m for _, m, _ in found(write, "G402", SIMCLR, changes)] == [message]


@pytest.mark.parametrize(
    "changes",
    [
        [("batch: 16", "batch: 1500")],
        [("batch: 16", "batch: 1501, last: keep")],
        [("{epochs", "{accumulate: 93, epochs")],
        [("batch: 16", "batch: 751, last: keep"), ("{epochs", "{accumulate: 2, epochs")],
    ],
    ids=["whole", "short", "accumulated", "accumulated, short"],
)
def test_an_epoch_with_a_step_is_sound(write: Write, changes: Changes) -> None:
    assert found(write, "G402", SIMCLR, changes) == []


# -- G403 ----------------------------------------------------------------------------------------------------


def training(words: str, warmup: str, data: str = "batch: 16") -> Changes:
    """Digits are 1500: 93 batches of 16, with `last: keep` 94."""
    return [
        ("epochs: 2, ", words),
        ("lr: 0.05}}", f"lr: 0.05}}, schedule: {{warmup: {warmup}}}}}"),
        ("batch: 16", data),
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (training("epochs: 2, ", "2"), "the warm-up of 2 epochs takes all of the 2"),
        (training("epochs: 2, ", "2.5"), "the warm-up of 2.5 epochs takes all of the 2"),
        (training("steps: 93, ", "1"), "the warm-up of 1 epoch, 93 steps, takes all of train.steps: 93"),
        (training("steps: 50, ", "0.54"), "the warm-up of 0.54 epochs, 50 steps, takes all of train.steps: 50"),
        (training("steps: 31, accumulate: 3, ", "1"), "the warm-up of 1 epoch, 31 steps, takes all of train.steps: 31"),
        (training("steps: 94, ", "1", "batch: 16, last: keep"), "the warm-up of 1 epoch, 94 steps, takes all of train.steps: 94"),
        (training("steps: 93, epochs: 100, ", "10"), "the warm-up of 10 epochs, 930 steps, takes all of train.steps: 93"),
    ],
    ids=["epochs", "part of an epoch", "steps", "part of steps", "accumulated", "kept", "steps before epochs"],
)  # fmt: skip
def test_a_warmup_that_takes_all_is_found(write: Write, changes: Changes, message: str) -> None:
    assert [m for _, m, _ in found(write, "G403", SIMCLR, changes)] == [message]


@pytest.mark.parametrize(
    "changes",
    [
        training("epochs: 2, ", "1.9"),
        training("steps: 94, ", "1"),
        training("steps: 32, accumulate: 3, ", "1"),
        training("steps: 95, ", "1", "batch: 16, last: keep"),
        training("steps: 1, ", "0"),
        training("steps: 200, epochs: 1, ", "2"),
    ],
    ids=["epochs", "steps", "accumulated", "kept", "none", "steps before epochs"],
)
def test_a_warmup_that_ends_is_sound(write: Write, changes: Changes) -> None:
    assert found(write, "G403", SIMCLR, changes) == []


# -- G405 ----------------------------------------------------------------------------------------------------


def test_steps_beside_epochs_are_found(write: Write) -> None:
    assert found(write, "G405", QUICK_MOCO, [("epochs: 2", "epochs: 2, steps: 7")]) == [
        ("steps", "steps: 7 and epochs: 2 are both given: steps wins", "take one out")
    ]


@pytest.mark.parametrize("words", ["epochs: 2", "steps: 7", "epochs: 2, steps: null"])
def test_one_of_the_two_is_sound(write: Write, words: str) -> None:
    assert found(write, "G405", QUICK_MOCO, [("epochs: 2", words)]) == []


def test_steps_on_top_of_a_parents_epochs_are_sound(write: Write, tmp_path: Path) -> None:
    write(QUICK_MOCO, name="parent.yaml")
    child = "extends: parent.yaml\ngraph: short\ntrain: {steps: 7}\n"
    assert found(write, "G405", child) == []
    assert len(found(write, "G405", child, [("steps: 7", "steps: 7, epochs: 3")])) == 1
    assert found(write, "G405", QUICK_MOCO, sets=["train.steps=7"]) == []
    assert len(found(write, "G405", QUICK_MOCO, sets=["train.steps=7", "train.epochs=3"])) == 1


# -- G406 ----------------------------------------------------------------------------------------------------

NO_NORM = ("out: 8}", "out: 8, norm: none}")
SPLITS = ("splits: 4", "splits: 8")


def keep(batch: int) -> tuple[str, str]:
    return ("batch: 16", f"batch: {batch}, last: keep")


@pytest.mark.parametrize(
    ("text", "changes", "size", "reasons"),
    [
        (MOCO, [keep(16), SPLITS], "12 of 16 samples (1500 % 16)", ["'encoder' (encoder.resnet) cannot take this", "12 does not part into 8"]),
        (MOCO, [keep(2048), SPLITS], "1500 of 2048 samples (1500 % 2048)", ["1500 does not part into 8"]),
        (MOCO, [keep(1496), SPLITS, ("size: 48", "size: 1496")], "4 of 1496 samples (1500 % 1496)", ["4 does not part into 8"]),
        (BYOL, [keep(1499)], "1 of 1499 samples (1500 % 1499)", ["'projector'", "more than"]),
        (SIMCLR, [keep(1499)], "1 of 1499 samples (1500 % 1499)", ["'projector'", "more than", "'others' finds no negatives in it"]),
        (SIMCLR, [keep(1499), NO_NORM], "1 of 1499 samples (1500 % 1499)", ["'others' finds no negatives in it"]),
        (MOCO, [keep(16), SPLITS, ("epochs: 2", "steps: 94")], "12 of 16 samples (1500 % 16)", ["12 does not part into 8"]),
        (MOCO, [keep(16), SPLITS, ("{epochs", "{accumulate: 2, epochs"), ("size: 48", "size: 64")], "12 of 16 samples (1500 % 16)", ["12 does not part into 8"]),
    ],
    ids=["splits", "larger than the data", "splits of a small rest", "batch norm", "both", "in batch", "steps of an epoch", "accumulated"],
)  # fmt: skip
def test_a_last_batch_that_does_not_go_is_found(
    write: Write, text: str, changes: Changes, size: str, reasons: list[str]
) -> None:
    ((place, message, hint),) = found(write, "G406", text, changes)
    assert place == "keep"
    assert message.startswith(f"the last batch of an epoch has {size}: ")
    assert all(reason in message for reason in reasons)
    assert ("negatives" in message) == any("negatives" in reason for reason in reasons)
    assert "last: drop" in hint


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (MOCO, [SPLITS]),
        (MOCO, [keep(16)]),
        (MOCO, [keep(500), ("splits: 4", "splits: 5"), ("size: 48", "size: 500")]),
        (MOCO, [keep(1499), ("norm: {use: split_batch, splits: 4}", "norm: batch"), ("size: 48", "size: 1499")]),
        (SIMCLR, [keep(1498)]),
        (MOCO, [keep(16), SPLITS, ("epochs: 2", "steps: 93")]),
        (MOCO, [keep(16), SPLITS, ("{epochs", "{accumulate: 3, epochs")]),
    ],
    ids=["dropped", "goes", "no rest", "maps of one sample", "two samples", "steps end before", "left out of the groups"],
)  # fmt: skip
def test_a_last_batch_that_goes_or_is_not_taken_is_sound(write: Write, text: str, changes: Changes) -> None:
    assert found(write, "G406", text, changes) == []


SETTLES = ("ntxent: objective(s)", "ntxent: objective(s)\nupdate:\n  objective: settle(s)")
NCE = [("objective.infonce", "objective.nce"), SETTLES]
TWO = ("{epochs", "{accumulate: 2, epochs")


def test_scores_of_a_short_batch_that_do_not_join_those_of_whole_ones_are_found(write: Write) -> None:
    ((place, message, _),) = found(write, "G406", SIMCLR, [keep(16), *NCE, TWO])
    assert place == "keep"
    assert message == (
        "the last batch of an epoch has 12 of 16 samples (1500 % 16): 'objective.settle' cannot take scores of several "
        "batches together (train.accumulate), as the columns depend on the batch"
    )


def test_a_step_cannot_take_them(write: Write) -> None:
    step = make(write, SIMCLR, keep(16), *NCE, TWO, ("graph: ", "allow: [G406]\ngraph: "))
    whole, short = (Batch(torch.zeros(b, 3, 32, 32, dtype=torch.uint8), *2 * (torch.arange(b),)) for b in (16, 12))
    step(0, [whole, whole])
    with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
        step(1, [whole, short])


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (SIMCLR, [*NCE, keep(16)]),
        (SIMCLR, [*NCE, keep(16), ("{epochs", "{accumulate: 3, epochs")]),
        (SIMCLR, [*NCE, TWO]),
        (SIMCLR, [keep(16), TWO]),
        (QUICK_MOCO, [*BANK, keep(16), TWO, ("objective.infonce", "objective.nce"), ("bank: store", "objective: settle(s)\n  bank: store")]),
        (QUICK_MOCO, [keep(16), TWO]),
    ],
    ids=["one batch a step", "left out of the groups", "dropped", "no update", "a bank's scores", "keys"],
)  # fmt: skip
def test_values_that_join_are_sound(write: Write, text: str, changes: Changes) -> None:
    assert found(write, "G406", text, changes) == []


@pytest.mark.parametrize(
    "changes",
    [[keep(16), SPLITS], [("batch: 16", "batch: 100000")], [("epochs: 2, ", "steps: 1, schedule: {warmup: 100}, ")]],
    ids=["last batch", "batch", "warm-up in steps"],
)
def test_nothing_is_said_where_the_samples_are_not_counted(write: Write, changes: Changes) -> None:
    codes = {p.code for p in findings_without_count(write, MOCO, changes)}
    assert codes.isdisjoint({"G402", "G403", "G406"})


def test_a_warmup_in_epochs_needs_no_count(write: Write) -> None:
    problems = findings_without_count(write, QUICK_MOCO, [("epochs: 2, ", "epochs: 2, schedule: {warmup: 2}, ")])
    assert [p.code for p in problems] == ["G403"]


# -- G407 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["critic", "queue", "target", "objective", "augment"])
def test_a_rate_without_weights_is_found(write: Write, name: str) -> None:
    changes = [("lr: 0.05}", f"lr: 0.05}}, nodes: {{{name}: {{lr: 2.0}}}}")]
    assert found(write, "G407", QUICK_MOCO, changes) == [
        (name, f"'{name}' has no weights to train: its rate has no effect", "nodes with weights are encoder, projector")
    ]


def test_a_rate_for_weights_is_sound(write: Write) -> None:
    changes = [
        ("critic.cosine, temperature: 0.2", "critic.bilinear"),
        ("lr: 0.05}", "lr: 0.05}, nodes: {critic: {lr: 2.0}, encoder: {schedule: constant}}"),
    ]
    assert found(write, "G407", QUICK_MOCO, changes) == []


# -- G411 ----------------------------------------------------------------------------------------------------


def test_clusters_of_each_step_are_found(write: Write) -> None:
    assert found(write, "G411", CLUSTERS, [("{call: fit(), every: epoch}", "fit()")]) == [
        ("fit()", "'clusters' looks at its whole bank after each step", "clusters: {call: fit(), every: epoch}")
    ]
    assert found(write, "G411", CLUSTERS) == []

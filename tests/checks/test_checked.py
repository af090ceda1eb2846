"""A whole check: missing data are one problem beside the others, and rules without a count say nothing of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import MOCO, SIMCLR, Write, problems_of

from graphssl.api import check
from graphssl.checks.checked import Checked, validated
from graphssl.errors import GraphError, Problem

NOWHERE = ("use: digits,", "use: image_folder, root: nowhere, size: 32,")
CIFAR = ("use: digits,", "use: cifar10, root: nowhere,")
SHARDS = ("use: digits,", "use: webdataset, root: nowhere, size: 32,")
BANK = [
    ("  queue:     {use: negatives.queue, size: 48}", "  bank: {use: negatives.memory_bank, sample: 8}"),
    ("queue())", "bank(batch.index))"), ("queue: push(k)", "bank: store(batch.index, k)"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(path: Path) -> Sequence[Problem]:
    with pytest.raises(GraphError) as caught:
        check(path)
    return caught.value.problems


def told(path: Path) -> list[str]:
    """Of each problem its code, or the first words of its message."""
    return [p.code or " ".join(p.message.split()[:4]) for p in refused(path)]


def test_missing_data_are_told_in_file_order_with_what_the_rules_find(write: Write) -> None:
    path = write(MOCO, NOWHERE, ("temperature: 0.2", "temperature: 5.0"), ("target(x[1])", "target(x[0])"))
    assert told(path) == ["there is no folder", "G303", "G203"]
    first, *_ = refused(path)
    assert first.span is not None
    assert (first.span.line, first.kind, first.about) == (2, "missing", "data")
    assert "root: is a folder with" in (first.hint or "")


def test_missing_data_are_told_with_what_does_not_fit(write: Write) -> None:
    assert told(write(MOCO, NOWHERE, ("encoder(x[0])", "encoder(batch.image)"))) == [
        "there is no folder", "'encoder' (encoder.resnet) takes floats,",
    ]  # fmt: skip


@pytest.mark.parametrize("changes", [[], BANK], ids=["queue", "bank"])
def test_a_count_that_only_the_files_would_tell_is_no_second_problem(
    write: Write, changes: list[tuple[str, str]]
) -> None:
    """Neither of the bank, whose size it is, nor of rules that count batches and steps."""
    counting = [("batch: 16", "batch: 4096, last: keep"), ("epochs: 2", "steps: 1, schedule: {warmup: 100}")]
    fitting = [("size: 48", "size: 4096")] if not changes else []
    assert told(write(MOCO, NOWHERE, *fitting, *changes, *counting)) == ["there is no folder"]


def test_a_count_that_is_known_is_used_without_the_files(write: Write) -> None:
    large = [("batch: 16", "batch: 60000"), ("size: 48", "size: 60000"), ("splits: 4", "splits: 8")]
    assert told(write(MOCO, CIFAR, *large)) == ["there is no folder", "G402"]
    assert told(write(MOCO, CIFAR, *BANK)) == ["there is no folder"]
    assert told(write(MOCO, SHARDS, *BANK)) == ["there is no folder"]


def test_a_warmup_is_compared_with_epochs_without_a_count(write: Write) -> None:
    assert told(write(SIMCLR, NOWHERE, ("lr: 0.05}}", "lr: 0.05}, schedule: {warmup: 5}}"))) == [
        "there is no folder", "G403",
    ]  # fmt: skip


def test_a_bank_whose_count_nobody_knows_is_told_where_nobody_asks_for_the_data(write: Write) -> None:
    (found,) = problems_of(validated, write(MOCO, NOWHERE, *BANK))
    assert "'bank' (negatives.memory_bank) needs the number of training samples, which is not known" in found


def test_warnings_alone_let_a_graph_through(write: Write) -> None:
    checked = check(write(MOCO, ("temperature: 0.2", "temperature: 5.0")))
    assert isinstance(checked, Checked)
    assert [w.code for w in checked.warnings] == ["G303"]


ENCODER = "{use: encoder.resnet, depth: 10, width: 8}"
SPLIT = "{use: encoder.resnet, depth: 10, width: 8, norm: split_batch"


def test_a_batch_that_does_not_part_hides_nothing(write: Write, tmp_path: Path) -> None:
    """Weights, parts and layers are looked at in the nodes that could be built."""
    (tmp_path / "it.pt").write_text("no weights")
    changes = [
        (ENCODER, f"{SPLIT}, weights: ./it.pt, train: [layer4, layer5]}}"), ("batch: 16", "batch: 10"),
        ("lr: 0.05}}", "lr: 0.05}, nodes: {critic: {layer_decay: 0.5}}}"),
    ]  # fmt: skip
    found = {p.message.split(";")[0]: p.hint for p in refused(write(SIMCLR, *changes))}
    assert [message[:24] for message in found] == [
        "weights of 'encoder': /t", "'encoder' has no part 'l", "'encoder' (encoder.resne", "layer_decay: the layers ",
    ]  # fmt: skip
    hint = next(hint for message, hint in found.items() if "into 8 equal splits" in message)
    assert hint == "a batch that 8 divides, or in the node norm: {use: split_batch, splits: 5}"


def test_a_frozen_node_has_no_rates_of_layers(write: Write) -> None:
    changes = [
        (ENCODER, "{use: encoder.vit, size: tiny, patch: 8, freeze: true}"),
        ("lr: 0.05}}", "lr: 0.05}, nodes: {encoder: {layer_decay: 0.5}}}"),
    ]
    found = [p.message for p in refused(write(SIMCLR, *changes)) if p.severity == "error"]
    assert found == ["layer_decay: 'encoder' is frozen, and has no rates"]


def test_freezing_a_node_without_weights(write: Write) -> None:
    (problem,) = refused(write(SIMCLR, ("critic.cosine, ", "critic.cosine, freeze: true, ")))
    assert problem.message == "'critic' (critic.cosine) has no weights to freeze"


def test_a_warm_up_that_is_all_has_a_hint(write: Write) -> None:
    (warning,) = check(write(SIMCLR, ("lr: 0.05}}", "lr: 0.05}, schedule: {warmup: 5}}"))).warnings
    assert (warning.code, str(warning.hint)[:28]) == ("G403", "train.schedule.warmup below ")


def test_an_unknown_node_of_train_nodes_hides_nothing(write: Write) -> None:
    rates = "nodes: {encodr: {lr: 2.0}, projector: {layer_decay: 0.5}, critic: {lr: 2.0}}}"
    path = write(SIMCLR, ("lr: 0.05}}", f"lr: 0.05}}, {rates}"), ("temperature: 0.2", "temperature: 5.0"))
    assert sorted(told(path)) == ["G303", "G407", "layer_decay: the layers of", "no node is called"]


def test_what_came_by_set_is_placed_there(write: Write) -> None:
    path = write(SIMCLR, ("lr: 0.05}}", "lr: 0.05}, schedule: {warmup: 1}}"))
    (warning,) = check(path, ["train.epochs=1"]).warnings
    assert warning.span is not None
    assert (warning.code, warning.span.file, warning.span.text) == ("G403", "--set", "train.epochs=1")
    with pytest.raises(GraphError) as caught:
        check(path, ["data.batch=10", "nodes.encoder.norm=split_batch"])
    (problem,) = caught.value.problems
    assert problem.span is not None
    assert (problem.span.file, problem.span.text) == ("--set", "data.batch=10")

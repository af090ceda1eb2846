"""What parted banks and weights send and hold, as `check --processes` says it: by hand, and beside the numbers of a whole one."""

from __future__ import annotations

import torch
from conftest import BYOL, MOCO, Write
from helpers import CPU
from processes import CENTRED

from graphssl.checks.checked import Checked, check
from graphssl.cli.describe import describe
from graphssl.program.cost import predict
from graphssl.program.owned import OwnedRows, Unlinked
from graphssl.program.traffic import traffic
from graphssl.world import World

SAMPLES, WIDTH, NUMBER = 1500, 8, 4  # of digits; of embeddings; bytes of a number
BANK = (
    ("queue:     {use: negatives.queue, size: 48}", "bank: {use: negatives.memory_bank, sample: 12, shard: rows}"),
    ("queue()", "bank(batch.index)"),
    ("queue: push(k)", "bank: store(batch.index, k)"),
)
ENTRY = (
    ("  critic:    {", "  own: {use: target.entry, of: bank}\n  critic:    {"),
    ("s: critic(q, k,", "s: critic(q, own(batch.index),"),
)


def rows_sent(checked: Checked, processes: int) -> dict[str, float]:
    """Bytes by why they are sent."""
    found = traffic(checked.graph, checked.shapes, processes)
    return {one.wanted: one.bytes for one in found.sent if one.what == "rows of bank"}


def test_a_whole_bank_sends_no_rows(write: Write) -> None:
    assert rows_sent(check(write(MOCO, *BANK, (", shard: rows", ""))), 2) == {}


def test_entries_are_sent_to_who_draws_them(write: Write) -> None:
    """A number of 4 bytes goes to the owner for each row that there is room for, and the row comes back."""
    checked = check(write(MOCO, *BANK, *ENTRY))
    rows = OwnedRows(torch.empty(SAMPLES, WIDTH), World(0, 4), 1 / 4, False, Unlinked(4))
    width = NUMBER + WIDTH * NUMBER
    assert rows_sent(checked, 4) == {
        "fetched from their owners, for bank": 3 * rows.room(4 * 12, True) * width,
        "fetched from their owners, for own": 3 * 4 * width,
    }


def test_all_rows_are_sent_where_all_are_wanted(write: Write) -> None:
    checked = check(write(MOCO, *BANK, ("sample: 12", "sample: null")))
    assert checked.data.samples == SAMPLES
    assert rows_sent(checked, 4) == {"all, gathered, for bank": 3 / 4 * SAMPLES * WIDTH * NUMBER}
    assert "rows of bank  " in describe(checked, 4)


def test_each_process_holds_its_part(write: Write) -> None:
    """Beside it one row, into which goes what is written for others."""
    checked = check(write(MOCO, *BANK))
    whole, part = (predict(checked.graph, checked.shapes, CPU, processes=n).states for n in (1, 4))
    assert whole - part == (SAMPLES - SAMPLES // 4 - 1) * WIDTH * NUMBER


def test_who_says_nothing_of_itself_gets_the_whole_bank(write: Write) -> None:
    write(CENTRED, name="centred.py")
    use = ("critic:    {use: critic.cosine, temperature: 0.2}", "critic:    {use: critic.centred}")
    checked = check(write(MOCO, *BANK, use, ("graph: moco\n", "graph: moco\ncomponents: [./centred.py]\n")))
    assert rows_sent(checked, 2) == {"all, gathered, for bank": SAMPLES / 2 * WIDTH * NUMBER}
    note = "'bank' computes the whole batch in every process: 'critic' may look at all of its rows"
    assert note in describe(checked, 2)


FULL = ("train: {", "train: {shard: full, ")


def bytes_of(checked: Checked, *names: str) -> int:
    return NUMBER * sum(p.numel() for name in names for p in checked.shapes.modules[name].parameters())


def test_parted_weights_are_gathered_for_each_call(write: Write) -> None:
    """Two views one after the other, forward and backward; the target's forward only."""
    checked = check(write(BYOL, FULL))
    online = bytes_of(checked, "encoder", "projector", "predictor")
    sent = {one.wanted: one.bytes for one in traffic(checked.graph, checked.shapes, 4).sent}
    wanted = 3 / 4 * (2 * 2 * online + 2 * bytes_of(checked, "target"))
    assert sent["for each call, forward and backward"] == wanted
    assert sent["of all weights"] == 3 / 4 * 2 * online


def test_parted_weights_are_held_in_parts_and_one_module_whole(write: Write) -> None:
    whole, part = (
        predict(checked.graph, checked.shapes, CPU, processes=4)
        for checked in (check(write(BYOL)), check(write(BYOL, FULL)))
    )
    assert part.optimizer == whole.optimizer / 4
    block = check(write(BYOL)).shapes.modules["encoder"].get_submodule("layer4.0")
    assert part.weights == whole.weights / 4 + NUMBER * sum(p.numel() for p in block.parameters())
    assert whole.states - part.states == 0.75 * bytes_of(check(write(BYOL)), "target")
    assert part.activations == whole.activations

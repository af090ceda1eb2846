"""What parted banks send and hold, as `check --processes` says it: by hand, and beside the numbers of a whole one."""

from __future__ import annotations

import torch
from conftest import MOCO, Write
from helpers import CPU

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


OWN = """
from typing import Annotated
from torch import Tensor, nn
from graphssl.component import NodeConfig, component
from graphssl.ports import Negatives, Scores

@component("critic.quiet")
class Quiet(nn.Module):
    class Config(NodeConfig): ...
    def __init__(self, config, sizes):
        super().__init__()
    def forward(
        self, query: Annotated[Tensor, "b d"], key: Annotated[Tensor, "b d"], negatives: Annotated[Negatives, "n d"]
    ) -> Annotated[Scores, "b", "b n"]:
        return negatives.scores((query * key).sum(1), (query @ negatives.entries.T).gather(1, negatives.pick))
"""


def test_who_says_nothing_of_itself_gets_the_whole_bank(write: Write) -> None:
    write(OWN, name="quiet.py")
    use = ("critic:    {use: critic.cosine, temperature: 0.2}", "critic:    {use: critic.quiet}")
    checked = check(write(MOCO, *BANK, use, ("graph: moco\n", "graph: moco\ncomponents: [./quiet.py]\n")))
    assert rows_sent(checked, 2) == {"all, gathered, for bank": SAMPLES / 2 * WIDTH * NUMBER}
    note = "'bank' computes the whole batch in every process: 'critic' may look at all of its rows"
    assert note in describe(checked, 2)

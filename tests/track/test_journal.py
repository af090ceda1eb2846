"""The journal: what it holds, in order, and what of its file comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphssl.track.journal import Entry, Journal, Start


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "undelivered.jsonl"


def begun(path: Path) -> Journal:
    """As the process has it that trains the run."""
    return Journal(path, Start("run-1", 0))


def metric(step: int) -> Entry:
    return Entry("metrics", 1000 + step, {"loss": float(step)}, step)


def test_the_file_holds_what_is_pending_and_stays_small(spool: Path) -> None:
    journal = begun(spool)
    for step in range(5000):
        journal.append(metric(step))
        if step % 2:
            journal.done(journal.next(1))
    assert len(journal) == 2500
    assert len(spool.read_text().splitlines()) < 2500 + 2600
    steps = [e.step for e in begun(spool).pending()]
    assert steps[-2500:] == list(range(2500, 5000))
    while entries := journal.next(100):
        journal.done(entries)
    assert [json.loads(line)["run_id"] for line in spool.read_text().splitlines()] == [None]


def test_batches_are_of_one_kind_and_in_order(spool: Path) -> None:
    journal = begun(spool)
    tag = Entry("tags", 1, {"a": "b"})
    for entry in (metric(0), metric(1), tag, Entry("tags", 1, {"c": "d"}), metric(2)):
        journal.append(entry)
    seen = []
    while entries := journal.next(100):
        seen.append([e.kind for e in entries])
        journal.done(entries)
    assert seen == [["metrics", "metrics"], ["tags"], ["tags"], ["metrics"]]


def test_entries_come_back_as_they_were(spool: Path) -> None:
    journal = begun(spool)
    journal.know("id")
    entries = [
        Entry("metrics", 1, {"a": float("inf"), "b": float("-inf")}, 3),
        Entry("text", 2, {"content": "línea\nzwei \u2028 \x00", "artifact": "a/b.txt"}),
        Entry("end", 3, {"status": "KILLED"}),
    ]
    for entry in entries:
        journal.append(entry)
    again = begun(spool)
    assert again.run_id == "id"
    assert [(e.kind, e.at, e.data, e.step) for e in again.pending()] == [
        (e.kind, e.at, e.data, e.step) for e in entries[:2]
    ]


@pytest.mark.parametrize("junk", [b"", b"\xff\xfe\x00", b"[1, 2]\nnull\n3\n", b'{"kind": "metrics"}\n{"x": 1}\n'])
def test_junk_in_the_file_is_passed_over(spool: Path, junk: bytes) -> None:
    good = json.dumps({"kind": "metrics", "at": 1, "data": {"loss": 1.0}, "step": 4}).encode()
    spool.write_bytes(good + b"\n" + junk)
    assert [e.step for e in begun(spool).pending()] == [4]

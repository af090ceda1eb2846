"""A journal's lines: what is taken for an entry, and what is not, whoever has written it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graphssl.track.entries import Entry, Start, dump_start, parse


def line(**changes: Any) -> str:
    return json.dumps({"kind": "metrics", "at": 1, "data": {"loss": 1.0}, "step": 2, **changes})


def test_entries_and_the_first_line_come_back() -> None:
    entry = parse(line(data={"loss": float("nan"), "n": 3}))
    assert isinstance(entry, Entry)
    assert (entry.kind, entry.step, entry.data["n"]) == ("metrics", 2, 3)
    start = Start("run-1", 5, {"a": "1"}, {"t": "v"}, "http://host", None)
    assert parse(dump_start("id7", start)) == ("id7", start)
    assert parse('{"run_id": "id7"}') == ("id7", None)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "1", "null", "[" * 100_000, "{}", '{"kind": "metrics"}', line(kind="__class__"), line(kind=3),
        line(kind=None), line(at="now"), line(at=2**70), line(step=1.5), line(step=True), line(step=2**64),
        line(data=[]), line(data={"loss": "1"}), line(data={"loss": None}), line(data={"loss": 10**400}),
        line(more=1), line(kind="file"), line(kind="file", data={"path": 1, "folder": ""}),
        line(kind="text", data={"content": "x"}), line(kind="end", data={"status": "DELETED"}),
    ],
)  # fmt: skip
def test_what_is_no_entry(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize("run_id", ["../../etc", "", "a/b", "a b", "a\n", 3, ["x"], "x" * 300])
def test_what_is_no_id(run_id: Any) -> None:
    assert parse(json.dumps({"run_id": run_id})) == (None, None)


@pytest.mark.parametrize("start", [[], {"name": 1, "started": 1}, {"name": "a", "started": "1"},
                                   {"name": "a", "started": 1, "params": {"a": 1}}, {"name": "a", "started": 1, "x": 1},
                                   {"name": "a", "started": 1, "store": 5}])  # fmt: skip
def test_what_is_no_start(start: Any) -> None:
    assert parse(json.dumps({"run_id": "id", "start": start})) == ("id", None)

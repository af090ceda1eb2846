"""In what runs differ, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from ...report.page import Html, Section, table
from .entries import Entry
from .subject import beside
from .words import named, shown

__all__ = ["differing"]

BESIDE = 6  # entries that stand beside each other; more stand below each other
KEYS = 40  # that differ
SEED, NAME = "train.seed", "graph"


def differing(entries: Sequence[Entry]) -> Section:
    """The parameters that are not the same in all entries; the seeds of one entry stand in the results."""
    found = beside([entry.runs[0] for entry in entries])
    several = any(len(entry.runs) > 1 for entry in entries)
    params = {key: row for key, row in found.params.items() if not (several and key == SEED)}
    if not params:
        return Section("differs", "What differs", ["The graphs are the same."])
    keys = list(params)[:KEYS]
    said = [] if len(keys) == len(params) else [f"The first {KEYS} of {len(params)} values that differ."]
    if len(entries) <= BESIDE:
        lines = [[key, *map(shown, params[key])] for key in keys]
        shape = table(["value", *map(named, entries)], lines, "what differs", seen=False)
        return Section("differs", "What differs", [*said, shape])
    rows: list[list[str | Html]] = [
        [named(entry), *(shown(params[key][i]) for key in keys)] for i, entry in enumerate(entries)
    ]
    return Section("differs", "What differs", [*said, table(["runs", *keys], rows, "what differs", seen=False)])

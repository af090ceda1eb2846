"""Rows of words in columns, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import escaped

__all__ = ["table"]


def table(rows: Sequence[Sequence[str]]) -> str:
    """The rows as lines: each column as wide as its longest cell, two blanks apart. A cell is one line, escaped."""
    rows = [[escaped(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)

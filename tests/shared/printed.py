"""Reads tables that the command line prints."""

from __future__ import annotations

import re


def table(text: str, first: str) -> dict[str, list[str]]:
    """The rows of the table whose head begins with `first`, by their first column."""
    block = next(b for b in text.split("\n\n") if b.startswith(first))
    return {(cells := re.split(r" {2,}", line))[0]: cells[1:] for line in block.split("\n")[1:]}

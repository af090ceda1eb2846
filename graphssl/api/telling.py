"""What functions say while they work: line by line, to whoever listens."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import told

__all__ = ["Progress", "Report", "telling"]

Report = Callable[[str], None]
Progress = Callable[[int, int], None]  # how many are done, and of how many


def telling(report: Report) -> Report:
    """Says lines escaped: what is in them may be a file's or a library's."""
    return lambda text: report(told(text))

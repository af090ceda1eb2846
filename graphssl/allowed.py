"""The codes that `allow:` may name, known before any rule is: a wrong one is told with all that is wrong in a file."""

from __future__ import annotations

from collections.abc import Iterator

from .errors import Problem, suggest
from .source import Source

__all__ = ["CODES", "unknown_codes"]

CODES = (
    "G101", "G102", "G103", "G104", "G106", "G201", "G202", "G203", "G204", "G301", "G302", "G303", "G304", "G305",
    "G306", "G307", "G308", "G401", "G402", "G403", "G404", "G405", "G406", "G407", "G408",
)  # fmt: skip


def unknown_codes(source: Source) -> Iterator[Problem]:
    """A problem for each code of `allow:` that no rule has."""
    codes = source.data.get("allow")
    for i, code in enumerate(codes if isinstance(codes, list) else ()):
        if isinstance(code, str) and code not in CODES:
            hint = suggest(code, CODES, "codes are") or "`graphssl explain` lists them"
            yield Problem(f"no rule has the code '{code}'", source.at(("allow", i)), hint)

"""The codes that `allow:` may name, known before any rule is: a wrong one is told with all that is wrong in a file."""

from __future__ import annotations

__all__ = ["CODES"]

CODES = (
    "G101", "G102", "G103", "G104", "G106", "G107", "G108", "G201", "G202", "G203", "G204", "G205", "G206", "G207",
    "G208", "G209", "G210", "G211", "G212", "G213", "G214", "G215", "G216", "G217", "G218", "G219", "G220", "G221",
    "G301", "G302", "G303", "G304", "G305", "G306", "G307", "G308", "G309", "G310", "G401", "G402", "G403", "G404",
    "G405", "G406", "G407", "G408", "G409", "G410", "G411",
)  # fmt: skip

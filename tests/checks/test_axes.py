"""How shapes fit axes."""

from __future__ import annotations

from graphssl.checks.axes import match


def test_match() -> None:
    assert match(("b", "d"), (4, 8)) == [("b", 4), ("d", 8)]
    assert match(("b", "d"), (4, 8, 1)) is None
    assert match(("b", "...", "d"), (4, 1, 2, 8)) == [("b", 4), ("d", 8)]
    assert match(("b", "...", "d"), (4,)) is None
    assert match((), ()) == []

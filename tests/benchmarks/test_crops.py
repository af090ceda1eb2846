"""`crops` times the views that are cut as each picture is decoded, and those that are cut in the step."""

from __future__ import annotations

from collections.abc import Callable


def test_crops_makes_the_views_in_both_ways(run: Callable[..., str]) -> None:
    text = run("crops", "--size", "24", "--height", "40", "--width", "48", "--batch", "2", "--repeats", "1")
    rows = [line for line in text.splitlines() if line.startswith(("as each", "in the step", "decoding"))]
    assert len(rows) == 3
    assert all(any(part.replace(",", "").replace(".", "").isdigit() for part in row.split()) for row in rows)

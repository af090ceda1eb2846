"""Rectangles know their edges."""

from __future__ import annotations

from graphssl.report.layout.geometry import Frame


def test_frames_know_their_edges() -> None:
    frame = Frame(1.0, 2.0, 10.0, 20.0)
    assert (frame.right, frame.bottom, frame.middle) == (11.0, 22.0, 6.0)

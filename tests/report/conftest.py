"""Figures for tests of pictures."""

from __future__ import annotations

from pathlib import Path as File

import pytest
from figures import HARD, figure_of

from graphssl.report.figure.figure import Figure

KNOWN: dict[str, Figure] = {}


@pytest.fixture(params=HARD)
def some(request: pytest.FixtureRequest, tmp_path: File) -> Figure:
    """The figure of each hard graph, read once."""
    name: str = request.param
    if name not in KNOWN:
        text, changes = HARD[name]
        KNOWN[name] = figure_of(tmp_path, text, *changes)
    return KNOWN[name]

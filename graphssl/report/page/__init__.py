"""Building blocks of a page: one HTML file with its style, plots and pictures in it, which knows nothing of runs."""

from __future__ import annotations

from .html import Html, element, joined
from .pictures import data_uri, picture
from .plotly import Plot, check_plotly
from .plots import Axis, Cloud, Interval, Line, clouds, curves, intervals, parallel
from .shell import Section, page
from .tables import table

__all__ = [
    "Axis", "Cloud", "Html", "Interval", "Line", "Plot", "Section", "check_plotly", "clouds", "curves", "data_uri",
    "element", "intervals", "joined", "page", "parallel", "picture", "table",
]  # fmt: skip

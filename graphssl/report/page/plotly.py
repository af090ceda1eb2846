"""Plotly, which draws the plots of a page: the library goes into it once, each plot as the JSON that it takes."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import RunError
from ..text import printable
from .html import Html, element

__all__ = ["Plot", "check_plotly", "library", "plain"]

WITHOUT = "pages need Plotly: pip install 'graphssl[pages]'"
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
LINE = "#8a8f98"  # of axes; grid lines are the page's style


def check_plotly() -> None:
    """Raises RunError where it is not installed."""
    try:
        import plotly  # noqa: F401
    except ImportError:
        raise RunError(WITHOUT) from None


def library() -> str:
    """Its JavaScript."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def plain(text: str) -> str:
    """A text as Plotly shows it: what it would take for markup is none."""
    return html.escape(printable(text), quote=False)


@dataclass(frozen=True)
class Plot:
    """A plot. name: unique in a page. title: what stands above it. label: what is to be seen, for who does not see it.
    traces, layout: as Plotly has them. height: px. table: the same as numbers."""

    name: str
    title: str
    label: str
    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    height: int = 340
    table: Html | None = None
    config: Mapping[str, Any] = field(default_factory=dict)

    def html(self) -> Html:
        """The figure with its data; the page's script draws it."""
        place, title = f"plot-{self.name}", f"title-{self.name}"
        high = f"height:{self.height}px"
        told = self.table and element("details", element("summary", "as a table"), self.table)
        return element(
            "figure",
            element("figcaption", self.title, id=title),
            element("div", id=place, class_="plot", style=high, role="group", aria_label=self.label),
            element("script", Html(self._json()), type="application/json", data_plot=place),
            told,
            class_="plotted", aria_labelledby=title,
        )  # fmt: skip

    def _json(self) -> str:
        """Checked by Plotly. Nothing in it ends the element that it stands in."""
        from plotly.graph_objects import Figure
        from plotly.io.json import to_json_plotly

        figure = Figure(data=list(self.traces), layout={**LAYOUT, **self.layout})
        told = {
            "data": figure.to_plotly_json()["data"], "layout": figure.to_plotly_json()["layout"],
            "config": {**CONFIG, **self.config},
        }  # fmt: skip
        text = str(to_json_plotly(told, engine="json"))
        return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


# Buttons are named one by one: Plotly's own choice has one that sends a plot to a server.
CONFIG = {
    "responsive": True, "displaylogo": False, "scrollZoom": False, "showSendToCloud": False, "plotlyServerURL": "",
    "modeBarButtons": [["zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]],
}  # fmt: skip
LEGEND = {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0}
LAYOUT: dict[str, Any] = {
    "template": "none",
    "autosize": True,
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"family": FONT, "size": 12, "color": LINE},
    "margin": {"l": 56, "r": 16, "t": 28, "b": 44},
    "hoverlabel": {"namelength": 40},
    "legend": LEGEND,
}

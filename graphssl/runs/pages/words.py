"""Figures in a page's tables."""

from __future__ import annotations

from collections.abc import Sequence

from ...evaluation.labels import parse
from ...evaluation.registry import REGISTRY, metric_title, spread_text
from ...evaluation.spread import Spread
from ...report.page import Html, element
from ...report.page.style import color
from .entries import Entry

__all__ = ["figure", "is_judged", "named", "several", "shown", "title_of"]

LONGEST = 120  # characters of a value


def is_judged(metric: str) -> bool:
    """Whether an evaluation has measured it."""
    return parse(metric).evaluation in REGISTRY


def title_of(metric: str) -> str:
    """What a page calls a metric: `kNN top5`; one that no evaluation measures by its own name."""
    return metric_title(metric) if is_judged(metric) else metric


def figure(metric: str, spread: Spread | None) -> str:
    """`97.31 ± 0.42 %`: the mean, and half of its 95 % interval."""
    return "-" if spread is None else spread_text(metric, spread)


def named(entry: Entry, word: str | None = None) -> Html:
    """An entry's name, or another word for it, with its colour before it."""
    mark = element("span", class_="swatch", style=f"background:{color(entry.number)}", aria_hidden="true")
    return element("span", mark, entry.name if word is None else word)


def shown(value: str | None) -> str:
    """A parameter's value in a table."""
    text = "-" if value is None else value
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def several(words: Sequence[str], most: int = 5) -> str:
    """`a, b, c and 4 more`."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more

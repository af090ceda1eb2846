"""A whole page: what stands around its sections, and all that it needs. Nothing is asked for from outside."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .html import Html, element, joined
from .plotly import Plot, library
from .style import SCRIPT, STYLE

__all__ = ["Section", "page"]


@dataclass(frozen=True)
class Section:
    """A part of a page. name: by which the page's contents lead to it. content: HTML, plots, and text, a paragraph
    each; a list of plots stands side by side where there is room."""

    name: str
    title: str
    content: Sequence[str | Plot | Sequence[Plot]]

    def html(self) -> Html:
        heading = f"{self.name}-title"
        return element(
            "section", element("h2", self.title, id=heading), [_shown(one) for one in self.content], id=self.name,
            aria_labelledby=heading,
        )  # fmt: skip


def _shown(content: str | Plot | Sequence[Plot]) -> Html:
    if isinstance(content, Html):
        return content
    if isinstance(content, str):
        return element("p", content)
    if isinstance(content, Plot):
        return content.html()
    return element("div", [plot.html() for plot in content], class_="side")


def page(title: str, subtitle: str, notes: Iterable[str], sections: Sequence[Section], made: Sequence[str]) -> str:
    """The file's text. notes: what a reader should know first. made: by what it was made, text and HTML."""
    body = joined(
        [
            element("a", "Skip to the contents", href="#contents", class_="skip"),
            element("header", element("h1", title), element("p", subtitle, class_="soft"), _notes(notes)),
            element(
                "nav",
                element("ul", [element("li", element("a", s.title, href=f"#{s.name}")) for s in sections]),
                aria_label="sections",
            ),
            element("main", [section.html() for section in sections], id="contents", tabindex=-1),
            element("footer", element("p", made, class_="soft")),
        ]
    )
    scripts = [library(), SCRIPT]
    head = joined(
        [
            element("meta", charset="utf-8"),
            element("meta", http_equiv="Content-Security-Policy", content=_policy(scripts)),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="color-scheme", content="light dark"),
            element("title", title),
            element("style", Html(STYLE)),
        ]
    )
    last = joined(element("script", Html(script)) for script in scripts)
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}\n{last}\n</body>\n</html>\n'


def _notes(notes: Iterable[str]) -> Html | None:
    lines = [element("li", note) for note in notes]
    return element("ul", lines, class_="notes") if lines else None


def _policy(scripts: Iterable[str]) -> str:
    """What a browser may do for the page: run these scripts and no other, and ask nobody for anything.

    Plotly writes styles, and makes code for parallel coordinates as it runs.
    """
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts]
    return (
        f"default-src 'none'; script-src {' '.join(hashes)} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: "
        "blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )

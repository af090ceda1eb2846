"""HTML that cannot be broken out of: text is escaped where it goes into an element, unless it is HTML already."""

from __future__ import annotations

import html
from collections.abc import Iterable

from ..text import printable

__all__ = ["Html", "element", "joined"]

VOID = {"br", "col", "img", "link", "meta"}


class Html(str):
    """HTML as it goes into a page; any other text is escaped there."""

    __slots__ = ()


def element(tag: str, /, *children: str | Iterable[str] | None, **attributes: object) -> Html:
    """An element. children: text, HTML, lists of them; None is left out.

    attributes: `class_` and `aria_label` are `class` and `aria-label`; True has no value, None and False are left out.

    >>> element("a", "2 < 3", href="#x", class_="big")
    '<a href="#x" class="big">2 &lt; 3</a>'
    """
    said = "".join(_attribute(key, value) for key, value in attributes.items())
    inner = joined(children)
    return Html(f"<{tag}{said}>" if tag in VOID else f"<{tag}{said}>{inner}</{tag}>")


def joined(children: Iterable[str | Iterable[str] | None]) -> Html:
    """One after the other, text escaped."""
    parts = []
    for child in children:
        if isinstance(child, Html):
            parts.append(child)
        elif isinstance(child, str):
            parts.append(Html(html.escape(printable(child))))
        elif child is not None:
            parts.append(joined(child))
    return Html("".join(parts))


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(printable(str(value)))}"'

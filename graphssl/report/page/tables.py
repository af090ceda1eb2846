"""Tables of a page: they scroll by themselves where they are wide, by keyboard too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .html import Html, element

__all__ = ["scrolled", "table"]

ROWS = 20  # above which a table scrolls up and down, too


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], caption: str, *, numbers: Iterable[int] = (), seen: bool = True
) -> Html:  # fmt: skip
    """A table whose first column names its rows. caption: what it is; shown where it is `seen`, and told in any case.

    numbers: the columns of numbers, which are flush right.
    """
    right = set(numbers)

    def cell(tag: str, i: int, content: str, **more: object) -> Html:
        return element(tag, content, class_="number" if i in right else None, **more)

    lines = [
        element("tr", [cell("td", i, one) if i else cell("th", i, one, scope="row") for i, one in enumerate(row)])
        for row in rows
    ]
    inner = element(
        "table",
        element("caption", caption, class_=None if seen else "unseen"),
        element("thead", element("tr", [cell("th", i, one, scope="col") for i, one in enumerate(head)])),
        element("tbody", lines),
    )
    return scrolled(inner, caption, tall=len(lines) > ROWS)


def scrolled(content: Html, label: str, *, tall: bool = False) -> Html:
    """Something that may be wider than the page, which the arrow keys scroll where it has the focus. tall: also higher
    than there should be on a page at once."""
    return element(
        "div", content, class_="scroll tall" if tall else "scroll", tabindex=0, role="region", aria_label=label
    )  # fmt: skip

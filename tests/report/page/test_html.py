from __future__ import annotations

import pytest

from graphssl.report.page import Html, element, joined


def test_text_is_escaped_and_html_is_not_twice() -> None:
    inner = element("b", "1 < 2 & <script>")
    assert inner == "<b>1 &lt; 2 &amp; &lt;script&gt;</b>"
    assert element("p", inner, " <i>") == f"<p>{inner} &lt;i&gt;</p>"
    assert joined(["<", ["a", [Html("<br>")]], None]) == "&lt;a<br>"


@pytest.mark.parametrize(
    ("value", "told"),
    [('"><script>', ' title="&quot;&gt;&lt;script&gt;"'), (True, " title"), (None, ""), (False, ""), (0, ' title="0"')],
)
def test_attributes(value: object, told: str) -> None:
    assert element("td", title=value) == f"<td{told}></td>"


def test_names_of_attributes_are_html_s() -> None:
    assert element("div", class_="wide", aria_label="a", data_plot="b") == (
        '<div class="wide" aria-label="a" data-plot="b"></div>'
    )


def test_void_elements_have_no_end() -> None:
    assert element("img", alt="") == '<img alt="">'


def test_what_is_not_seen_is_told() -> None:
    assert "\u202e" not in element("p", "a\u202eb")

"""The page: its script finds what it asks for, and nothing that is written breaks out."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path as File

import pytest
from conftest import SIMCLR
from figures import HARD, NASTY, VARIANTS, drawn, each_graph, nasty, read

from graphssl.report import draw
from graphssl.report.drawing.frame import scene_of
from graphssl.report.drawing.page import SCRIPT, STYLE, write_page
from graphssl.report.figure.figure import Box, End, Figure, Label, Wire


def page_of(figure: Figure) -> str:
    return write_page(figure, scene_of(figure))


def facts_of(page: str) -> dict[str, dict[str, object]]:
    found = re.search(r'id="facts">(.*?)</script>', page, re.DOTALL)
    assert found
    facts: dict[str, dict[str, object]] = json.loads(found.group(1))
    return facts


class _Tags(HTMLParser):
    """Whether tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "rect", "path"):
            self.open.append(tag)
        self.ids += [v or "" for k, v in attrs if k == "id"]
        self.outside += [f"{k}={v}" for k, v in attrs if k in ("src", "href", "srcset", "action")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None: ...

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_knows_what_each_box_is() -> None:
    boxes_ = (
        Box("a.0", "encoder", "a", ("line",), 2, False, "line 3: a: {}", "a", {"use": "encoder.x", "depth": 10}),
        Box("a.9", "encoder", "a", (), 1, False, "", "a"),
        Box("views.all", "join", ""),
    )
    some = Figure("t", "sub", boxes_, (Wire("a.0", Label("x", 2), (End("views.all"),)),))
    facts = facts_of(page_of(some))
    assert facts["boxes"]["a.0"] == {
        "name": "a \u00d72", "note": "line 3: a: {}", "config": {"use": "encoder.x", "depth": 10}, "gives": ["x \u00d72\n→ views.all"],
    }  # fmt: skip
    assert facts["boxes"]["views.all"]["name"] == "views.all "  # type: ignore[index]
    assert facts["same"] == {"a.0": ["a.0", "a.9"], "a.9": ["a.0", "a.9"], "views.all": ["views.all"]}


def test_the_page_s_script_finds_what_it_asks_for() -> None:
    page = page_of(drawn("a b", "a b"))
    asked = set(re.findall(r'getElementById\("(\w+)"\)', SCRIPT))
    assert asked == set(re.findall(r'[^-]\bid="(\w+)"', page))
    classes = {"box", "wire", "chosen", "lit", "held", "paper"}
    assert (
        set(re.findall(r"\.(?:classList\.\w+\()?[\"']?(box|wire|chosen|lit|held|paper)\b", STYLE + SCRIPT)) == classes
    )
    assert {"data-id", "data-from", "data-to"} <= set(re.findall(r"data-\w+", page))
    assert set(re.findall(r"dataset\.(\w+)", SCRIPT)) == {"id", "from", "to"}


def test_the_page_s_script_and_style_close() -> None:
    for text in (SCRIPT, STYLE):
        for opening, closing in ("()", "{}", "[]"):
            assert text.count(opening) == text.count(closing)
        assert "</" not in text


def test_title_and_subtitle_are_on_the_page() -> None:
    page = page_of(Figure("a & b", "1 < 2", (Box("a", "head", "a"),)))
    assert f"<title>{html.escape('a & b')}</title>" in page
    assert "<h1>a &amp; b</h1>" in page
    assert "<p>1 &lt; 2</p>" in page


@pytest.mark.parametrize("text", ["</script><script>alert(1)</script>", "<!--", "]]>", '"', "\\", "\u2028", "'"])
def test_configs_cannot_break_out_of_the_page(text: str) -> None:
    page = page_of(Figure("t", "", (Box("a", "head", "a", details={text: text}),)))
    assert page.count("<script") == 2
    assert facts_of(page)["boxes"]["a"]["config"] == {text: text}  # type: ignore[index]


@each_graph
def test_the_page_needs_nothing_from_outside(tmp_path: File, name: str) -> None:
    text, changes = VARIANTS[name]
    page = draw(*read(tmp_path, text, *changes), "html").decode()
    assert page.count("http") == 1  # the name of SVG's namespace
    assert not re.search(r"\bsrc=|href|@import|url\(|fetch\(|XMLHttp", page)
    assert page.count("<svg") == page.count("</svg>") == 1


def test_the_page_knows_configs_and_neighbours(tmp_path: File) -> None:
    graph, shapes = read(tmp_path, SIMCLR, ("  s: critic", "  again: encoder(x[0])\n  s: critic"))
    page = draw(graph, shapes, "html").decode()
    found = re.search(r'<script type="application/json" id="facts">(.*?)</script>', page, re.DOTALL)
    assert found
    facts = json.loads(found.group(1))
    ids = set(re.findall(r'data-id="([^"]+)"', page))
    assert set(facts["boxes"]) == ids
    (critic,) = [b for b in facts["boxes"].values() if b["name"].startswith("critic")]
    assert critic["config"]["temperature"] == 0.2
    assert critic["config"]["use"] == "critic.cosine"
    assert any(b["gives"] for b in facts["boxes"].values())
    assert sorted(len(same) for same in facts["same"].values()) == [1] * (len(ids) - 2) + [2, 2]
    ends = re.findall(r'data-from="([^"]+)" data-to="([^"]*)"', page)
    assert ends
    assert all(source in ids and set(goals.split()) <= ids for source, goals in ends)


def test_the_page_escapes_whatever_is_written() -> None:
    some = nasty()
    page = write_page(some, scene_of(some))
    assert page.count("</script>") == 2
    assert page.count("<!--") == 0
    found = re.search(r'id="facts">(.*?)</script>', page, re.DOTALL)
    assert found
    assert json.loads(found.group(1))["boxes"]["a"]["config"] == {NASTY: NASTY}


@pytest.mark.parametrize("name", ["multicrop", "two encoders", "unicode"])
def test_the_page_is_html_and_alone(tmp_path: File, name: str) -> None:
    text, changes = HARD[name]
    page = draw(*read(tmp_path, text, *changes), "html").decode()
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.outside == []
    assert sorted(tags.ids) == ["facts", "fit", "told", "view"]
    assert page.startswith("<!DOCTYPE html>")
    assert '<meta charset="utf-8">' in page[:200]

"""Pages in a real browser: they draw, ask for nothing, keep text text, and can be used narrow, dark and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from browsers import browser, opened
from conftest import BYOL, SIMCLR
from kept_runs import keep_run
from kept_studies import keep_study
from PIL import Image

from graphssl.runs.pages import Gathered, compare_page
from graphssl.runs.pages.features import Features
from graphssl.runs.study.report import report_study

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]
BAD = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
TEMPERATURE, OUT = "nodes.critic.temperature", "nodes.projector.out"


def features(classes: tuple[str, ...]) -> Features:
    """Of three groups of pictures."""
    generator = torch.Generator().manual_seed(0)
    values = torch.eye(3, 8).repeat_interleave(10, 0) + 0.1 * torch.randn(30, 8, generator=generator)
    labels = torch.arange(3).repeat_interleave(10)
    pictures = [Image.new("RGB", (16, 16), (8 * i, 99, 0)) for i in range(30)]
    return Features(values, labels, classes, pictures, "encoder", "30 pictures of a test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """compare.html, of two runs with markup in all that a user writes; study.html, of four cells."""
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.setattr("graphssl.runs.pages.maps.umap_of", lambda values: values[:, :2].double())
        patch.setattr(
            "graphssl.runs.pages.embedding.gathered",
            lambda entries, *_: Gathered({i: features(("cat", "dog", BAD)) for i in range(len(entries))}),
        )
        commented = BYOL.replace("graph: byol", f"graph: byol\ndescription: '{BAD}'").replace(
            "critic:    {use: critic.cosine}", f"critic:    {{use: critic.cosine}}  # {BAD}"
        )
        keep_run(folder, "plain")
        (keep_run(folder, "wide", "nodes.predictor.hidden=32") / "views.png").write_bytes(picture())
        keep_run(folder, "<script>window.hacked=1", resolved=commented.replace("hidden: 16", "hidden: 24"))
        compare_page(["plain", "wide", "<script>window.hacked=1"], folder / "compare.html")
        (folder / "graph.yaml").write_text(SIMCLR)
        keep_study(
            {TEMPERATURE: [0.1, 0.5], OUT: [8, 16]}, "warm", lambda labels, seed: 0.9 - float(labels[TEMPERATURE]) / 2
        )
        report_study("warm", folder / "study.html", features=False)
    return folder


def picture() -> bytes:
    import io

    buffer = io.BytesIO()
    Image.new("RGB", (200, 800), (0, 80, 160)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as found:
        yield found


@pytest.mark.parametrize("name", ["compare", "study"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_is_drawn_whole_and_asks_for_nothing(
    chromium: Any, folder: Path, name: str, width: int, scheme: str
) -> None:  # fmt: skip
    text = (folder / f"{name}.html").read_text()
    with opened(chromium, folder / f"{name}.html", width, scheme) as page:
        assert page.drawn() == len(re.findall(r'class="plot"', text)) > 3
        assert page.errors == []
        assert page.asked == []
        assert page.tab.evaluate("document.documentElement.scrollWidth") <= width
        boxes = page.tab.locator(".plot svg.main-svg").all()
        assert all(box.bounding_box()["width"] <= width for box in boxes)
        curve = page.tab.locator("#plot-curve-0 .scatterlayer path.js-line").first
        assert curve.is_visible()
        assert curve.bounding_box()["width"] > 50
        assert page.tab.locator("#graphs svg").first.is_visible()
        assert "projector" in page.tab.locator("#graphs svg").first.text_content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_the_paper(chromium: Any, folder: Path, scheme: str) -> None:
    """4.5 to 1, as WCAG 2.2 asks of text; 3 to 1 of what is drawn."""
    with opened(chromium, folder / "compare.html", 1280, scheme) as page:
        page.drawn()
        colors = page.tab.evaluate(
            """() => ({
              paper: getComputedStyle(document.body).backgroundColor,
              text: ["body", "p", "a", "summary", "caption", ".plot .xtick text", ".plot .legendtext", ".near li"]
                .map(one => [one, document.querySelector(one)])
                .map(([one, found]) => [one, getComputedStyle(found)[found instanceof SVGElement ? "fill" : "color"]]),
              lines: [...document.querySelectorAll("#plot-curve-0 .scatterlayer .js-line")].map(one => getComputedStyle(one).stroke),
            })"""
        )
    paper = luminance(colors["paper"])
    assert (paper > 0.5) == (scheme == "light")
    assert {one: contrast(paper, color) for one, color in colors["text"] if contrast(paper, color) < 4.5} == {}
    assert len(colors["lines"]) == 3
    assert min(contrast(paper, color) for color in colors["lines"]) >= 3


def luminance(color: str) -> float:
    parts = [int(number) / 255 for number in re.findall(r"\d+", color)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(paper: float, color: str) -> float:
    high, low = sorted([paper, luminance(color)], reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_click_in_a_legend_hides_a_curve_and_shows_it_again(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder / "compare.html") as page:
        page.drawn()
        lines = page.tab.locator("#plot-curve-0 .scatterlayer .js-line")
        toggle = page.tab.locator("#plot-curve-0 .legendtoggle").first
        assert lines.count() == 3
        toggle.click()
        page.tab.wait_for_function("document.querySelectorAll('#plot-curve-0 .scatterlayer .js-line').length === 2")
        toggle.click()
        page.tab.wait_for_function("document.querySelectorAll('#plot-curve-0 .scatterlayer .js-line').length === 3")


def test_a_curve_is_zoomed_by_a_rectangle(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder / "compare.html") as page:
        page.drawn()
        shown = "document.getElementById('plot-curve-0')._fullLayout.xaxis.range"
        before = page.tab.evaluate(shown)
        place = page.tab.locator("#plot-curve-0 .nsewdrag").first
        place.scroll_into_view_if_needed()
        box = place.bounding_box()
        page.tab.mouse.move(box["x"] + 60, box["y"] + 30)
        page.tab.mouse.down()
        page.tab.mouse.move(box["x"] + 200, box["y"] + 130, steps=5)
        page.tab.mouse.up()
        page.tab.wait_for_function(f"{shown}[0] > {before[0]}")
        low, high = page.tab.evaluate(shown)
        assert high - low < before[1] - before[0]


def test_markup_in_what_a_user_writes_stays_text(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder / "compare.html") as page:
        page.drawn()
        assert page.tab.evaluate("window.hacked") is None
        assert page.tab.locator("img[src=x]").count() == 0
        assert "<script>window.hacked=1" in page.tab.locator("h1, header p").all_text_contents()[1]
        comments = page.tab.locator("#graphs svg title").all_text_contents()
        assert any(BAD in one for one in comments), "the comment of a node, in its tooltip"
        assert BAD in page.tab.locator("#nearest li").all_text_contents()[-1] + "".join(
            page.tab.locator("#nearest li").all_text_contents()
        )
        legend = page.tab.locator("#plot-curve-0 .legendtext").all_text_contents()
        assert any("<script>" in one for one in legend)
        names = page.tab.locator("#plot-pca-0 .legendtext").all_text_contents()
        assert any(one.startswith("</scr") for one in names)


def test_it_is_used_without_a_mouse(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder / "compare.html", 390) as page:
        page.drawn()
        page.tab.evaluate("window.scrollTo(0, 0); document.activeElement.blur()")
        page.tab.keyboard.press("Tab")
        focused = "document.activeElement.textContent"
        assert page.tab.evaluate(focused) == "Skip to the contents"
        assert page.tab.locator(".skip").bounding_box()["x"] >= 0
        page.tab.keyboard.press("Enter")
        assert page.tab.evaluate("document.activeElement.id") == "contents"
        stops = []
        for _ in range(400):
            page.tab.keyboard.press("Tab")
            where = page.tab.evaluate(
                "[document.activeElement.tagName, document.activeElement.getAttribute('aria-label')]"
            )
            if where[0] == "BODY":
                break
            stops.append(where)
        else:
            pytest.fail("the focus never leaves the page")
        assert ["DIV", "what differs"] in stops
        assert sum(tag == "SUMMARY" for tag, _ in stops) > 3
        order = page.tab.evaluate(
            """() => [...document.querySelectorAll("main a, main summary, main .scroll, main button")]
              .filter(one => one.checkVisibility()).length"""
        )
        assert len(stops) == order


def test_a_plot_is_zoomed_by_keyboard_and_sent_to_nobody(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder / "compare.html") as page:
        page.drawn()
        buttons = page.tab.locator(".modebar-btn").evaluate_all(
            "all => all.map(one => one.getAttribute('data-title') || one.getAttribute('aria-label'))"
        )
        assert {"Zoom in", "Zoom out"} <= set(buttons)
        assert [one for one in buttons if re.search("share|cloud|edit", one, re.IGNORECASE)] == []
        shown = "document.getElementById('plot-curve-0')._fullLayout.xaxis.range"
        before = page.tab.evaluate(shown)
        closer = page.tab.locator("#plot-curve-0 .modebar-btn[data-title='Zoom in']")
        closer.focus()
        page.tab.keyboard.press("Enter")
        page.tab.wait_for_function(f"{shown}[0] > {before[0]}")


def test_a_wide_table_is_scrolled_by_keyboard(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder / "compare.html", 390) as page:
        wide = page.tab.locator("#runs .scroll")
        wide.focus()
        for _ in range(5):
            page.tab.keyboard.press("ArrowRight")
        page.tab.wait_for_function("document.querySelector('#runs .scroll').scrollLeft > 20")


def test_every_picture_and_plot_says_what_it_shows(chromium: Any, folder: Path) -> None:
    for name in ("compare", "study"):
        with opened(chromium, folder / f"{name}.html") as page:
            assert page.tab.locator("img:not([alt]), img[alt='']").count() == 0
            assert page.tab.locator(".plot:not([aria-label])").count() == 0
            ids = page.tab.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
            assert len(ids) == len(set(ids))
            levels = page.tab.evaluate(
                "[...document.querySelectorAll('h1, h2, h3')].map(one => Number(one.tagName[1]))"
            )
            assert levels[0] == 1
            assert all(b - a <= 1 for a, b in pairwise(levels))


def test_the_contents_lead_to_each_section(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder / "study.html", 390) as page:
        for link in page.tab.locator("nav a").all():
            place = link.get_attribute("href")
            assert page.tab.locator(f"section{place} h2").count() == 1
        page.tab.locator("nav a", has_text="Graphs").click()
        assert 0 <= page.tab.locator("#graphs h2").bounding_box()["y"] < 300

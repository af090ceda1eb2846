"""From marks to files: paths, text and its width, title and legend, SVG, PNG, the page."""

from __future__ import annotations

import html
import io
import itertools
import json
import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from figures import along, area, boxes, drawn, groups, lines, texts
from PIL import Image

from graphssl.report.figure.figure import Box, Copy, End, Figure, Label, Wire
from graphssl.report.paper import png
from graphssl.report.paper.frame import scene_of
from graphssl.report.paper.page import SCRIPT, STYLE, write_page
from graphssl.report.paper.png import write_png
from graphssl.report.paper.scene import Group, Path, Rect, Scene, Text
from graphssl.report.paper.svg import write_svg
from graphssl.report.style import DASH, INK, MARGIN, PAPER, ROLES, SMALL, STOP, UPDATE, WIRE
from graphssl.report.text import FILES, printable, text_width

SVG = "{http://www.w3.org/2000/svg}"
TEXTS = [
    "a", "projector", "objective.regression", "0.31 M params", "64/32 1024", "AVAVA Wave To", "il" * 40, "mW" * 40, "a b " * 20,
    "1234567890" * 5, "кодер", "Größe → Σ \u00d72", "f(x, y)[0]", "the_name_that_goes_on_and_on_and_on_and_on",
]  # fmt: skip


def scene(*marks: Rect | Path | Text, width: float = 100.0, height: float = 50.0) -> Scene:
    return Scene(width, height, "t", (Group(marks),))


def pixels(some: Scene, dpi: int = 72, monkeypatch: pytest.MonkeyPatch | None = None) -> np.ndarray:
    if monkeypatch:
        monkeypatch.setattr(png, "DPI", dpi)
    return np.asarray(Image.open(io.BytesIO(write_png(some))).convert("RGB")).astype(int)


def element(some: Scene, tag: str) -> ET.Element:
    return next(e for e in ET.fromstring(write_svg(some)).iter(f"{SVG}{tag}") if e.get("class") != "paper")


# -- text --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("face", ["plain", "bold", "italic"])
@pytest.mark.parametrize("text", TEXTS)
def test_text_is_as_wide_as_its_outlines(text: str, face: str) -> None:
    """But for the kerning, which moves letters together, and for what the outermost letters leave blank."""
    from matplotlib.textpath import text_to_path

    points, _ = text_to_path.get_text_path(png._font(face), text)
    drawn = float(np.ptp(np.asarray(points)[:, 0])) / text_to_path.FONT_SCALE * 10
    measured = text_width(text, 10, face)  # type: ignore[arg-type]
    assert drawn <= measured + 1.0
    assert drawn >= 0.85 * measured - 3.0


def test_every_face_has_a_file_of_its_own() -> None:
    assert len(set(FILES.values())) == 3
    assert len({text_width("Wide gap 1234", 10, face) for face in FILES}) >= 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("character", "width"), [("漢", 11.5), ("\uff46", 11.5), ("\U0001f408", 11.5), ("\u0301", 0.0), ("\ue123", 7.0)]
)
def test_letters_that_the_font_lacks_have_a_width_too(character: str, width: float) -> None:
    assert text_width(character, 10) == pytest.approx(width)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b", "a b"),
        ("a\tb", "a b"),
        ("a\nb", "a\nb"),
        ("a\u202eb", "a b"),
        ("\ud800", " "),
        ("\ufffe", " "),
        ("\u00a0", " "),
        ("é漢", "é漢"),
    ],
)
def test_what_cannot_be_drawn_is_a_blank(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert len(printable(text)) == len(text)


# -- marks -------------------------------------------------------------------------------------------------------


def test_a_curve_is_level_at_both_ends() -> None:
    path = Path(((0, 0), (10, 20), (30, 20)), WIRE, curved=(True, False))
    assert list(path.pieces()) == [((5, 0), (5, 20), (10, 20)), ((30, 20),)]
    points = list(along(path, 1000))
    assert abs(points[1][1] - points[0][1]) < 0.01 * abs(points[1][0] - points[0][0])
    assert abs(points[1000][1] - points[999][1]) < 0.01 * abs(points[1000][0] - points[999][0])


def test_a_path_is_straight_unless_it_says_otherwise() -> None:
    assert list(Path(((0, 0), (1, 2), (3, 4)), WIRE).pieces()) == [((1, 2),), ((3, 4),)]


@pytest.mark.parametrize(("anchor", "left"), [("start", 0.0), ("middle", 0.5), ("end", 1.0)])
def test_text_covers_what_its_anchor_says(anchor: str, left: float) -> None:
    text = Text(50.0, 20.0, "name", 10.0, INK, anchor)  # type: ignore[arg-type]
    width = text_width("name", 10.0)
    x0, y0, x1, y1 = text.bounds()
    assert (x0, x1) == (pytest.approx(50 - left * width), pytest.approx(50 + (1 - left) * width))
    assert y1 - y0 == pytest.approx(10.0)
    assert y0 < 20.0 < y1


# -- title and legend --------------------------------------------------------------------------------------------


def legend(figure: Figure) -> list[str]:
    """The words of the legend; the first two texts are the title and what stands beside it."""
    return [t.text for t in texts(scene_of(figure).groups[0])][2:]


def test_the_title_stands_above_everything() -> None:
    some = scene_of(Figure("a title", "and more", (Box("a", "head", "a"),)))
    title, more = texts(some.groups[0])[:2]
    assert (title.text, more.text) == ("a title", "and more")
    assert title.bounds()[2] < more.bounds()[0]
    assert title.x == MARGIN
    assert all(f[1] > title.bounds()[3] for f in boxes(some).values())


@pytest.mark.parametrize("role", [r for r in ROLES if ROLES[r].title])
def test_the_legend_explains_the_sections_that_there_are(role: str) -> None:
    assert legend(Figure("t", "", (Box("a", role, "a"),))) == [ROLES[role].title]


def test_a_join_needs_no_explanation() -> None:
    assert legend(Figure("t", "", (Box("a", "join", ""), Box("b", "head", "b")))) == ["head"]


def test_the_legend_explains_the_lines_that_there_are() -> None:
    a, b = Box("a", "head", "a"), Box("b", "head", "b")
    assert legend(Figure("t", "", (a, b), (Wire("a", Label("x"), (End("b"),)),))) == ["head"]
    assert legend(Figure("t", "", (a, b), (Wire("a", Label("x", 2), (End("b"),)),))) == ["head", "several views"]
    assert legend(Figure("t", "", (Box("a", "head", "a", count=2),))) == ["head", "several views"]
    assert legend(Figure("t", "", (a, b), (Wire("a", Label("x"), (End("b"),), stop=True),))) == [
        "head",
        "stop-gradient",
    ]
    written = ["head", "written after the step"]
    assert legend(Figure("t", "", (a, b), (Wire("a", Label("x"), (End("b", (), True, "push"),)),))) == written
    assert legend(Figure("t", "", (a, b), (), (Copy("a", "b", "follow"),))) == written


def test_the_legend_breaks_where_the_picture_ends() -> None:
    """All sections in one column: the legend is wider than the boxes, and no entry is cut."""
    many = Figure("t", "", tuple(Box(r, r, r) for r in ROLES if r != "join"))
    some = scene_of(many)
    words = texts(some.groups[0])[2:]
    rows = sorted({t.y for t in words})
    assert len(rows) > 3
    assert all(t.bounds()[2] <= some.width - MARGIN + 0.01 for t in words)
    for row in rows:
        frames = sorted(t.bounds() for t in words if t.y == row)
        assert all(a[2] < b[0] for a, b in itertools.pairwise(frames))


def test_a_narrow_picture_stands_in_the_middle_of_its_title() -> None:
    some = scene_of(Figure("a title that is much wider than the one box", "", (Box("a", "head", "a"),)))
    (frame,) = boxes(some).values()
    assert (frame[0] + frame[2]) / 2 == pytest.approx(some.width / 2, abs=0.5)


# -- SVG ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (0.5, "0.5"),
        (0.126, "0.13"),
        (100.0, "100"),
        (-0.001, "0"),
        (0.0, "0"),
        (-2.5, "-2.5"),
        (1e-9, "0"),
        (1234.5678, "1234.57"),
    ],
)
def test_numbers_have_two_decimals_at_most(value: float, text: str) -> None:
    assert element(scene(Rect(value, 0, 1, 1, INK, INK)), "rect").attrib["x"] == text


def test_svg_has_the_size_of_its_scene() -> None:
    root = ET.fromstring(write_svg(scene(width=123.456, height=78.0)))
    assert (root.attrib["width"], root.attrib["height"]) == ("123.46pt", "78pt")
    assert root.attrib["viewBox"] == "0 0 123.46 78"
    paper = next(root.iter(f"{SVG}rect"))
    assert (paper.attrib["width"], paper.attrib["height"], paper.attrib["fill"]) == ("123.46", "78", "#ffffff")


def test_paths_in_svg() -> None:
    straight = element(scene(Path(((1, 2), (3, 4), (5, 6)), WIRE, 1.5)), "path").attrib
    assert straight == {"d": "M1 2L3 4L5 6", "fill": "none", "stroke": WIRE, "stroke-width": "1.5"}
    bent = element(scene(Path(((0, 0), (10, 8)), WIRE, curved=(True,), dashed=True)), "path").attrib
    assert bent["d"] == "M0 0C5 0 5 8 10 8"
    assert bent["stroke-dasharray"] == " ".join(f"{d:g}" for d in DASH)
    head = element(scene(Path(((0, 0), (1, 1), (0, 2)), UPDATE, closed=True)), "path").attrib
    assert head == {"d": "M0 0L1 1L0 2Z", "fill": UPDATE}


@pytest.mark.parametrize(
    ("face", "attribute"), [("plain", {}), ("bold", {"font-weight": "bold"}), ("italic", {"font-style": "italic"})]
)
def test_text_in_svg(face: str, attribute: dict[str, str]) -> None:
    found = element(scene(Text(1, 2, "a <b> & c", 7.0, INK, "middle", face)), "text")  # type: ignore[arg-type]
    assert found.text == "a <b> & c"
    expected = {"x": "1", "y": "2", "font-size": "7", "fill": INK, "text-anchor": "middle", **attribute}
    assert found.attrib == expected


def test_groups_in_svg() -> None:
    some = Scene(
        9,
        9,
        "t",
        (Group((), "box", 'a "note"\n<2>', {"id": 'x"<&>'}, 0.45), Group((), "wire", "", {"from": "a", "to": "b c"})),
    )
    first, second = ET.fromstring(write_svg(some)).iter(f"{SVG}g")
    assert first.attrib == {"class": "box", "data-id": 'x"<&>', "opacity": "0.45"}
    assert [t.text for t in first.iter(f"{SVG}title")] == ['a "note"\n<2>']
    assert second.attrib == {"class": "wire", "data-from": "a", "data-to": "b c"}
    assert list(second) == []


# -- painting ----------------------------------------------------------------------------------------------------


def test_heads_point_into_their_boxes() -> None:
    some = scene_of(drawn("a b c", "a b", "b c a!", copies=(Copy("a", "c", "copy"),)))
    frames = boxes(some)
    for group in groups(some, "wire"):
        for head in (m for m in group.marks if isinstance(m, Path) and m.closed):
            (x, y), *base = head.points
            assert len(base) == 2
            middle = (sum(p[0] for p in base) / 2, sum(p[1] for p in base) / 2)
            ahead = (x + 0.2 * (x - middle[0]), y + 0.2 * (y - middle[1]))
            assert any(
                f[0] - 0.6 <= ahead[0] <= f[2] + 0.6 and f[1] - 0.6 <= ahead[1] <= f[3] + 0.6 for f in frames.values()
            )
            assert math.dist(base[0], base[1]) > 3


def test_lines_end_within_their_heads() -> None:
    """And do not stand out of the point."""
    some = scene_of(drawn("a b", "a b"))
    (group,) = groups(some, "wire")
    (line,) = lines(group)
    (head,) = [m for m in group.marks if isinstance(m, Path) and m.closed]
    tip = head.points[0][0]
    assert head.points[1][0] < line.points[-1][0] < tip


def test_the_write_of_a_stopped_value_is_not_marked_twice() -> None:
    boxes_ = (Box("a", "target", "a"), Box("b", "critic", "b"), Box("q", "negatives", "q"))
    ends = (End("b", ("key",)), End("q", ("key",), True, "push"))
    some = scene_of(Figure("t", "", boxes_, (Wire("a", Label("k"), ends, stop=True),)))
    bars = [m for g in some.groups[1:] for m in g.marks if isinstance(m, Path) and m.color == STOP]
    assert len(bars) == 2


def test_several_calls_are_a_stack_of_two_cards() -> None:
    some = scene_of(Figure("t", "", (Box("a", "head", "a", count=8), Box("b", "head", "b"))))
    cards = {g.facts["id"]: [area(m) for m in g.marks if isinstance(m, Rect)] for g in groups(some, "box")}
    assert [len(cards[b]) for b in "ab"] == [2, 1]
    back, front = cards["a"]
    assert (back[0] - front[0], back[1] - front[1]) == (pytest.approx(2.5), pytest.approx(2.5))


def test_text_on_the_loss_is_light() -> None:
    some = scene_of(Figure("t", "", (Box("loss", "loss", "loss"), Box("a", "head", "a"))))
    colors = {g.facts["id"]: {t.color for t in texts(g)} for g in groups(some, "box")}
    assert colors == {"loss": {PAPER}, "a": {INK}}


# -- PNG ---------------------------------------------------------------------------------------------------------


def test_marks_are_where_they_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    some = scene(Rect(10, 20, 30, 15, "#ff0000", "#ff0000"), Path(((50, 10), (90, 10)), "#0000ff", 4.0))
    picture = pixels(some, 72, monkeypatch)
    assert picture.shape == (50, 100, 3)
    assert (picture[22:33, 12:38] == (255, 0, 0)).all()
    assert (picture[9:11, 52:88] == (0, 0, 255)).all()
    assert (picture[40:, :] == 255).all()


def test_later_marks_cover_earlier_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = Rect(10, 10, 20, 20, "#ff0000", "#ff0000"), Rect(10, 10, 20, 20, "#00ff00", "#00ff00")
    assert (pixels(scene(one, two), 72, monkeypatch)[12:28, 12:28] == (0, 255, 0)).all()
    assert (pixels(scene(two, one), 72, monkeypatch)[12:28, 12:28] == (255, 0, 0)).all()


def test_a_faded_group_is_pale(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = Rect(10, 10, 20, 20, "#000000", "#000000")
    some = Scene(100.0, 50.0, "t", (Group((mark,), opacity=0.45),))
    assert abs(int(pixels(some, 72, monkeypatch)[20, 20, 0]) - 255 * 0.55) < 3


def test_dashes_have_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    for dashed, share in ((False, (1.0, 1.0)), (True, (0.4, 0.8))):
        path = Path(((10, 25), (90, 25)), "#000000", 2.0, dashed=dashed)
        row = pixels(scene(path), 200, monkeypatch)[round(25 * 200 / 72), :, 0]
        inside = row[round(11 * 200 / 72) : round(89 * 200 / 72)] < 128
        assert share[0] <= inside.mean() <= share[1]


def test_a_closed_path_is_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = pixels(scene(Path(((10, 10), (40, 10), (10, 40)), "#00ff00", closed=True)), 72, monkeypatch)
    assert (picture[14, 14] == (0, 255, 0)).all()
    assert (picture[38, 38] == 255).all()


@pytest.mark.parametrize("dpi", [200, 60])
@pytest.mark.parametrize("text", [*TEXTS, "x" * 120])
def test_text_stays_where_it_was_measured(text: str, dpi: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the picture is coarse, as that of a very long graph is."""
    mark = Text(20.0, 30.0, text, SMALL, "#000000", face="bold")
    some = scene(mark, width=text_width(text, SMALL, "bold") + 60)
    dark = np.nonzero((pixels(some, dpi, monkeypatch) < 200).any(2).any(0))[0] * 72 / dpi
    left, _, right, _ = mark.bounds()
    pixel = 72 / dpi
    assert left - pixel <= dark.min()
    assert dark.max() <= right + pixel
    assert dark.max() - dark.min() > 0.85 * (right - left) - 3


@pytest.mark.parametrize("anchor", ["start", "middle", "end"])
def test_text_stands_at_its_anchor(anchor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = Text(50.0, 30.0, "HHH", 10.0, "#000000", anchor)  # type: ignore[arg-type]
    dark = (pixels(scene(mark), 144, monkeypatch) < 128).any(2)
    columns, rows = (np.nonzero(dark.any(axis))[0] / 2 for axis in (0, 1))
    assert columns.min() == pytest.approx(mark.bounds()[0] + 1, abs=1.0)
    assert columns.max() == pytest.approx(mark.bounds()[2] - 1, abs=1.2)
    assert rows.max() == pytest.approx(30.0, abs=1.0), "its foot"
    assert 6.0 < rows.max() - rows.min() < 9.0, "capitals are three quarters of the size"


@pytest.mark.parametrize("text", ["", "   ", "\x00", "\u2800", "\n", "$x_1$", "a\nb", r"\frac{1}{2}", "$"])
def test_text_is_never_a_formula_and_may_be_empty(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = pixels(scene(Text(10.0, 30.0, text, 10.0, "#000000")), 72, monkeypatch)
    assert (picture < 255).any() == bool(printable(text).replace("\u2800", "").strip())


def test_one_point_is_one_72nd_of_an_inch() -> None:
    picture = Image.open(io.BytesIO(write_png(scene(width=144.0, height=72.0))))
    assert picture.size == (400, 200)


@pytest.mark.parametrize(("width", "height"), [(50_000.0, 100.0), (100.0, 50_000.0), (6_000.0, 3_000.0)])
def test_a_large_picture_is_coarser(width: float, height: float) -> None:
    some = scene(Text(10, 30, "x", 7.0, INK), width=width, height=height)
    picture = Image.open(io.BytesIO(write_png(some)))
    assert max(picture.size) <= 30_000
    assert picture.width * picture.height <= 61e6
    assert picture.width / picture.height == pytest.approx(width / height, rel=0.02)


def test_a_png_tells_nothing_of_its_maker() -> None:
    picture = Image.open(io.BytesIO(write_png(scene())))
    assert "Software" not in picture.info
    assert "Creation Time" not in picture.info


# -- the page ----------------------------------------------------------------------------------------------------


def page_of(figure: Figure) -> str:
    return write_page(figure, scene_of(figure))


def facts_of(page: str) -> dict[str, dict[str, object]]:
    found = re.search(r'id="facts">(.*?)</script>', page, re.DOTALL)
    assert found
    facts: dict[str, dict[str, object]] = json.loads(found.group(1))
    return facts


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

"""A scene as PNG: the right pixels at the right places."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from pathlib import Path as File

import numpy as np
import pytest
from conftest import BYOL, MOCO
from figures import TEXTS, figure_of, nasty, read, scene
from PIL import Image

from graphssl.report import draw
from graphssl.report.drawing import png
from graphssl.report.drawing.frame import scene_of
from graphssl.report.drawing.png import write_png
from graphssl.report.drawing.scene import Group, Path, Rect, Scene, Text
from graphssl.report.drawing.svg import write_svg
from graphssl.report.figure.figure import Box, End, Figure, Label, Wire
from graphssl.report.figure.read import read_figure
from graphssl.report.style import INK, ROLES, SMALL
from graphssl.report.text import printable, text_width


def pixels(some: Scene, dpi: int = 72, monkeypatch: pytest.MonkeyPatch | None = None) -> np.ndarray:
    if monkeypatch:
        monkeypatch.setattr(png, "DPI", dpi)
    return np.asarray(Image.open(io.BytesIO(write_png(some))).convert("RGB")).astype(int)


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


def test_png_has_two_hundred_dots_per_inch_and_is_not_empty(tmp_path: File) -> None:
    graph, shapes = read(tmp_path, BYOL)
    picture = Image.open(io.BytesIO(draw(graph, shapes, "png")))
    scene = scene_of(read_figure(graph, shapes))
    assert picture.size == pytest.approx((scene.width * 200 / 72, scene.height * 200 / 72), abs=1.5)
    colors = {c for _, c in picture.convert("RGB").getcolors(1 << 24) or ()}
    for role in ("encoder", "target", "critic"):
        fill = ROLES[role].fill
        assert tuple(int(fill[i : i + 2], 16) for i in (1, 3, 5)) in colors


def test_png_and_svg_have_the_boxes_at_the_same_places(tmp_path: File) -> None:
    scene = scene_of(figure_of(tmp_path, MOCO))
    picture = Image.open(io.BytesIO(write_png(scene))).convert("RGB")
    for group in (g for g in scene.groups if g.kind == "box"):
        rect = next(m for m in group.marks if isinstance(m, Rect))
        corner = ((rect.x + 3.0) * 200 / 72, (rect.y + rect.height - 3.0) * 200 / 72)
        red, green, blue = picture.getpixel((round(corner[0]), round(corner[1])))  # type: ignore[misc]
        assert f"#{red:02x}{green:02x}{blue:02x}" == rect.fill


def test_png_of_a_long_graph_has_a_bound() -> None:
    names = [f"n{i}" for i in range(150)]
    some = Figure(
        "long", "", tuple(Box(n, "head", n) for n in names),
        tuple(Wire(a, Label("x"), (End(b),)) for a, b in itertools.pairwise(names)),
    )  # fmt: skip
    picture = Image.open(io.BytesIO(write_png(scene_of(some))))
    assert picture.width <= 30000
    assert picture.width * picture.height < 61e6


def test_png_draws_whatever_is_written(recwarn: pytest.WarningsRecorder) -> None:
    picture = Image.open(io.BytesIO(write_png(scene_of(nasty()))))
    assert picture.width > 100
    assert not [w for w in recwarn if "Glyph" in str(w.message)]


@pytest.mark.parametrize("form", [write_svg, write_png], ids=["svg", "png"])
def test_a_picture_of_one_box(form: Callable[..., str | bytes]) -> None:
    assert form(scene_of(Figure("one", "", (Box("a", "other", "a"),))))


def test_pyplot_stays_out() -> None:
    import subprocess
    import sys

    code = (
        "import sys\n"
        "import graphssl.report\n"
        "assert not {'matplotlib', 'PIL'} & sys.modules.keys(), 'imported at start'\n"
        "from graphssl.report.figure.figure import Box, Figure\n"
        "from graphssl.report.drawing.frame import scene_of\n"
        "from graphssl.report.drawing.png import write_png\n"
        "write_png(scene_of(Figure('a', '', (Box('a', 'head', 'a'),))))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

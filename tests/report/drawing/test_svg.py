"""A scene as SVG: well-formed, alone, with text as text."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path as File

import pytest
from conftest import SIMCLR
from figures import VARIANTS, each_graph, nasty, read, scene

from graphssl.report import draw
from graphssl.report.drawing.frame import scene_of
from graphssl.report.drawing.scene import Group, Path, Rect, Scene, Text
from graphssl.report.drawing.svg import write_svg
from graphssl.report.figure.figure import Box, End, Figure, Label, Wire
from graphssl.report.style import DASH, INK, UPDATE, WIRE

SVG = "{http://www.w3.org/2000/svg}"


def element(some: Scene, tag: str) -> ET.Element:
    return next(e for e in ET.fromstring(write_svg(some)).iter(f"{SVG}{tag}") if e.get("class") != "paper")


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


@each_graph
def test_svg_is_xml_with_tooltips(tmp_path: File, name: str) -> None:
    text, changes = VARIANTS[name]
    graph, shapes = read(tmp_path, text, *changes)
    root = ET.fromstring(draw(graph, shapes, "svg"))
    assert root.tag == f"{SVG}svg"
    x, y, width, height = map(float, root.attrib["viewBox"].split())
    assert (x, y) == (0, 0)
    assert 500 < width < 1300
    assert 100 < height < 400
    notes = [t.text or "" for t in root.iter(f"{SVG}title")]
    assert notes[0] == graph.name
    lines = {f"line {c.span.line}: {c.span.text.strip()}" for c in graph.step_calls() if c.node != "stopgrad"}
    assert all(any(line in note for note in notes) for line in lines)
    assert any("b c y x = 16 3 32 32" in note for note in notes)


@each_graph
def test_svg_refers_to_nothing_outside(tmp_path: File, name: str) -> None:
    text, changes = VARIANTS[name]
    svg = draw(*read(tmp_path, text, *changes), "svg").decode()
    assert svg.count("http") == 1
    assert not re.search(r"href|url\(|<script|<image|<style|@import", svg)


def test_no_update_no_dashes(tmp_path: File) -> None:
    assert "stroke-dasharray" not in draw(*read(tmp_path, SIMCLR), "svg").decode()


def test_svg_escapes_whatever_is_written() -> None:
    root = ET.fromstring(write_svg(scene_of(nasty())))
    texts = [t.text for t in root.iter(f"{SVG}text")]
    assert sum(t is not None and t.startswith("a<b & \"c\" 'd' ]]> </script>") for t in texts) >= 6
    assert all(t is None or "\x00" not in t for t in texts)


def test_a_value_used_many_times() -> None:
    names = [f"n{i}" for i in range(40)]
    goals = tuple(End(n) for n in names)
    some = Figure("many", "", tuple(Box(n, "head", n) for n in ("a", *names)), (Wire("a", Label("x"), goals),))
    root = ET.fromstring(write_svg(scene_of(some)))
    heads = [p for p in root.iter(f"{SVG}path") if p.attrib["d"].endswith("Z")]
    assert len(heads) == 40

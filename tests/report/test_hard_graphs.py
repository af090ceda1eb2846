"""Pictures of whole graphs that are hard to draw: nothing overlaps, everything that matters is to be seen."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from pathlib import Path as File

import pytest
from conftest import BYOL
from figures import (
    CHAIN,
    FAN,
    HARD,
    LONG,
    UNICODE,
    along,
    apart,
    area,
    boxes,
    figure_of,
    groups,
    inside,
    lines,
    texts,
)

from graphssl.report.drawing.frame import scene_of
from graphssl.report.drawing.scene import Path, Rect, Scene
from graphssl.report.drawing.svg import write_svg
from graphssl.report.figure.figure import Figure
from graphssl.report.style import ROLES, STOP, UPDATE, WIRE

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def scene(some: Figure) -> Scene:
    return scene_of(some)


def _side(a: tuple[float, float], b: tuple[float, float], p: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])


def test_boxes_are_apart(scene: Scene) -> None:
    cards = {g.facts["id"]: [area(m) for m in g.marks if isinstance(m, Rect)] for g in groups(scene, "box")}
    for one, other in itertools.combinations(cards, 2):
        assert all(apart(a, b) for a in cards[one] for b in cards[other]), (one, other)


def test_text_is_inside_of_its_box(scene: Scene) -> None:
    frames = boxes(scene)
    for group in groups(scene, "box"):
        for text in texts(group):
            assert inside(text.bounds(), frames[group.facts["id"]]), text


def test_lines_of_text_in_a_box_do_not_touch(scene: Scene) -> None:
    for group in groups(scene, "box"):
        feet = sorted({t.y for t in texts(group)})
        assert all(b - a >= 8.0 for a, b in itertools.pairwise(feet))


def test_no_wire_runs_through_a_box(scene: Scene) -> None:
    frames = boxes(scene)
    for group in groups(scene, "wire"):
        for x, y in (point for path in lines(group) for point in along(path)):
            for name, (left, top, right, bottom) in frames.items():
                assert not (left + 0.1 < x < right - 0.1 and top + 0.1 < y < bottom - 0.1), (group.note, name)


def test_wires_begin_and_end_at_their_boxes(some: Figure, scene: Scene) -> None:
    """The line of a value that is only written begins with the others of its wire."""
    frames = boxes(scene)
    for group in groups(scene, "wire"):
        ends = {name for name in group.facts["to"].split(" ") if name and name != group.facts["from"]}
        tips = [m.points[0] for m in group.marks if isinstance(m, Path) and m.closed]
        touched = set()
        for x, y in tips:
            near = [n for n, f in frames.items() if f[0] - 3 <= x <= f[2] + 3 and f[1] - 3 <= y <= f[3] + 3]
            touched |= set(near)
        assert ends <= touched, group.note
        assert len(tips) >= len(ends)


def test_what_is_written_on_wires_is_clear_of_boxes(scene: Scene) -> None:
    frames = boxes(scene)
    for group in groups(scene, "plain")[1:]:
        for text in texts(group):
            assert all(apart(text.bounds(), f) for f in frames.values()), text


def test_everything_is_on_the_paper(scene: Scene) -> None:
    paper = (0.0, 0.0, scene.width, scene.height)
    for group in scene.groups:
        assert all(inside(t.bounds(), paper) for t in texts(group))
        for path in (m for m in group.marks if isinstance(m, Path)):
            assert all(0 <= x <= scene.width and 0 <= y <= scene.height for x, y in along(path, 4))
    assert all(inside(f, paper) for f in boxes(scene).values())


def test_most_crossings_are_avoided(tmp_path: File) -> None:
    for name in ("byol", "simclr", "moco", "multicrop"):
        text, changes = HARD[name]
        drawing = scene_of(figure_of(tmp_path, text, *changes))
        paths = [list(along(p, 5)) for g in groups(drawing, "wire") for p in lines(g)[:1]]
        crossed = 0
        for one, other in itertools.combinations(paths, 2):
            for (a, b), (c, d) in itertools.product(itertools.pairwise(one), itertools.pairwise(other)):
                sides = [_side(a, b, c) * _side(a, b, d), _side(c, d, a) * _side(c, d, b)]
                crossed += max(sides) < 0
        assert crossed == 0, name


def test_sections_are_coloured(some: Figure, scene: Scene) -> None:
    fills = {g.facts["id"]: {m.fill for m in g.marks if isinstance(m, Rect)} for g in groups(scene, "box")}
    assert fills == {box.id: {ROLES[box.role].fill} for box in some.boxes}
    assert "other" not in {box.role for box in some.boxes}, "every section of the library has a colour of its own"


def test_axes_stand_on_the_wires(some: Figure, scene: Scene) -> None:
    written = [t.text for g in groups(scene, "plain")[1:] for t in texts(g)]
    for wire in some.wires:
        for letter, size in (pair for tensor in wire.label.axes for pair in tensor):
            assert size in written
            assert not letter or letter in written
    assert all(text for text in written), "no mark for nothing"


def test_updates_are_to_be_seen(some: Figure, scene: Scene) -> None:
    dashed = [p for g in groups(scene, "wire") for p in lines(g) if p.dashed]
    assert len(dashed) == sum(e.update for w in some.wires for e in w.ends) + len(some.copies)
    for path in dashed:
        points = list(along(path))
        length = sum(((a - c) ** 2 + (b - d) ** 2) ** 0.5 for (a, b), (c, d) in itertools.pairwise(points))
        assert length > 8, "two dashes at least"
        assert path.color in (UPDATE, WIRE)
    written = [c for c in some.copies if c.written]
    assert sum(path.color == WIRE for path in dashed) == len(some.copies) - len(written)
    words = {t.text for g in groups(scene, "plain") for t in texts(g) if t.color == UPDATE}
    assert words == {e.text for w in some.wires for e in w.ends if e.update} | {c.text for c in written}


def test_stop_gradients_are_to_be_seen_on_their_wires(some: Figure, scene: Scene) -> None:
    stops = sum(w.stop for w in some.wires)
    bars = [m for g in groups(scene, "plain")[1:] for m in g.marks if isinstance(m, Path) and m.color == STOP]
    assert len(bars) == 2 * stops
    wires = [p for g in groups(scene, "wire") for p in lines(g) if not p.dashed]
    for bar in bars:
        (x0, y0), (x1, y1) = bar.points
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        assert any(abs(x - a) < 3 and abs(y - b) < 0.5 for p in wires for a, b in along(p, 200)), "off its wire"


def test_every_wire_is_told_in_full_where_one_points(some: Figure, scene: Scene) -> None:
    notes = [g.note for g in groups(scene, "wire")]
    for wire in some.wires:
        note = some.note(wire)
        assert note in notes
        assert ("no gradient flows back" in note) == wire.stop
        assert all(f"→ {some.by_id[e.box].name or e.box}" in note for e in wire.ends)


def test_svg_is_well_formed_and_alone(some: Figure, scene: Scene) -> None:
    root = ET.fromstring(write_svg(scene))
    tags = {e.tag.removeprefix(SVG) for e in root.iter()}
    assert tags == {"svg", "title", "rect", "g", "path", "text"}
    for element in root.iter():
        for key, value in element.attrib.items():
            assert key != "style"
            assert not re.search(r"href|^on", key)
            assert not re.search(r"url\(|https?:|javascript:|data:", value)
    ids = [e.attrib["data-id"] for e in root.iter(f"{SVG}g") if e.attrib["class"] == "box"]
    assert ids == [box.id for box in some.boxes]


def test_long_names_are_written_in_full(tmp_path: File) -> None:
    drawing = scene_of(figure_of(tmp_path, BYOL, *HARD["long names"][1]))
    written = {t.text for g in drawing.groups for t in texts(g)}
    assert {LONG, f"{LONG.upper()} \u00d72"} <= written


def test_letters_of_other_scripts_are_kept(tmp_path: File) -> None:
    some = figure_of(tmp_path, BYOL, *UNICODE)
    assert "кодер漢" in {box.name for box in some.boxes}
    assert "кодер漢" in write_svg(scene_of(some))


def test_a_chain_is_one_row_and_a_fan_is_a_column(tmp_path: File) -> None:
    chain = boxes(scene_of(figure_of(tmp_path, BYOL, *CHAIN)))
    middles = {round((f[1] + f[3]) / 2, 1) for name, f in chain.items() if name.startswith("more_")}
    assert len(middles) == 1
    fan = boxes(scene_of(figure_of(tmp_path, BYOL, *FAN)))
    centres = {round((f[0] + f[2]) / 2, 1) for name, f in fan.items() if name.startswith("more_")}
    assert len(centres) == 1


def test_a_larger_graph_has_text_of_the_same_size(tmp_path: File) -> None:
    sizes = set()
    for changes in ((), CHAIN, FAN):
        drawing = scene_of(figure_of(tmp_path, BYOL, *changes))
        sizes.add(frozenset(t.size for g in drawing.groups for t in texts(g)))
    assert sizes == {frozenset({7.0, 9.0, 12.0})}

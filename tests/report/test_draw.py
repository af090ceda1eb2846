"""Pictures of graphs: what they show, and that each form of them is what it should be."""

from __future__ import annotations

import io
import itertools
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest
from conftest import BYOL, MOCO, SIMCLR, Write
from PIL import Image

from graphssl.checks.inference import infer
from graphssl.checks.shapes import Shapes
from graphssl.component import DataFacts
from graphssl.graph.calls import Slot, Value
from graphssl.graph.graph import Graph
from graphssl.graph.read import load
from graphssl.report import draw
from graphssl.report.draw import Kind
from graphssl.report.figure.figure import Box, Copy, End, Figure, Label, Wire
from graphssl.report.figure.names import Names
from graphssl.report.figure.read import read_figure
from graphssl.report.figure.words import config_lines, count_text, short
from graphssl.report.paper.frame import scene_of
from graphssl.report.paper.mermaid import write_mermaid
from graphssl.report.paper.page import write_page
from graphssl.report.paper.png import write_png
from graphssl.report.paper.scene import Path, Rect
from graphssl.report.paper.svg import write_svg
from graphssl.report.style import ROLES, STOP, UPDATE
from graphssl.schedule import Schedule

SVG = "{http://www.w3.org/2000/svg}"
Change = tuple[str, str]
DIGITS = DataFacts(samples=1500, classes=10)
NO_TARGET = ("  target:    {use: target.ema, of: [encoder, projector], momentum: {from: 0.9, to: 1.0}}\n", "")
SIMSIAM: tuple[Change, ...] = (
    ("graph: byol", "graph: simsiam"),
    NO_TARGET,
    ("z: target(x)", "z: stopgrad(projector(encoder(x)))"),
    ("update:\n  target: follow()\n", ""),
)
MULTI_CROP: tuple[Change, ...] = (
    ("augment.byol, flip: 0, blur: 0, solarize: 0", "augment.multicrop"),
    ("x: augment(batch.image)", "wide, small: augment(batch.image)\n  all: views(wide, small)"),
    ("encoder(x)", "encoder(all)"),
    ("target(x)", "target(wide)"),
)
BANK: tuple[Change, ...] = (
    ("queue:     {use: negatives.queue, size: 48}", "bank:      {use: negatives.memory_bank, sample: 64}"),
    ("queue()", "bank(batch.index)"),
    ("queue: push(k)", "bank: store(batch.index, k)"),
)
VARIANTS: dict[str, tuple[str, tuple[Change, ...]]] = {
    "simclr": (SIMCLR, ()),
    "byol": (BYOL, ()),
    "moco": (MOCO, ()),
    "simsiam": (BYOL, SIMSIAM),
    "multicrop": (BYOL, MULTI_CROP),
    "bank": (MOCO, BANK),
}
each_graph = pytest.mark.parametrize("name", VARIANTS)


def read(write: Write, text: str, *changes: Change) -> tuple[Graph, Shapes]:
    graph = load(write(text, *changes))
    return graph, infer(graph, DIGITS, graph.spec.data.batch)


def figure(write: Write, text: str, *changes: Change) -> Figure:
    return read_figure(*read(write, text, *changes))


def boxes_of(some: Figure, node: str) -> list[Box]:
    return [b for b in some.boxes if b.node == node]


def wires(some: Figure) -> set[tuple[str, str, str]]:
    """From, name of the value, to; by the names of the boxes, `!` after what is written."""

    def name(box: str) -> str:
        return some.by_id[box].name or box

    return {(name(w.source), w.label.title, name(e.box) + "!" * e.update) for w in some.wires for e in w.ends}


# -- what is shown -------------------------------------------------------------------------------------------------


@each_graph
def test_every_node_and_every_value_is_in_every_form(write: Write, name: str) -> None:
    text, changes = VARIANTS[name]
    graph, shapes = read(write, text, *changes)
    for kind in ("svg", "html", "mermaid"):
        found = set(re.findall(r"\w+", draw(graph, shapes, kind).decode()))  # type: ignore[arg-type]
        assert set(graph.nodes) <= found, kind
        assert {n.component.name.split(".")[1] for n in graph.nodes.values()} <= found
        assert set(graph.values) <= found, kind
        assert {t.name for t in graph.terms} <= found, kind


def test_calls_over_views_are_one_box(write: Write) -> None:
    some = figure(write, BYOL)
    assert [(b.name, b.count) for b in some.boxes] == [
        ("image", 1), ("augment", 1), ("encoder", 2), ("projector", 2), ("predictor", 2), ("target", 2), ("critic", 2),
        ("objective", 2), ("loss", 1),
    ]  # fmt: skip


def test_the_wires_of_byol(write: Write) -> None:
    assert wires(figure(write, BYOL)) == {
        ("image", "", "augment"),
        ("augment", "x \u00d72", "encoder"),
        ("augment", "x \u00d72", "target"),
        ("encoder", "", "projector"),
        ("projector", "", "predictor"),
        ("predictor", "p \u00d72", "critic"),
        ("target", "z \u00d72", "critic"),
        ("critic", "s \u00d72", "objective"),
        ("objective", "", "loss"),
    }


def test_single_views_are_wires_of_their_own(write: Write) -> None:
    found = wires(figure(write, MOCO))
    assert ("augment", "x[0]", "encoder") in found
    assert ("augment", "x[1]", "target") in found
    assert ("target", "k", "critic") in found
    assert ("target", "k", "queue!") in found


def test_views_that_are_put_together_meet_in_a_bar(write: Write) -> None:
    some = figure(write, BYOL, *MULTI_CROP)
    (join,) = [b for b in some.boxes if b.role == "join"]
    count = {w.label.name: w.label.count for w in some.wires}
    assert count["all"] == count["wide"] + count["small"]
    found = wires(some)
    assert ("augment", "wide \u00d72", join.id) in found
    assert ("augment", "wide \u00d72", "target") in found
    assert (join.id, f"all \u00d7{count['all']}", "encoder") in found
    assert boxes_of(some, "critic")[0].count == 2 * count["all"] - 2


def test_a_node_called_at_two_places_has_two_boxes_of_the_same_weights(write: Write) -> None:
    some = figure(write, SIMCLR, ("  s: critic", "  again: encoder(x[0])\n  s: critic"))
    first, second = boxes_of(some, "encoder")
    assert (first.name, second.name) == ("encoder", "encoder")
    assert "the same weights" in second.lines
    assert "the same weights" not in first.lines


def test_a_value_that_nobody_reads_is_a_wire_without_end(write: Write) -> None:
    some = figure(write, SIMCLR, ("  s: critic", "  again: encoder(x[0])\n  s: critic"))
    (unread,) = [w for w in some.wires if not w.ends]
    assert unread.label.name == "again"


def test_a_node_that_nobody_calls_is_faded(write: Write) -> None:
    some = figure(write, SIMCLR, ("  critic:", "  spare:     {use: critic.dot}\n  critic:"))
    assert [b.name for b in some.boxes if b.faded] == ["spare"]
    svg = write_svg(scene_of(some))
    assert svg.count('opacity="0.45"') == 1


def test_options_are_in_the_small_print(write: Write) -> None:
    some = figure(write, SIMCLR)
    assert "views folded" in boxes_of(some, "encoder")[0].lines
    assert "cross pairs" in boxes_of(some, "critic")[0].lines
    assert not {"views folded", "cross pairs"} & set(boxes_of(some, "projector")[0].lines)


def test_axes_and_sizes_are_on_the_wires(write: Write) -> None:
    labels = {w.label.name: w.label for w in figure(write, MOCO).wires}
    assert labels["x[0]"].sizes == "b  y x = 16 3 32 32"
    assert labels["s"].sizes == "b = 16; b n = 16 48"
    assert labels["k"].axes[0][0] == ("b", "16")
    assert labels["k"].axes[0][1][1] == "8"


def test_sizes_in_which_views_differ_are_both_there(write: Write) -> None:
    some = figure(write, BYOL, *MULTI_CROP)
    labels = {w.label.name: w.label.axes[0] for w in some.wires}
    sizes = {name: labels[name][2][1] for name in ("wide", "small", "all")}
    assert sizes["wide"] != sizes["small"]
    assert sizes["all"] == f"{sizes['wide']}/{sizes['small']}"


@pytest.mark.parametrize(
    ("text", "changes", "stopped"),
    [
        (SIMCLR, (), set()),
        (BYOL, (), {("target", "z")}),
        (MOCO, (), {("target", "k"), ("queue", "")}),
        (BYOL, SIMSIAM, {("projector", "z")}),
        (MOCO, BANK, {("target", "k"), ("bank", "")}),
    ],
    ids=["simclr", "byol", "moco", "simsiam", "bank"],
)
def test_stop_gradients_are_marked_where_they_are(
    write: Write, text: str, changes: tuple[Change, ...], stopped: set[tuple[str, str]]
) -> None:
    some = figure(write, text, *changes)
    assert {(some.by_id[w.source].name, w.label.name) for w in some.wires if w.stop} == stopped
    svg = write_svg(scene_of(some))
    assert svg.count(">stop-grad<") == len(stopped)
    assert svg.count(f'stroke="{STOP}"') == 2 * len(stopped) + 2 * bool(stopped)  # and two bars in the legend


def test_the_wire_beside_a_stop_gradient_has_none(write: Write) -> None:
    some = figure(write, BYOL, *SIMSIAM)
    (projector,) = boxes_of(some, "projector")
    out = {some.by_id[e.box].name: w.stop for w in some.wires if w.source == projector.id for e in w.ends}
    assert out == {"predictor": False, "critic": True}


def test_a_moving_average_is_drawn_from_the_nodes_that_it_follows(write: Write) -> None:
    some = figure(write, BYOL)
    named = {(some.by_id[c.source].name, c.text, some.by_id[c.target].name) for c in some.copies}
    assert named == {("encoder", "follow", "target"), ("projector", "follow", "target")}


def test_updates_are_dashed_and_nothing_else_is(write: Write) -> None:
    some = figure(write, MOCO, *BANK)
    scene = scene_of(some)
    lines = [m for g in scene.groups if g.kind == "wire" for m in g.marks if isinstance(m, Path) and not m.closed]
    assert {m.color for m in lines if m.dashed} == {UPDATE}
    assert UPDATE not in {m.color for m in lines if not m.dashed}
    writes = sum(e.update for w in some.wires for e in w.ends) + len(some.copies)
    assert writes == 4  # index and key into the bank, two nodes into the target
    assert sum(m.dashed for m in lines) == writes
    drawn = write_svg(scene)
    assert drawn.count("stroke-dasharray") == writes + 1  # and one in the legend


def test_no_update_no_dashes(write: Write) -> None:
    assert "stroke-dasharray" not in draw(*read(write, SIMCLR), "svg").decode()


def test_families_are_double_lines(write: Write) -> None:
    some = figure(write, BYOL)
    for group, wire in zip([g for g in scene_of(some).groups if g.kind == "wire"], some.wires, strict=False):
        thick = {m.thick for m in group.marks if isinstance(m, Path) and m.color == "#333333" and not m.closed}
        assert thick == ({3.0} if wire.label.count > 1 else {1.0})


def test_terms_of_the_loss_tell_their_weights(write: Write) -> None:
    one = "  ntxent: objective(s)"
    several = "  a: {value: 2 * objective(s), weight: 0.25}\n  b: -objective(s)\n  c: {value: objective(s), weight: {from: 0, to: 1}}"  # fmt: skip
    some = figure(write, SIMCLR, (one, several))
    (loss,) = [b for b in some.boxes if b.role == "loss"]
    texts = {e.text for w in some.wires for e in w.ends if e.box == loss.id}
    assert texts == {"0.5 \u00d7 a, -1 \u00d7 b, (0 \u2192 1) \u00d7 c"}
    assert "\u03a3" in loss.name
    assert [b.name for b in figure(write, SIMCLR).boxes if b.role == "loss"] == ["loss"]


def test_sections_have_their_colours_and_the_legend_names_them(write: Write) -> None:
    some = figure(write, MOCO)
    roles = {b.name: b.role for b in some.boxes}
    assert roles["image"] == "data"
    assert (roles["encoder"], roles["projector"], roles["target"]) == ("encoder", "head", "target")
    assert (roles["queue"], roles["critic"], roles["objective"]) == ("negatives", "critic", "objective")
    svg = write_svg(scene_of(some))
    for role in set(roles.values()):
        assert f'fill="{ROLES[role].fill}"' in svg
        assert f">{ROLES[role].title}</text>" in svg
    fills = [role.fill for role in ROLES.values()]
    assert len(set(fills)) == len(fills)


# -- words ---------------------------------------------------------------------------------------------------------


def test_configs_tell_what_is_not_the_default(write: Write) -> None:
    graph, _ = read(write, MOCO)
    assert config_lines(graph.nodes["critic"]) == ["temperature 0.2"]
    assert config_lines(graph.nodes["queue"]) == ["size 48"]
    assert config_lines(graph.nodes["objective"]) == []
    assert any("split_batch" in line for line in config_lines(graph.nodes["encoder"]))
    assert not any("encoder" in line for line in config_lines(graph.nodes["target"]))  # arrows show these


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"), (1e-4, "0.0001"), (3, "3"), (True, "on"), (None, "none"), ("batch", "batch"), ([1, 2], "1, 2"),
        ({"use": "split_batch", "splits": 4}, "split_batch"), ({"a": 1}, ""), (object(), ""),
        (Schedule[float].model_validate({"from": 0.99, "to": 1.0}), "0.99 \u2192 1"),
        (Schedule[float].model_validate({"from": 0.5, "to": 1.0, "shape": "constant"}), "0.5"),
    ],
)  # fmt: skip
def test_values_in_short(value: object, text: str) -> None:
    assert short(value) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (321, "321"), (999, "999"), (1000, "1.0 k"), (12_345, "12 k"), (99_999, "100 k"), (234_567, "0.23 M"),
     (23_500_000, "24 M"), (1_500_000_000, "1.5 G")],
)  # fmt: skip
def test_counts_in_short(number: int, text: str) -> None:
    assert count_text(number) == text


def test_names_of_slots() -> None:
    slots = [Slot(i, f"x_{i}", "tensor", (("b",),), "n", "", i, None) for i in range(5)]
    family = Value(tuple(slots[:4]), tuple((i,) for i in range(4)))
    names = Names({"x": family, "same": family, "h": Value(parts={"map": Value((slots[4],))})})
    assert names.of(slots[:4]) == (["x", "same"], "x, same")
    assert names.of(slots[1:2])[1] == "x[1]"
    assert names.of(slots[1:3])[1] == "x[1:3]"
    assert names.of([slots[0], slots[3]])[1] == "x[0,3]"
    assert names.of(slots[4:]) == (["h.map"], "h.map")
    assert names.of(slots) == ([], "")


# -- forms ---------------------------------------------------------------------------------------------------------


@each_graph
@pytest.mark.parametrize("kind", ["svg", "png", "html", "mermaid"])
def test_the_same_graph_gives_the_same_bytes(write: Write, name: str, kind: Kind) -> None:
    text, changes = VARIANTS[name]
    assert draw(*read(write, text, *changes), kind) == draw(*read(write, text, *changes), kind)


@each_graph
def test_svg_is_xml_with_tooltips(write: Write, name: str) -> None:
    text, changes = VARIANTS[name]
    graph, shapes = read(write, text, *changes)
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
    assert any("b  y x = 16 3 32 32" in note for note in notes)


@each_graph
def test_svg_refers_to_nothing_outside(write: Write, name: str) -> None:
    text, changes = VARIANTS[name]
    svg = draw(*read(write, text, *changes), "svg").decode()
    assert svg.count("http") == 1
    assert not re.search(r"href|url\(|<script|<image|<style|@import", svg)


def test_png_has_two_hundred_dots_per_inch_and_is_not_empty(write: Write) -> None:
    graph, shapes = read(write, BYOL)
    picture = Image.open(io.BytesIO(draw(graph, shapes, "png")))
    scene = scene_of(read_figure(graph, shapes))
    assert picture.size == pytest.approx((scene.width * 200 / 72, scene.height * 200 / 72), abs=1.5)
    colors = {c for _, c in picture.convert("RGB").getcolors(1 << 24) or ()}
    for role in ("encoder", "target", "critic"):
        fill = ROLES[role].fill
        assert tuple(int(fill[i : i + 2], 16) for i in (1, 3, 5)) in colors


def test_png_and_svg_have_the_boxes_at_the_same_places(write: Write) -> None:
    scene = scene_of(figure(write, MOCO))
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


@each_graph
def test_the_page_needs_nothing_from_outside(write: Write, name: str) -> None:
    text, changes = VARIANTS[name]
    page = draw(*read(write, text, *changes), "html").decode()
    assert page.count("http") == 1  # the name of SVG's namespace
    assert not re.search(r"\bsrc=|href|@import|url\(|fetch\(|XMLHttp", page)
    assert page.count("<svg") == page.count("</svg>") == 1


def test_the_page_knows_configs_and_neighbours(write: Write) -> None:
    graph, shapes = read(write, SIMCLR, ("  s: critic", "  again: encoder(x[0])\n  s: critic"))
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


MERMAID = [
    r"---", r'title: ".*"', r"flowchart LR",
    r'  n\d+(\["[^"]*"\]|\(\["[^"]*"\]\)|\{\{"[^"]*"\}\}):::\w+',
    r'  n\d+ ((--|==|-\.) "[^"]*" )?(-->|==>|\.->) n\d+',
    r'  n\d+ -- "[^"]*" --x u\d+\[" "\]:::unread',
    r"  classDef \w+ [\w#:,.-]+", r"  linkStyle [\d,]+ stroke:#\w{6}", r"  class [n\d,]+ faded",
]  # fmt: skip


@each_graph
def test_mermaid_is_a_flowchart(write: Write, name: str) -> None:
    text, changes = VARIANTS[name]
    graph, shapes = read(write, text, *changes)
    some = read_figure(graph, shapes)
    lines = draw(graph, shapes, "mermaid").decode().splitlines()
    for line in lines:
        assert any(re.fullmatch(pattern, line) for pattern in MERMAID), line
    edges = [line for line in lines if re.search(r"(-->|==>|\.->)", line)]
    assert len(edges) == sum(len(w.ends) for w in some.wires) + len(some.copies)
    dashed = [i for i, line in enumerate(edges) if ".->" in line]
    assert len(dashed) == sum(e.update for w in some.wires for e in w.ends) + len(some.copies)
    styled = [line for line in lines if "linkStyle" in line]
    assert styled == ([f"  linkStyle {','.join(map(str, dashed))} stroke:{UPDATE}"] if dashed else [])


# -- odd texts and figures -----------------------------------------------------------------------------------------

NASTY = "a<b & \"c\" 'd' ]]> </script><!-- \x00 \u202e 漢字 $x_1$ #1 `"


def nasty() -> Figure:
    boxes = (
        Box("a", "data", NASTY, (NASTY,), note=NASTY, node=NASTY, details={NASTY: NASTY}),
        Box("b", "head", "größe", (), 2),
    )
    wires = (
        Wire("a", Label(NASTY, 2, ((("b", "2"),),)), (End("b", (NASTY,), text=NASTY), End("b", (), True, NASTY)), True),
    )
    return Figure(NASTY, NASTY, boxes, wires, (Copy("a", "b", NASTY),))


def test_svg_escapes_whatever_is_written() -> None:
    root = ET.fromstring(write_svg(scene_of(nasty())))
    texts = [t.text for t in root.iter(f"{SVG}text")]
    assert sum(t is not None and t.startswith("a<b & \"c\" 'd' ]]> </script>") for t in texts) >= 6
    assert all(t is None or "\x00" not in t for t in texts)


def test_the_page_escapes_whatever_is_written() -> None:
    some = nasty()
    page = write_page(some, scene_of(some))
    assert page.count("</script>") == 2
    assert page.count("<!--") == 0
    found = re.search(r'id="facts">(.*?)</script>', page, re.DOTALL)
    assert found
    assert json.loads(found.group(1))["boxes"]["a"]["config"] == {NASTY: NASTY}


def test_mermaid_escapes_whatever_is_written() -> None:
    for line in write_mermaid(nasty()).splitlines():
        if not line.startswith("title: "):
            assert any(re.fullmatch(pattern, line) for pattern in MERMAID), line


def test_png_draws_whatever_is_written(recwarn: pytest.WarningsRecorder) -> None:
    picture = Image.open(io.BytesIO(write_png(scene_of(nasty()))))
    assert picture.width > 100
    assert not [w for w in recwarn if "Glyph" in str(w.message)]


@pytest.mark.parametrize("form", [write_svg, write_png], ids=["svg", "png"])
def test_a_picture_of_one_box(form: Callable[..., str | bytes]) -> None:
    assert form(scene_of(Figure("one", "", (Box("a", "other", "a"),))))


def test_a_value_used_many_times() -> None:
    names = [f"n{i}" for i in range(40)]
    goals = tuple(End(n) for n in names)
    some = Figure("many", "", tuple(Box(n, "head", n) for n in ("a", *names)), (Wire("a", Label("x"), goals),))
    root = ET.fromstring(write_svg(scene_of(some)))
    heads = [p for p in root.iter(f"{SVG}path") if p.attrib["d"].endswith("Z")]
    assert len(heads) == 40


def test_pyplot_stays_out() -> None:
    import subprocess
    import sys

    code = (
        "import sys\n"
        "import graphssl.report\n"
        "assert not {'matplotlib', 'PIL'} & sys.modules.keys(), 'imported at start'\n"
        "from graphssl.report.figure.figure import Box, Figure\n"
        "from graphssl.report.paper.frame import scene_of\n"
        "from graphssl.report.paper.png import write_png\n"
        "write_png(scene_of(Figure('a', '', (Box('a', 'head', 'a'),))))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

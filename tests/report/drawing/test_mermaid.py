"""Mermaid's text, read back by its grammar: the same boxes, wires and words."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path as File

import pytest
from figures import HARD, VARIANTS, drawn, each_graph, figure_of, nasty, read

from graphssl.report import draw
from graphssl.report.drawing.mermaid import write_mermaid
from graphssl.report.figure.figure import Box, Copy, End, Figure, Label, Wire
from graphssl.report.figure.read import read_figure
from graphssl.report.style import ROLES, UPDATE

KEYWORDS = {"end", "graph", "subgraph", "default", "style", "click", "class", "flowchart", "direction", "call", "href"}


ENTITIES = {"amp": "&", "quot": '"', "lt": "<", "gt": ">", "35": "#", "96": "`"}


NODE = re.compile(r'  (\w+)(\(\["|\["|\{\{")([^"]*)("\]\)|"\]|"\}\}):::(\w+)')


EDGE = re.compile(r'  (\w+) (?:(--|==|-\.) "([^"]*)" )?(-->|==>|\.->|--x) (\w+)(?:\[" "\]:::unread)?')


SHAPES = {'(["': '"])', '["': '"]', '{{"': '"}}'}


ARROWS = {"--": {"-->", "--x"}, "==": {"==>"}, "-.": {".->"}}


@dataclass
class Chart:
    title: str = ""
    nodes: dict[str, tuple[str, list[str], str]] = field(default_factory=dict)  # shape, lines of text, class
    edges: list[tuple[str, str, list[str], str]] = field(default_factory=list)  # from, arrow, lines of text, to
    classes: dict[str, dict[str, str]] = field(default_factory=dict)
    linked: dict[int, str] = field(default_factory=dict)  # styles of edges
    faded: list[str] = field(default_factory=list)


def plain(text: str) -> list[str]:
    """What mermaid shows of a quoted text: breaks are lines, entities letters."""
    assert not re.search(r"[<>&`]", text.replace("<br/>", ""))
    return [re.sub(r"#(\w+);", lambda m: ENTITIES[m[1]], line) for line in text.split("<br/>")] if text else []


def parsed(text: str) -> Chart:
    """Reads a chart; whatever the grammar does not have fails."""
    lines = text.split("\n")
    assert lines.pop() == "", "one newline at the end"
    assert (lines[0], lines[2], lines[3]) == ("---", "---", "flowchart LR")
    chart = Chart(json.loads(lines[1].removeprefix("title: ")))
    for line in lines[4:]:
        word, _, rest = line.strip().partition(" ")
        if word == "classDef":
            name, looks = rest.split(" ")
            chart.classes[name] = dict(look.split(":") for look in looks.split(","))
        elif word == "linkStyle":
            numbers, look = rest.split(" ")
            chart.linked |= dict.fromkeys(map(int, numbers.split(",")), look)
        elif word == "class":
            names, what = rest.split(" ")
            assert what == "faded"
            chart.faded = names.split(",")
        elif node := NODE.fullmatch(line):
            name, opening, words, closing, kind = node.groups()
            assert SHAPES[opening] == closing
            assert name not in chart.nodes
            chart.nodes[name] = (opening, plain(words), kind)
        else:
            edge = EDGE.fullmatch(line)
            assert edge, line
            source, start, words, arrow, target = edge.groups()
            assert start is None or arrow in ARROWS[start]
            assert source in chart.nodes
            chart.edges.append((source, arrow, plain(words or ""), target))
    return chart


@pytest.fixture(params=HARD)
def some(request: pytest.FixtureRequest, tmp_path: File) -> Figure:
    text, changes = HARD[request.param]
    return figure_of(tmp_path, text, *changes)


MERMAID = [
    r"---", r'title: ".*"', r"flowchart LR",
    r'  n\d+(\["[^"]*"\]|\(\["[^"]*"\]\)|\{\{"[^"]*"\}\}):::\w+',
    r'  n\d+ ((--|==|-\.) "[^"]*" )?(-->|==>|\.->) n\d+',
    r'  n\d+ -- "[^"]*" --x u\d+\[" "\]:::unread',
    r"  classDef \w+ [\w#:,.-]+", r"  linkStyle [\d,]+ stroke:#\w{6}", r"  class [n\d,]+ faded",
]  # fmt: skip


def test_boxes_wires_and_classes_come_back(some: Figure) -> None:
    chart = parsed(write_mermaid(some))
    assert chart.title == some.title
    assert [kind for _, _, kind in chart.nodes.values()] == [box.role for box in some.boxes]
    for (shape, lines, _), box in zip(chart.nodes.values(), some.boxes, strict=True):
        if box.role == "join":
            assert (shape, lines) == ('{{"', [box.id])
        else:
            assert shape == ('(["' if box.role in ("data", "loss") else '["')
            assert lines == [f"{box.name} {box.times}".strip(), *box.lines]
    names = dict(zip([box.id for box in some.boxes], chart.nodes, strict=True))
    expected = [
        (names[w.source], ".->" if e.update else "==>" if w.label.count > 1 else "-->", names[e.box])
        for w in some.wires for e in w.ends
    ] + [(names[c.source], ".->", names[c.target]) for c in some.copies]  # fmt: skip
    assert [(a, arrow, b) for a, arrow, _, b in chart.edges] == expected
    assert set(chart.classes) == {box.role for box in some.boxes}
    assert chart.linked == {i: f"stroke:{UPDATE}" for i, edge in enumerate(chart.edges) if edge[1] == ".->"}


def test_words_stand_on_the_edges(some: Figure) -> None:
    edges = iter(parsed(write_mermaid(some)).edges)
    for wire in some.wires:
        for end in wire.ends:
            _, _, words, _ = next(edges)
            assert (end.text in words) == bool(end.text)
            assert (wire.label.sizes in words) == bool(wire.label.sizes)
            assert ("stop-grad" in words) == (wire.stop and not end.update)
    assert [words for _, _, words, _ in edges] == [[c.text] for c in some.copies]


def test_names_are_no_words_of_mermaid() -> None:
    chart = parsed(write_mermaid(drawn("end graph class", "end graph", "graph class!")))
    assert not KEYWORDS & set(chart.nodes)
    assert [lines for _, lines, _ in chart.nodes.values()] == [["end"], ["graph"], ["class"]]


@pytest.mark.parametrize(
    "text",
    [
        'say "x"',
        "a<b",
        "a>b",
        "a & b",
        "#1",
        "#35;",
        "`code`",
        "<br/>",
        "&amp;",
        "a --> b",
        "]",
        "}}",
        "%%",
        ";",
        "é漢→",
        "$x$",
        "\\n",
    ],
)
def test_any_text_comes_back(text: str) -> None:
    boxes = (Box("a", "data", text, (text,)), Box("b", "head", text), Box("c", "loss", text))
    wires = (Wire("a", Label(text, 2), (End("b", (), False, text), End("c", (), True, text))),)
    chart = parsed(write_mermaid(Figure(text, "", boxes, wires, (Copy("a", "b", text),))))
    assert chart.title == text
    assert [lines for _, lines, _ in chart.nodes.values()] == [[text, text], [text], [text]]
    assert [words for _, _, words, _ in chart.edges] == [[text, f"{text} \u00d72"], [text, f"{text} \u00d72"], [text]]


@pytest.mark.parametrize(("text", "shown"), [("a\nb", "a b"), ("a\x00b", r"a\x00b"), ("a\u2028b", r"a\u2028b")])
def test_what_would_end_a_line_does_not(text: str, shown: str) -> None:
    chart = parsed(write_mermaid(Figure("t", "", (Box("a", "head", text),))))
    assert [lines for _, lines, _ in chart.nodes.values()] == [[shown]]


def test_a_value_that_nobody_reads_ends_in_a_cross() -> None:
    some = Figure("t", "", (Box("a", "head", "a"),), (Wire("a", Label("x"), ()), Wire("a", Label("y"), ())))
    chart = parsed(write_mermaid(some))
    assert [(arrow, words, b) for _, arrow, words, b in chart.edges] == [("--x", ["x"], "u0"), ("--x", ["y"], "u1")]
    assert "unread" in chart.classes
    assert chart.linked == {}


def test_what_nothing_uses_is_faded() -> None:
    some = Figure(
        "t", "", (Box("a", "head", "a"), Box("b", "head", "b", faded=True), Box("c", "head", "c", faded=True))
    )
    chart = parsed(write_mermaid(some))
    assert chart.faded == ["n1", "n2"]
    assert chart.classes["faded"] == {"opacity": "0.45"}


def test_sections_have_the_colours_of_the_picture() -> None:
    chart = parsed(write_mermaid(Figure("t", "", tuple(Box(r, r, r) for r in ROLES))))
    assert {name: (look["fill"], look["stroke"]) for name, look in chart.classes.items()} == {
        name: (role.fill, role.line) for name, role in ROLES.items()
    }
    assert {name for name, look in chart.classes.items() if look["color"] == "#ffffff"} == {"loss", "join"}


def test_nothing_is_a_chart_too() -> None:
    assert parsed(write_mermaid(Figure("", "", ()))) == Chart()


@each_graph
def test_mermaid_is_a_flowchart(tmp_path: File, name: str) -> None:
    text, changes = VARIANTS[name]
    graph, shapes = read(tmp_path, text, *changes)
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


def test_mermaid_escapes_whatever_is_written() -> None:
    for line in write_mermaid(nasty()).splitlines():
        if not line.startswith("title: "):
            assert any(re.fullmatch(pattern, line) for pattern in MERMAID), line

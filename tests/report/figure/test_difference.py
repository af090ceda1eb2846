"""The picture of two graphs: what both have stands once, what differs is marked."""

from __future__ import annotations

import pytest

import graphssl
from graphssl.report.drawing.frame import scene_of
from graphssl.report.drawing.mermaid import write_mermaid
from graphssl.report.drawing.svg import write_svg
from graphssl.report.figure.difference import difference_figure
from graphssl.report.figure.figure import Figure
from graphssl.report.figure.read import read_figure


def figure(name: str, *sets: str) -> Figure:
    checked = graphssl.check(name, list(sets), without_data=True)
    return read_figure(checked.graph, checked.shapes)


@pytest.fixture(scope="module")
def byol() -> Figure:
    return figure("byol")


def test_a_graph_beside_itself_has_no_marks(byol: Figure) -> None:
    both = difference_figure(byol, byol, "")
    assert len(both.boxes) == len(byol.boxes)
    assert not [part for part in (*both.boxes, *both.wires, *both.copies) if part.change]


def test_each_box_is_marked_as_it_differs(byol: Figure) -> None:
    both = difference_figure(byol, figure("simsiam"), "")
    changes = {box.node or box.id: box.change for box in both.boxes}
    assert changes == {
        "batch.image": "", "augment": "changed", "encoder": "", "projector": "changed", "predictor": "changed",
        "target": "removed", "critic": "", "objective": "", "loss": "",
    }  # fmt: skip
    projector = both.by_id["projector.1"]
    assert projector.name == "~ projector"
    assert "out 64 → 256" in projector.lines
    assert {copy.change for copy in both.copies} == {"removed"}


def test_wires_of_one_side_are_marked(byol: Figure) -> None:
    both = difference_figure(byol, figure("simsiam"), "")
    stopped = [wire for wire in both.wires if wire.stop and wire.change == "added"]
    assert [(wire.source, [end.box for end in wire.ends]) for wire in stopped] == [("projector.1", ["critic.1"])]
    assert ("augment.1", "target.1", "removed") in [(w.source, e.box, w.change) for w in both.wires for e in w.ends]


def test_what_would_go_round_in_a_circle_stands_twice(byol: Figure) -> None:
    """Predictor before the projector on one side, after it on the other."""
    heads = [
        "nodes.predictor={use: head.mlp, hidden: 64, out: 64}",
        "nodes.projector={use: head.mlp, hidden: 64, out: 64}",
    ]
    first = figure("simsiam", *heads, "flow.z=projector(encoder(x))", "flow.p=predictor(z)")
    last = figure("simsiam", *heads, "flow.z=predictor(encoder(x))", "flow.p=projector(z)")
    both = difference_figure(first, last, "")
    assert [box.id for box in both.boxes if box.id.endswith("(before)")]
    svg = write_svg(scene_of(both))
    assert svg.count("projector") >= 2


def test_it_can_be_drawn_in_every_form(byol: Figure) -> None:
    both = difference_figure(byol, figure("moco_v2"), "also: data")
    svg = write_svg(scene_of(both))
    for word in ("+ queue", "\u2212 predictor", "+ added", "also: data", 'data-change="removed"'):
        assert word in svg
    assert "queue" in write_mermaid(both)

"""From a graph to boxes: what they say, updates of every kind, what is not used, terms of the loss."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as File
from typing import Annotated, Any

import pytest
from conftest import BYOL, MOCO, SIMCLR
from figures import MULTI_CROP, box, boxes_of, ends, figure_of, read, wire
from torch import Tensor, nn

from graphssl.component import REGISTRY, NodeConfig, NodeRef, Sizes, component, update
from graphssl.report.drawing.frame import scene_of
from graphssl.report.drawing.svg import write_svg
from graphssl.report.figure.figure import Figure
from graphssl.report.figure.read import read_figure

Vectors = Annotated[Tensor, "b d"]


class Plain(nn.Module):
    """Passes on what it gets."""

    class Config(NodeConfig):
        pass

    def __init__(self, config: Any, sizes: Sizes, **sources: Any) -> None:
        super().__init__()

    def forward(self, x: Vectors) -> Vectors:
        return x * 1


class Centre(Plain):
    """Passes on what it gets, and may be written."""

    @update
    def observe(self, x: Vectors) -> None: ...

    @update
    def tick(self) -> None: ...


class Mirror(Plain):
    """Made of another node."""

    class Config(NodeConfig):
        of: NodeRef


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    component("strange.plain")(Plain)
    component("critic.centre")(Centre)
    component("target.mirror")(Mirror)
    yield
    for name in ("strange.plain", "critic.centre", "target.mirror"):
        del REGISTRY[name]


def centred(folder: File, line: str, update_line: str) -> Figure:
    return figure_of(
        folder, SIMCLR, ("  others:", "  centre:    {use: critic.centre}\n  others:"), ("  s: critic", f"  {line}\n  s: critic"),
        ("train:", f"update:\n  centre: {update_line}\ntrain:"),
    )  # fmt: skip


def test_title_and_subtitle(tmp_path: File) -> None:
    graph, shapes = read(tmp_path, MOCO)
    some = read_figure(graph, shapes)
    trained = sum(p.numel() for n in ("encoder", "projector") for p in shapes.modules[n].parameters())
    assert some.title == "moco"
    assert some.subtitle == f"{trained / 1000:.0f} k trainable parameters, batch 16"


def test_boxes_tell_component_config_and_parameters(tmp_path: File) -> None:
    some = figure_of(tmp_path, BYOL)
    assert box(some, "projector").lines == ("head.mlp", "hidden 16", "out 8", "1.2 k params")
    assert box(some, "critic").lines == ("critic.cosine", "cross pairs")
    assert box(some, "image").lines == ("digits",)
    assert box(some, "target").lines[1] == "momentum 0.9 → 1"


def test_boxes_know_their_lines_in_the_file(tmp_path: File) -> None:
    some = figure_of(tmp_path, BYOL)
    assert box(some, "encoder").note.split("\n") == [
        "line 5: encoder:   {use: encoder.resnet, depth: 10, width: 8}",
        "line 13: p: predictor(projector(encoder(x)))",
    ]
    assert box(some, "loss").note == "line 17: byol: objective(s)"
    assert box(some, "image").note == "batch.image\nline 12: x: augment(batch.image)"


def test_boxes_hold_the_whole_config(tmp_path: File) -> None:
    details = box(figure_of(tmp_path, BYOL), "target").details
    assert details["use"] == "target.ema"
    assert details["of"] == ["encoder", "projector"]
    assert details["momentum"] == {"from": 0.9, "to": 1.0, "shape": "cosine", "over": "train"}
    assert details["buffers"] == "own", "defaults too"


def test_a_kind_that_is_not_known_has_no_colour(tmp_path: File) -> None:
    some = figure_of(
        tmp_path,
        SIMCLR,
        ("  others:", "  odd:       {use: strange.plain}\n  others:"),
        ("z: projector(encoder(x, views=fold))", "z: odd(projector(encoder(x, views=fold)))"),
    )
    assert box(some, "odd").role == "other"
    assert box(some, "odd").lines == ("strange.plain",)


def test_a_node_without_weights_is_the_same_node(tmp_path: File) -> None:
    some = figure_of(tmp_path, SIMCLR, ("  s: critic", "  s2: critic(z[0], z[1])\n  s: critic"))
    first, second = [b for b in some.boxes if b.name == "critic"]
    assert "the same node" in second.lines
    assert "temperature 0.2" in first.lines
    assert "temperature 0.2" not in second.lines


def test_boxes_are_in_the_order_of_the_step(tmp_path: File) -> None:
    names = [b.name for b in figure_of(tmp_path, MOCO).boxes]
    assert names == ["image", "augment", "encoder", "projector", "target", "queue", "critic", "objective", "loss"]


def test_ids_are_unique_and_have_no_blanks(tmp_path: File) -> None:
    some = figure_of(tmp_path, BYOL, *MULTI_CROP, ("  s: critic", "  w: encoder(wide[0])\n  s: critic"))
    ids = [b.id for b in some.boxes]
    assert len(set(ids)) == len(ids)
    assert not any(set(i) & set(' "<>') for i in ids)
    assert {w.source for w in some.wires} | {e.box for w in some.wires for e in w.ends} <= set(ids)


def test_a_push_comes_from_where_the_value_does(tmp_path: File) -> None:
    some = figure_of(tmp_path, MOCO)
    assert ends(some, "k") == [("critic", ("key",), False, ""), ("queue", ("key",), True, "push")]
    assert [(some.by_id[c.source].name, c.text) for c in some.copies] == [
        ("encoder", "follow"),
        ("projector", "follow"),
    ]


def test_a_write_of_what_the_node_gives_itself_is_told_in_its_box(tmp_path: File) -> None:
    some = centred(tmp_path, "c: centre(z[0])", "observe(c)")
    assert box(some, "centre").lines[-1] == "observe its own"
    assert ("centre", ("x",), True, "observe") in ends(some, "c")


def test_an_update_without_values_is_told_in_the_box(tmp_path: File) -> None:
    assert box(centred(tmp_path, "c: centre(z[0])", "tick()"), "centre").lines[-1] == "tick each step"


def test_a_state_that_is_only_written_has_a_box(tmp_path: File) -> None:
    some = centred(tmp_path, "c: projector(encoder(x[0]))", "observe(c)")
    assert box(some, "centre").id == "centre.state"
    assert ends(some, "c") == [("centre", ("x",), True, "observe")]


def test_what_a_write_takes_is_not_stopped_for_it(tmp_path: File) -> None:
    """A write takes no gradient anyway: the mark would say nothing."""
    some = figure_of(tmp_path, MOCO, ("  s: critic", "  j: target(x[0])\n  s: critic"), ("push(k)", "push(j)"))
    assert not wire(some, "j").stop
    assert wire(some, "k").stop


def test_a_node_made_of_another_that_nothing_updates_uses_it(tmp_path: File) -> None:
    some = figure_of(
        tmp_path, SIMCLR, ("  others:", "  mirror:    {use: target.mirror, of: projector}\n  others:"),
        ("z: projector(encoder(x, views=fold))", "z: mirror(projector(encoder(x, views=fold)))"),
    )  # fmt: skip
    assert [(some.by_id[c.source].name, some.by_id[c.target].name, c.text) for c in some.copies] == [
        ("projector", "mirror", "uses")
    ]


def test_what_is_followed_and_never_called_is_faded(tmp_path: File) -> None:
    some = figure_of(
        tmp_path, SIMCLR,
        ("  others:", "  spare:     {use: strange.plain}\n  mirror:    {use: target.mirror, of: spare}\n  others:"),
        ("z: projector(encoder(x, views=fold))", "z: mirror(projector(encoder(x, views=fold)))"),
    )  # fmt: skip
    assert box(some, "spare").faded
    assert "spare" in {some.by_id[c.source].name for c in some.copies}
    assert [b.name for b in some.boxes if b.faded] == ["spare"]


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("ntxent: objective(s)", "ntxent"),
        ("ntxent: 0.5 * objective(s)", "0.5 \u00d7 ntxent"),
        ("ntxent: -objective(s)", "-1 \u00d7 ntxent"),
        ("ntxent: {value: objective(s), weight: 1}", "ntxent"),
        ("ntxent: {value: 4 * objective(s), weight: 0.5}", "2 \u00d7 ntxent"),
        ("ntxent: {value: 4 * objective(s), weight: 0.25}", "ntxent"),
        ("ntxent: {value: objective(s), weight: {from: 0, to: 1}}", "(0 → 1) \u00d7 ntxent"),
        ("ntxent: {value: 2 * objective(s), weight: {from: 0, to: 1}}", "2 \u00d7 (0 → 1) \u00d7 ntxent"),
        ("ntxent: {value: objective(s), weight: {from: 0.5, to: 1, shape: constant}}", "(0.5) \u00d7 ntxent"),
    ],
)
def test_terms_in_words(tmp_path: File, term: str, text: str) -> None:
    some = figure_of(tmp_path, SIMCLR, ("ntxent: objective(s)", term))
    assert [e.text for w in some.wires for e in w.ends if e.box == "loss"] == [text]


def test_a_sum_of_terms_says_so(tmp_path: File) -> None:
    assert (
        box(figure_of(tmp_path, SIMCLR, ("ntxent: objective(s)", "a: objective(s)\n  b: objective(s[0])")), "Σ loss").id
        == "loss"
    )


def test_the_figure_does_not_touch_the_graph(tmp_path: File) -> None:
    graph, shapes = read(tmp_path, MOCO)
    calls = list(graph.calls)
    assert read_figure(graph, shapes) == read_figure(graph, shapes)
    assert list(graph.calls) == calls


def test_calls_over_views_are_one_box(tmp_path: File) -> None:
    some = figure_of(tmp_path, BYOL)
    assert [(b.name, b.count) for b in some.boxes] == [
        ("image", 1), ("augment", 1), ("encoder", 2), ("projector", 2), ("predictor", 2), ("target", 2), ("critic", 2),
        ("objective", 2), ("loss", 1),
    ]  # fmt: skip


def test_a_node_called_at_two_places_has_two_boxes_of_the_same_weights(tmp_path: File) -> None:
    some = figure_of(tmp_path, SIMCLR, ("  s: critic", "  again: encoder(x[0])\n  s: critic"))
    first, second = boxes_of(some, "encoder")
    assert (first.name, second.name) == ("encoder", "encoder")
    assert "the same weights" in second.lines
    assert "the same weights" not in first.lines


def test_a_node_that_nobody_calls_is_faded(tmp_path: File) -> None:
    some = figure_of(tmp_path, SIMCLR, ("  critic:", "  spare:     {use: critic.dot}\n  critic:"))
    assert [b.name for b in some.boxes if b.faded] == ["spare"]
    svg = write_svg(scene_of(some))
    assert svg.count('opacity="0.45"') == 1


def test_options_are_in_the_small_print(tmp_path: File) -> None:
    some = figure_of(tmp_path, SIMCLR)
    assert "views folded" in boxes_of(some, "encoder")[0].lines
    assert "cross pairs" in boxes_of(some, "critic")[0].lines
    assert not {"views folded", "cross pairs"} & set(boxes_of(some, "projector")[0].lines)


def test_a_moving_average_is_drawn_from_the_nodes_that_it_follows(tmp_path: File) -> None:
    some = figure_of(tmp_path, BYOL)
    named = {(some.by_id[c.source].name, c.text, some.by_id[c.target].name) for c in some.copies}
    assert named == {("encoder", "follow", "target"), ("projector", "follow", "target")}


def test_terms_of_the_loss_tell_their_weights(tmp_path: File) -> None:
    one = "  ntxent: objective(s)"
    several = "  a: {value: 2 * objective(s), weight: 0.25}\n  b: -objective(s)\n  c: {value: objective(s), weight: {from: 0, to: 1}}"  # fmt: skip
    some = figure_of(tmp_path, SIMCLR, (one, several))
    (loss,) = [b for b in some.boxes if b.role == "loss"]
    texts = {e.text for w in some.wires for e in w.ends if e.box == loss.id}
    assert texts == {"0.5 \u00d7 a, -1 \u00d7 b, (0 \u2192 1) \u00d7 c"}
    assert "\u03a3" in loss.name
    assert [b.name for b in figure_of(tmp_path, SIMCLR).boxes if b.role == "loss"] == ["loss"]


def test_eight_views_are_one_row_of_boxes(tmp_path: File) -> None:
    some = figure_of(tmp_path, BYOL, *MULTI_CROP)
    counts = {box.name: box.count for box in some.boxes if box.node}
    assert counts == {
        "augment": 1, "encoder": 8, "projector": 8, "predictor": 8, "target": 2, "critic": 14, "objective": 14,
    }  # fmt: skip
    labels = {w.label.title: w.label for w in some.wires}
    assert labels["small \u00d76"].axes[0][2:] == (("v", "14"), ("u", "14"))
    assert labels["all \u00d78"].axes[0][2:] == (("y", "32/14"), ("x", "32/14"))

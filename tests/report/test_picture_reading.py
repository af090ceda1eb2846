"""From a graph to boxes and wires: joins, updates of every kind, what is not used, notes for pointing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from conftest import BYOL, MOCO, SIMCLR
from figures import BANK, MULTI_CROP, figure_of, read
from torch import Tensor, nn

from graphssl.component import REGISTRY, NodeConfig, NodeRef, Sizes, component, update
from graphssl.report.figure.figure import Box, Figure, Wire
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


def box(some: Figure, name: str) -> Box:
    (found,) = [b for b in some.boxes if b.name == name]
    return found


def wire(some: Figure, name: str) -> Wire:
    (found,) = [w for w in some.wires if w.label.name == name]
    return found


def ends(some: Figure, name: str) -> list[tuple[str, tuple[str, ...], bool, str]]:
    return [(some.by_id[e.box].name or e.box, e.ports, e.update, e.text) for e in wire(some, name).ends]


def centred(folder: Path, line: str, update_line: str) -> Figure:
    return figure_of(
        folder, SIMCLR, ("  others:", "  centre:    {use: critic.centre}\n  others:"), ("  s: critic", f"  {line}\n  s: critic"),
        ("train:", f"update:\n  centre: {update_line}\ntrain:"),
    )  # fmt: skip


# -- boxes -------------------------------------------------------------------------------------------------------


def test_title_and_subtitle(tmp_path: Path) -> None:
    graph, shapes = read(tmp_path, MOCO)
    some = read_figure(graph, shapes)
    trained = sum(p.numel() for n in ("encoder", "projector") for p in shapes.modules[n].parameters())
    assert some.title == "moco"
    assert some.subtitle == f"{trained / 1000:.0f} k trainable parameters, batch 16"


def test_boxes_tell_component_config_and_parameters(tmp_path: Path) -> None:
    some = figure_of(tmp_path, BYOL)
    assert box(some, "projector").lines == ("head.mlp", "hidden 16", "out 8", "1.2 k params")
    assert box(some, "critic").lines == ("critic.cosine", "cross pairs")
    assert box(some, "image").lines == ("digits",)
    assert box(some, "target").lines[1] == "momentum 0.9 → 1"


def test_boxes_know_their_lines_in_the_file(tmp_path: Path) -> None:
    some = figure_of(tmp_path, BYOL)
    assert box(some, "encoder").note.split("\n") == [
        "line 5: encoder:   {use: encoder.resnet, depth: 10, width: 8}",
        "line 13: p: predictor(projector(encoder(x)))",
    ]
    assert box(some, "loss").note == "line 17: byol: objective(s)"
    assert box(some, "image").note == "batch.image\nline 12: x: augment(batch.image)"


def test_boxes_hold_the_whole_config(tmp_path: Path) -> None:
    details = box(figure_of(tmp_path, BYOL), "target").details
    assert details["use"] == "target.ema"
    assert details["of"] == ["encoder", "projector"]
    assert details["momentum"] == {"from": 0.9, "to": 1.0, "shape": "cosine", "over": "train"}
    assert details["buffers"] == "own", "defaults too"


def test_a_kind_that_is_not_known_has_no_colour(tmp_path: Path) -> None:
    some = figure_of(
        tmp_path,
        SIMCLR,
        ("  others:", "  odd:       {use: strange.plain}\n  others:"),
        ("z: projector(encoder(x, views=fold))", "z: odd(projector(encoder(x, views=fold)))"),
    )
    assert box(some, "odd").role == "other"
    assert box(some, "odd").lines == ("strange.plain",)


def test_a_node_without_weights_is_the_same_node(tmp_path: Path) -> None:
    some = figure_of(tmp_path, SIMCLR, ("  s: critic", "  s2: critic(z[0], z[1])\n  s: critic"))
    first, second = [b for b in some.boxes if b.name == "critic"]
    assert "the same node" in second.lines
    assert "temperature 0.2" in first.lines
    assert "temperature 0.2" not in second.lines


def test_boxes_are_in_the_order_of_the_step(tmp_path: Path) -> None:
    names = [b.name for b in figure_of(tmp_path, MOCO).boxes]
    assert names == ["image", "augment", "encoder", "projector", "target", "queue", "critic", "objective", "loss"]


def test_ids_are_unique_and_have_no_blanks(tmp_path: Path) -> None:
    some = figure_of(tmp_path, BYOL, *MULTI_CROP, ("  s: critic", "  w: encoder(wide[0])\n  s: critic"))
    ids = [b.id for b in some.boxes]
    assert len(set(ids)) == len(ids)
    assert not any(set(i) & set(' "<>') for i in ids)
    assert {w.source for w in some.wires} | {e.box for w in some.wires for e in w.ends} <= set(ids)


# -- wires -------------------------------------------------------------------------------------------------------


def test_a_value_in_two_ports_is_one_wire_with_both(tmp_path: Path) -> None:
    some = figure_of(tmp_path, SIMCLR)
    assert ends(some, "z") == [("others", ("key",), False, ""), ("critic", ("query", "key"), False, "")]


def test_fields_of_the_batch_are_boxes(tmp_path: Path) -> None:
    some = figure_of(tmp_path, MOCO, *BANK)
    index = next(w for w in some.wires if w.source == "batch.index")
    assert [(some.by_id[e.box].name, e.update) for e in index.ends] == [("bank", False), ("bank", True)]
    assert box(some, "index").role == "data"


def test_the_same_name_for_the_same_value_is_told_once(tmp_path: Path) -> None:
    some = figure_of(tmp_path, BYOL, ("  z: target(x)", "  z: target(x)\n  k: target(x)"))
    assert wire(some, "z, k").label.title == "z, k \u00d72"


def test_slices_of_views_are_named(tmp_path: Path) -> None:
    some = figure_of(
        tmp_path,
        BYOL,
        *MULTI_CROP,
        ("target(wide)", "target(all[0:2])"),
        ("  s: critic", "  w: encoder(small[1:3])\n  s: critic"),
    )
    assert {"small[1:3]", "wide"} <= {w.label.name for w in some.wires}


def test_a_join_is_made_once_for_all_that_take_it(tmp_path: Path) -> None:
    some = figure_of(tmp_path, BYOL, *MULTI_CROP, ("  s: critic", "  again: projector(encoder(all))\n  s: critic"))
    (join,) = [b for b in some.boxes if b.role == "join"]
    assert join.id == "views.all"
    assert join.note == "all: views"
    assert len([w for w in some.wires if w.source == join.id]) == 1


def test_a_join_of_a_join_comes_from_it(tmp_path: Path) -> None:
    more = "  both: views(wide, small)\n  other: augment(batch.image)\n  all: views(both, other.wide)"
    some = figure_of(tmp_path, BYOL, *MULTI_CROP, ("  all: views(wide, small)", more))
    into = {
        b.id: {w.label.name for w in some.wires if b.id in {e.box for e in w.ends}}
        for b in some.boxes
        if b.role == "join"
    }
    assert into == {"views.both": {"wide", "small"}, "views.all": {"both", "other.wide"}}
    assert wire(some, "other.small").ends == ()


def test_a_stop_gradient_before_a_join_stays_before_it(tmp_path: Path) -> None:
    more = "  both: views(wide, small)\n  all: views(both, stopgrad(both))"
    some = figure_of(tmp_path, BYOL, *MULTI_CROP, ("  all: views(wide, small)", more))
    assert {w.label.name: w.stop for w in some.wires if "views.all" in {e.box for e in w.ends}} == {
        "both": False, "all[8:10]": True, "all[10:16]": True,
    }  # fmt: skip
    assert not wire(some, "all").stop


# -- updates -----------------------------------------------------------------------------------------------------


def test_a_push_comes_from_where_the_value_does(tmp_path: Path) -> None:
    some = figure_of(tmp_path, MOCO)
    assert ends(some, "k") == [("critic", ("key",), False, ""), ("queue", ("key",), True, "push")]
    assert [(some.by_id[c.source].name, c.text) for c in some.copies] == [
        ("encoder", "follow"),
        ("projector", "follow"),
    ]


def test_a_write_of_what_the_node_gives_itself_is_told_in_its_box(tmp_path: Path) -> None:
    some = centred(tmp_path, "c: centre(z[0])", "observe(c)")
    assert box(some, "centre").lines[-1] == "observe its own"
    assert ("centre", ("x",), True, "observe") in ends(some, "c")


def test_an_update_without_values_is_told_in_the_box(tmp_path: Path) -> None:
    assert box(centred(tmp_path, "c: centre(z[0])", "tick()"), "centre").lines[-1] == "tick each step"


def test_a_state_that_is_only_written_has_a_box(tmp_path: Path) -> None:
    some = centred(tmp_path, "c: projector(encoder(x[0]))", "observe(c)")
    assert box(some, "centre").id == "centre.state"
    assert ends(some, "c") == [("centre", ("x",), True, "observe")]


def test_what_a_write_takes_is_not_stopped_for_it(tmp_path: Path) -> None:
    """A write takes no gradient anyway: the mark would say nothing."""
    some = figure_of(tmp_path, MOCO, ("  s: critic", "  j: target(x[0])\n  s: critic"), ("push(k)", "push(j)"))
    assert not wire(some, "j").stop
    assert wire(some, "k").stop


def test_a_node_made_of_another_that_nothing_updates_uses_it(tmp_path: Path) -> None:
    some = figure_of(
        tmp_path, SIMCLR, ("  others:", "  mirror:    {use: target.mirror, of: projector}\n  others:"),
        ("z: projector(encoder(x, views=fold))", "z: mirror(projector(encoder(x, views=fold)))"),
    )  # fmt: skip
    assert [(some.by_id[c.source].name, some.by_id[c.target].name, c.text) for c in some.copies] == [
        ("projector", "mirror", "uses")
    ]


def test_what_is_followed_and_never_called_is_faded(tmp_path: Path) -> None:
    some = figure_of(
        tmp_path, SIMCLR,
        ("  others:", "  spare:     {use: strange.plain}\n  mirror:    {use: target.mirror, of: spare}\n  others:"),
        ("z: projector(encoder(x, views=fold))", "z: mirror(projector(encoder(x, views=fold)))"),
    )  # fmt: skip
    assert box(some, "spare").faded
    assert "spare" in {some.by_id[c.source].name for c in some.copies}
    assert [b.name for b in some.boxes if b.faded] == ["spare"]


# -- loss --------------------------------------------------------------------------------------------------------


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
def test_terms_in_words(tmp_path: Path, term: str, text: str) -> None:
    some = figure_of(tmp_path, SIMCLR, ("ntxent: objective(s)", term))
    assert [e.text for w in some.wires for e in w.ends if e.box == "loss"] == [text]


def test_a_sum_of_terms_says_so(tmp_path: Path) -> None:
    assert (
        box(figure_of(tmp_path, SIMCLR, ("ntxent: objective(s)", "a: objective(s)\n  b: objective(s[0])")), "Σ loss").id
        == "loss"
    )


def test_the_figure_does_not_touch_the_graph(tmp_path: Path) -> None:
    graph, shapes = read(tmp_path, MOCO)
    calls = list(graph.calls)
    assert read_figure(graph, shapes) == read_figure(graph, shapes)
    assert list(graph.calls) == calls

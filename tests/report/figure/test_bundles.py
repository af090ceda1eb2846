"""From slots to wires: which go together, where views meet, which carry no gradient."""

from __future__ import annotations

from pathlib import Path as File

import pytest
from conftest import BYOL, MOCO, SIMCLR
from figures import BANK, MULTI_CROP, SIMSIAM, TWO_ENCODERS, Change, box, boxes_of, ends, figure_of, wire, wires

from graphssl.report.drawing.frame import scene_of
from graphssl.report.drawing.svg import write_svg
from graphssl.report.style import STOP


def test_the_wires_of_byol(tmp_path: File) -> None:
    assert wires(figure_of(tmp_path, BYOL)) == {
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


def test_single_views_are_wires_of_their_own(tmp_path: File) -> None:
    found = wires(figure_of(tmp_path, MOCO))
    assert ("augment", "x[0]", "encoder") in found
    assert ("augment", "x[1]", "target") in found
    assert ("target", "k", "critic") in found
    assert ("target", "k", "queue!") in found


def test_views_that_are_put_together_meet_in_a_bar(tmp_path: File) -> None:
    some = figure_of(tmp_path, BYOL, *MULTI_CROP)
    (join,) = [b for b in some.boxes if b.role == "join"]
    count = {w.label.name: w.label.count for w in some.wires}
    assert count["all"] == count["wide"] + count["small"]
    found = wires(some)
    assert ("augment", "wide \u00d72", join.id) in found
    assert ("augment", "wide \u00d72", "target") in found
    assert (join.id, f"all \u00d7{count['all']}", "encoder") in found
    assert boxes_of(some, "critic")[0].count == 2 * count["all"] - 2


def test_a_value_that_nobody_reads_is_a_wire_without_end(tmp_path: File) -> None:
    some = figure_of(tmp_path, SIMCLR, ("  s: critic", "  again: encoder(x[0])\n  s: critic"))
    (unread,) = [w for w in some.wires if not w.ends]
    assert unread.label.name == "again"


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
    tmp_path: File, text: str, changes: tuple[Change, ...], stopped: set[tuple[str, str]]
) -> None:
    some = figure_of(tmp_path, text, *changes)
    assert {(some.by_id[w.source].name, w.label.name) for w in some.wires if w.stop} == stopped
    svg = write_svg(scene_of(some))
    assert svg.count(">stop-grad<") == len(stopped)
    assert svg.count(f'stroke="{STOP}"') == 2 * len(stopped) + 2 * bool(stopped)  # and two bars in the legend


def test_the_wire_beside_a_stop_gradient_has_none(tmp_path: File) -> None:
    some = figure_of(tmp_path, BYOL, *SIMSIAM)
    (projector,) = boxes_of(some, "projector")
    out = {some.by_id[e.box].name: w.stop for w in some.wires if w.source == projector.id for e in w.ends}
    assert out == {"predictor": False, "critic": True}


def test_axes_and_sizes_are_on_the_wires(tmp_path: File) -> None:
    labels = {w.label.name: w.label for w in figure_of(tmp_path, MOCO).wires}
    assert labels["x[0]"].sizes == "b c y x = 16 3 32 32"
    assert labels["s"].sizes == "b = 16; b n = 16 48"
    assert labels["k"].axes[0][0] == ("b", "16")
    assert labels["k"].axes[0][1][1] == "8"


def test_sizes_in_which_views_differ_are_both_there(tmp_path: File) -> None:
    some = figure_of(tmp_path, BYOL, *MULTI_CROP)
    labels = {w.label.name: w.label.axes[0] for w in some.wires}
    sizes = {name: labels[name][2][1] for name in ("wide", "small", "all")}
    assert sizes["wide"] != sizes["small"]
    assert sizes["all"] == f"{sizes['wide']}/{sizes['small']}"


def test_a_value_in_two_ports_is_one_wire_with_both(tmp_path: File) -> None:
    some = figure_of(tmp_path, SIMCLR)
    assert ends(some, "z") == [("others", ("key",), False, ""), ("critic", ("query", "key"), False, "")]


def test_fields_of_the_batch_are_boxes(tmp_path: File) -> None:
    some = figure_of(tmp_path, MOCO, *BANK)
    index = next(w for w in some.wires if w.source == "batch.index")
    assert [(some.by_id[e.box].name, e.update) for e in index.ends] == [("bank", False), ("bank", True)]
    assert box(some, "index").role == "data"


def test_the_same_name_for_the_same_value_is_told_once(tmp_path: File) -> None:
    some = figure_of(tmp_path, BYOL, ("  z: target(x)", "  z: target(x)\n  k: target(x)"))
    assert wire(some, "z, k").label.title == "z, k \u00d72"


def test_slices_of_views_are_named(tmp_path: File) -> None:
    some = figure_of(
        tmp_path,
        BYOL,
        *MULTI_CROP,
        ("target(wide)", "target(all[0:2])"),
        ("  s: critic", "  w: encoder(small[1:3])\n  s: critic"),
    )
    assert {"small[1:3]", "wide"} <= {w.label.name for w in some.wires}


def test_a_join_is_made_once_for_all_that_take_it(tmp_path: File) -> None:
    some = figure_of(tmp_path, BYOL, *MULTI_CROP, ("  s: critic", "  again: projector(encoder(all))\n  s: critic"))
    (join,) = [b for b in some.boxes if b.role == "join"]
    assert join.id == "views.all"
    assert join.note == "all: views"
    assert len([w for w in some.wires if w.source == join.id]) == 1


def test_a_join_of_a_join_comes_from_it(tmp_path: File) -> None:
    more = "  both: views(wide, small)\n  other: augment(batch.image)\n  all: views(both, other.wide)"
    some = figure_of(tmp_path, BYOL, *MULTI_CROP, ("  all: views(wide, small)", more))
    into = {
        b.id: {w.label.name for w in some.wires if b.id in {e.box for e in w.ends}}
        for b in some.boxes
        if b.role == "join"
    }
    assert into == {"views.both": {"wide", "small"}, "views.all": {"both", "other.wide"}}
    assert wire(some, "other.small").ends == ()


def test_a_stop_gradient_before_a_join_stays_before_it(tmp_path: File) -> None:
    more = "  both: views(wide, small)\n  all: views(both, stopgrad(both))"
    some = figure_of(tmp_path, BYOL, *MULTI_CROP, ("  all: views(wide, small)", more))
    assert {w.label.name: w.stop for w in some.wires if "views.all" in {e.box for e in w.ends}} == {
        "both": False, "all[8:10]": True, "all[10:16]": True,
    }  # fmt: skip
    assert not wire(some, "all").stop


def test_two_encoders_share_views_and_target(tmp_path: File) -> None:
    some = figure_of(tmp_path, BYOL, *TWO_ENCODERS)
    (x,) = [w for w in some.wires if w.label.name == "x"]
    assert {some.by_id[e.box].name for e in x.ends} == {"encoder", "target", "other"}
    (z,) = [w for w in some.wires if w.label.name == "z"]
    assert [some.by_id[e.box].name for e in z.ends] == ["critic", "critic"]
    assert z.stop
    terms = {e.text for w in some.wires for e in w.ends if e.box == "loss"}
    assert terms == {"byol", "0.5 \u00d7 second"}

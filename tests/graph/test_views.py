"""Calls over views: one for each view, or one fold."""

from __future__ import annotations

from conftest import BYOL, SIMCLR, Write
from wired import calls, read


def test_a_family_is_mapped_view_by_view(write: Write) -> None:
    graph = read(write, BYOL)
    assert calls(graph, "encoder") == [{"image": "x_0"}, {"image": "x_1"}]
    assert [s.name for s in graph.values["p"].slots] == ["p_0", "p_1"]


def test_fold_is_one_call_over_all_views(write: Write) -> None:
    graph = read(write, SIMCLR)
    (call,) = [c for c in graph.calls if c.node == "encoder"]
    assert call.fold == 2
    assert calls(graph, "encoder") == [{"image": ("x_0", "x_1")}]
    assert len(call.outputs) == 2
    assert len(calls(graph, "projector")) == 2


def test_a_family_of_one_folds_to_the_call_of_its_view(write: Write) -> None:
    """A step without negatives, which a single view has."""
    one = SIMCLR.replace("critic(z, z, others(z), pairs=cross)", "critic(z, z, others(z))")
    one = one.replace("augment.simclr,", "augment.simclr, views: 1,").replace(
        "augment.simclr}", "augment.simclr, views: 1}"
    )
    graph = read(write, one)
    (call,) = [c for c in graph.calls if c.node == "encoder"]
    assert call.fold == 1
    assert calls(graph, "encoder") == [{"image": "x_0"}]
    assert len(graph.values["z"]) == 1


def test_a_family_port_takes_all_views(write: Write) -> None:
    graph = read(write, SIMCLR)
    assert calls(graph, "others") == [{"key": ("z_0", "z_1")}]
    assert [c["negatives"] for c in calls(graph, "critic")] == ["others", "others"]


def test_a_family_port_taken_view_by_view_follows_the_key(write: Write) -> None:
    graph = read(write, SIMCLR, ("others(z), pairs", "others(z, views=each), pairs"))
    assert calls(graph, "others") == [{"key": ("z_0",)}, {"key": ("z_1",)}]
    pairs = [(c["query"], c["key"], c["negatives"]) for c in calls(graph, "critic")]
    assert pairs == [("z_0", "z_1", "others_1"), ("z_1", "z_0", "others_0")]

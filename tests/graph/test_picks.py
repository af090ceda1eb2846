"""Which views go together: the same of each family, or all ordered pairs of different ones."""

from __future__ import annotations

from conftest import BYOL, Write, problems_of
from wired import calls, read


def test_cross_takes_all_ordered_pairs_of_different_views(write: Write) -> None:
    graph = read(write, BYOL)
    assert [(c["query"], c["key"]) for c in calls(graph, "critic")] == [("p_0", "z_1"), ("p_1", "z_0")]
    assert [s.name for s in graph.values["s"].slots] == ["s_01", "s_10"]


def test_zip_pairs_the_same_view(write: Write) -> None:
    graph = read(write, BYOL, (", pairs=cross", ""))
    assert [(c["query"], c["key"]) for c in calls(graph, "critic")] == [("p_0", "z_0"), ("p_1", "z_1")]


def test_multi_crop_pairs_every_view_with_the_wide_ones(write: Write) -> None:
    graph = read(
        write, BYOL,
        ("augment.byol, flip: 0, blur: 0, solarize: 0", "augment.multicrop"),
        ("x: augment(batch.image)", "wide, small: augment(batch.image)\n  all: views(wide, small)"),
        ("encoder(x)", "encoder(all)"), ("target(x)", "target(wide)"),
    )  # fmt: skip
    wide, everything = len(graph.values["wide"]), len(graph.values["all"])
    assert wide == 2
    assert everything > 2
    assert len(graph.values["s"]) == everything * wide - wide


def test_views_of_two_augmentations_are_different_views(write: Write) -> None:
    graph = read(
        write, BYOL,
        ("x: augment(batch.image)", "x: augment(batch.image)\n  y: augment(batch.image)"), ("target(x)", "target(y)"),
    )  # fmt: skip
    assert len(graph.values["s"]) == 4


def test_slices_keep_the_view(write: Write) -> None:
    graph = read(write, BYOL, ("z: target(x)", "z: target(x[0:1])"))
    assert [(c["query"], c["key"]) for c in calls(graph, "critic")] == [("p_1", "z_0")]


def test_one_view_does_not_go_with_several(write: Write) -> None:
    (found,) = problems_of(read, write, BYOL, ("critic(p, z, pairs=cross)", "critic(p[:1], z)"))
    assert "families of different length cannot be zipped: 'query' has 1, 'key' has 2" in found
    assert "one view by its number, x[0], which goes with each of the others" in found
    graph = read(write, BYOL, ("critic(p, z, pairs=cross)", "critic(p[0], z)"))
    assert [(c["query"], c["key"]) for c in calls(graph, "critic")] == [("p_0", "z_0"), ("p_0", "z_1")]


def test_views_of_three_and_two(write: Write) -> None:
    (found,) = problems_of(read, write, BYOL, ("critic(p, z, pairs=cross)", "critic(views(p[0], p[1], p[0]), z)"))
    assert "as many of each; or one view by its number" in found

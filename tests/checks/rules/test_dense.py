"""Positions of two views: their boxes, who is matched with whom, and what is held against what."""

from __future__ import annotations

import pytest
from conftest import Write
from findings import DENSE, Changes, findings, found

FOLDED = [("positions(encoder(x).layer4)", "positions(encoder(x, views=fold).layer4)")]
EACH: Changes = [
    ("z: positions(encoder(x).layer4)", "z: views(positions(encoder(x[0]).layer4), positions(encoder(x[1]).layer4))"),
    ("m: match(c, views(c[1], c[0]))", "m: match(c[0], c[1])"),
    ("p: predictor(z)", "p: predictor(z[0])"),
    ("gather(stopgrad(views(z[1], z[0])), m.share)", "gather(stopgrad(z[1]), m.share)"),
]  # one direction, each view in a call of its own


@pytest.mark.parametrize("changes", [[], FOLDED, EACH], ids=["each view", "folded", "one direction"])
def test_positions_that_belong_together_are_no_matter(write: Write, changes: Changes) -> None:
    assert findings(write, DENSE, changes) == []


# -- G214 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("boxes", "says"),
    [
        ("views(boxes[1], boxes[0])", {(1, 0), (0, 1)}),
        ("boxes[0]", {(0, 1)}),
        ("stopgrad(boxes[1])", {(1, 0)}),
    ],
)
@pytest.mark.parametrize("changes", [[], FOLDED], ids=["each view", "folded"])
def test_a_box_of_another_view_is_found(write: Write, boxes: str, says: set[tuple[int, int]], changes: Changes) -> None:
    problems = found(write, "G214", DENSE, [*changes, ("cells(z, boxes)", f"cells(z, {boxes})")])
    assert {m for _, m, _ in problems} == {
        f"'cells' is given the .boxes of view {one} of 'augment', and what is of view {two} of 'augment'"
        for one, two in says
    }


def test_a_box_of_another_call_is_found(write: Write) -> None:
    changes = [("x, boxes: augment(batch.image)", "x: augment(batch.image).views\n  boxes: augment(batch.image).boxes")]
    problems = found(write, "G214", DENSE, changes)
    assert len(problems) == 2
    assert all("view 0 of 'augment' (line 16)" in m or "view 1 of 'augment' (line 16)" in m for _, m, _ in problems)


# -- G215 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        ("stopgrad(views(z[1], z[0])), m.share", "stopgrad(z), m.share"),
        ("stopgrad(views(z[1], z[0])), m.share", "stopgrad(views(z[1], z[0])), views(m.share[1], m.share[0])"),
        ("nearest(p, m.distance)", "nearest(p, views(m.distance[1], m.distance[0]))"),
    ],
    ids=["the own map", "the other's shares", "the other's distances"],
)
def test_shares_of_other_positions_are_found(write: Write, change: tuple[str, str]) -> None:
    problems = found(write, "G215", DENSE, [change])
    assert {m.split("'")[1] for _, m, _ in problems} <= {"gather", "nearest"}
    assert len(problems) >= 2
    for _, message, hint in problems:
        one, two = (message.count(f"view {view} of 'augment'") for view in (0, 1))
        assert one == two == 1
        assert hint == "m: match(a, c) tells what each position of a takes of c: gather(c, m.share)"


# -- G216 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["c, c", "c, views(c[0], c[1])"])
def test_a_view_that_is_matched_with_itself_is_found(write: Write, given: str) -> None:
    changes = [("match(c, views(c[1], c[0]))", f"match({given})"), ("views(z[1], z[0])", "z")]
    problems = found(write, "G216", DENSE, changes)
    assert problems
    assert problems[0][1:] == ("'match' matches view 0 of 'augment' with itself", "give it one view and the other")


def test_so_it_is_of_one_direction(write: Write) -> None:
    one = [("match(c[0], c[1])", "match(c[0], c[0])"), ("stopgrad(z[1])", "stopgrad(z[0])")]
    assert [m for _, m, _ in found(write, "G216", DENSE, [*EACH, *one])] == [
        "'match' matches view 0 of 'augment' with itself"
    ]


def test_two_networks_views_of_two_crops_are_no_matter(write: Write) -> None:
    assert found(write, "G216", DENSE, [("by: box", "by: l2"), ("c, views(c[1], c[0])", "z, views(z[1], z[0])")]) == []


# -- G217 ----------------------------------------------------------------------------------------------------


OTHER_MATCH = ("  match:     {use", "  alike:     {use: context.match, by: l2}\n  match:     {use")


@pytest.mark.parametrize(
    ("changes", "who"),
    [
        (
            [("critic(p, k)", "critic(p, stopgrad(views(z[1], z[0])))")],
            "view 0 of 'augment' by number with those of view 1 of 'augment'",
        ),
        (
            [OTHER_MATCH, ("(k, m.distance)", "(k, alike(z, views(z[1], z[0])).distance)")],
            "'match' by number with those of 'alike'",
        ),
    ],
    ids=["two crops", "chosen by two distances"],
)
def test_positions_by_number_are_found(write: Write, changes: Changes, who: str) -> None:
    problems = found(write, "G217", DENSE, changes)
    assert any(who in m for _, m, _ in problems)


def test_embeddings_of_two_views_are_no_positions(write: Write) -> None:
    whole = [
        ("  cells:     {use", "  pool:      {use: context.pool}\n  cells:     {use"),
        ("critic(p, k)", "critic(pool(p), stopgrad(pool(views(z[1], z[0]))))"),
    ]
    assert findings(write, DENSE, whole) == []


# -- what is no matter ---------------------------------------------------------------------------------------

PIXELWISE: Changes = [
    ("  positions: {use", "  noise:     {use: augment.channels}\n  positions: {use"),
    ("encoder(x)", "encoder(noise(x))"),
]
FROZEN: Changes = [
    ("  positions: {use", "  teacher:   {use: encoder.resnet, depth: 10, width: 8, maps: [layer4], freeze: true}\n"
                          "  positions: {use"),
    ("critic(p, k)", "critic(p, positions(teacher(x).layer4))"),
]  # fmt: skip
CODES: Changes = [
    ("  critic:    {use", "  shares:    {use: target.sinkhorn}\n  told:      {use: objective.cross_entropy}\n  critic:    {use"),
    ("  all: objective(critic(p, k))", "  all: told(p, gather(shares(stopgrad(views(z[1], z[0]))), m.share))"),
]  # fmt: skip
STOPPED: Changes = [("nearest(k, m.distance)", "nearest(k, stopgrad(m.distance))")]


@pytest.mark.parametrize(
    "changes", [PIXELWISE, FROZEN, CODES, STOPPED], ids=["pixels stay", "a frozen teacher", "classes", "stopped"]
)
def test_what_numbers_no_positions_of_another_view_is_no_matter(write: Write, changes: Changes) -> None:
    problems = findings(write, DENSE, changes)
    assert {p.code for p in problems} <= {"G108"}, problems


def test_of_many_pairs_of_views_a_line_tells_two(write: Write) -> None:
    many = [("simclr, boxes: true}", "simclr, views: 5, boxes: true}"), ("  m: match(c, views(c[1], c[0]))\n", ""),
            ("  k: gather(stopgrad(views(z[1], z[0])), m.share)\n", ""), ("critic(p, k)", "critic(p, stopgrad(z), pairs=cross)"),
            ("  near: objective(critic(nearest(p, m.distance), nearest(k, m.distance)))\n", ""), ("  c: cells(z, boxes)\n", "")]  # fmt: skip
    assert len(found(write, "G217", DENSE, many)) == 2

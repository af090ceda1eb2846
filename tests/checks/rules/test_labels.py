"""Labels that are drawn with a view: of which view, for how many logits, and that they are no labels of the data."""

from __future__ import annotations

import pytest
from conftest import Write
from findings import CLUSTERS, COLOURS, MASKED, ROTATION, SECOND, Changes, findings, found

# -- G205 ----------------------------------------------------------------------------------------------------

NAMED = [("objective(logits, r.label)", "objective(head(encoder(v)), l)"), ("r: rotate(x)", "v, l: rotate(x)"),
         ("  logits: head(encoder(r.view))\n", "")]  # fmt: skip
FOLDED = [("head(encoder(r.view))", "head(encoder(r.view, views=fold), views=fold)")]


@pytest.mark.parametrize("changes", [[], NAMED, FOLDED], ids=["parts", "names", "folded"])
def test_a_label_of_its_view_is_no_matter(write: Write, changes: Changes) -> None:
    assert findings(write, ROTATION, changes) == []


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ([("objective(logits, r.label)", "objective(logits, rotate(x).label)")], "objective(logits, rotate(x).label)"),
        ([("encoder(r.view)", "encoder(rotate(x).view)")], "objective(logits, r.label)"),
        ([("encoder(r.view)", "encoder(x)"), ("r.label)", "r.label[0])")], "objective(logits, r.label[0])"),
        ([("(logits, r.label)", "(logits[0], r.label[1])")], "objective(logits[0], r.label[1])"),
        ([*FOLDED, ("(logits, r.label)", "(logits[1], r.label[0])")], "objective(logits[1], r.label[0])"),
    ],
    ids=["drawn twice", "drawn twice for the view", "the view as it was", "another number", "another number, folded"],
)
def test_a_label_of_another_view_is_found(write: Write, changes: Changes, place: str) -> None:
    problems = found(write, "G205", ROTATION, changes)
    assert {p for p, _, _ in problems} == {place}
    for _, message, hint in problems:
        assert message == "the logits do not see the view of 'rotate' whose label they are told"
        assert hint == "name its call once, r: rotate(...), and take r.view and r.label"


# -- G409 ----------------------------------------------------------------------------------------------------


def test_a_head_with_too_few_logits_is_told_how_many(write: Write) -> None:
    problems = found(write, "G409", ROTATION, [("out: 4", "out: 3")])
    assert {(m, h) for _, m, h in problems} == {
        ("the labels are of 4 classes, and 'head' gives 3 logits", "a head whose last layer has out: 4")
    }


@pytest.mark.parametrize(("out", "count"), [(9, 1), (10, 0)])
def test_so_are_heads_for_the_labels_of_the_data(write: Write, out: int, count: int) -> None:
    changes = [("r.label", "batch.label"), ("out: 4", f"out: {out}"), ("graph:", "allow: [G401]\ngraph:")]
    assert len({m for _, m, _ in found(write, "G409", ROTATION, changes)}) == count


def test_more_logits_than_classes_are_no_matter(write: Write) -> None:
    assert findings(write, ROTATION, [("out: 4", "out: 5")]) == []


NEIGHBOURS = [
    ("rotate:    {use: augment.rotate, views: 2}", "patches:   {use: augment.patches, size: 10, stride: 10}\n"
     "  rotate:    {use: augment.neighbours}\n  join:      {use: context.join}"),
    ("rotate(x)", "rotate(patches(x))"),
    ("head(encoder(r.view))", "head(join(encoder(r.centre), encoder(r.neighbour)))"), ("out: 4", "out: 8"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("logits", "missing"),
    [("join(encoder(r.centre), encoder(r.neighbour))", None), ("encoder(r.centre)", ".neighbour"),
     ("join(encoder(r.neighbour), encoder(r.neighbour))", ".centre")],
)  # fmt: skip
def test_where_a_patch_lies_is_told_by_both(write: Write, logits: str, missing: str | None) -> None:
    changes = [*NEIGHBOURS, ("join(encoder(r.centre), encoder(r.neighbour))", logits)]
    said = [m for _, m, _ in found(write, "G205", ROTATION, changes)]
    assert said == (
        [] if missing is None else [f"the logits are told a label of 'rotate' that nobody can tell without {missing}"]
    )


# -- G213 ----------------------------------------------------------------------------------------------------

TWO = [
    ("c: clusters(z, batch.index)", "c: clusters(z, batch.index)\n  y: encoder(augment(batch.image)[0])"),
    ("count: 8", "count: 64"),
]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("c.scores, c.code", None),
        ("c.scores, stopgrad(y)", "'objective' is told 'stopgrad', which gives no shares that sum to 1"),
        ("c.scores, y", "'objective' is told 'encoder', which gives no shares that sum to 1"),
        ("stopgrad(c.scores), c.scores", "'objective' is given its sides in the other order: what tells learns"),
    ],
)
def test_a_cross_entropy_is_told_shares_by_what_does_not_learn(write: Write, given: str, message: str | None) -> None:
    changes = [*(TWO if "y" in given else []), ("objective(c.scores, c.code)", f"objective({given})")]
    assert [m for _, m, _ in found(write, "G213", CLUSTERS, changes)] == ([] if message is None else [message])


# -- other rules ---------------------------------------------------------------------------------------------


def test_drawn_labels_are_no_labels_of_the_data(write: Write) -> None:
    assert found(write, "G401", ROTATION) == []
    changes = [("r.label", "batch.label"), ("out: 4", "out: 10")]
    assert {m for _, m, _ in found(write, "G401", ROTATION, changes)} == {"'turns' uses the labels"}


def test_a_label_that_nothing_uses_is_told(write: Write) -> None:
    changes = [("r: rotate(x)", "v, l: rotate(x)"), ("r.view", "v"), ("objective(logits, r.label)", "other(logits)"),
               ("{use: objective.classification}", "{use: objective.norm}"), ("objective:", "other:")]  # fmt: skip
    assert [m for _, m, _ in found(write, "G103", ROTATION, changes)] == ["nothing uses the value 'l'"]


# -- G218 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        [("encoder(c.l)", "encoder(c.ab)")],
        [("encoder(c.l)", "encoder(v)")],
        [("encoder(c.l)", "encoder(stopgrad(v))")],
    ],
    ids=["the colours", "the picture", "the picture, stopped"],
)  # fmt: skip
def test_an_answer_that_is_seen_is_found(write: Write, changes: Changes) -> None:
    problems = found(write, "G218", COLOURS, changes)
    assert [(m, h) for _, m, h in problems] == [
        ("what 'colour' is to tell is made of .ab of 'lab', and it is seen", "make the prediction of .l alone")
    ]


@pytest.mark.parametrize(
    "changes",
    [[], [("colours(c.ab)", "colours(lab(v).ab)")], [("colours(c.ab)", "colours(stopgrad(c.ab))")]],
    ids=["parts", "parted twice", "stopped"],
)
def test_the_other_part_is_no_matter(write: Write, changes: Changes) -> None:
    assert found(write, "G218", COLOURS, changes) == []


# -- G219 ----------------------------------------------------------------------------------------------------


def test_codes_of_another_clustering_are_found(write: Write) -> None:
    problems = found(write, "G219", CLUSTERS, [*SECOND, ("c.scores, c.code", "c.scores, o.code")])
    message = "the scores of 'clusters' are held against what 'other' says, which has other clusters"
    assert problems == [("objective(c.scores, o.code)", message, "take both of one: clusters.scores and clusters.code")]


@pytest.mark.parametrize("own", [False, True])
def test_a_group_is_held_against_scores_of_its_groups(write: Write, own: bool) -> None:
    groups = [
        ("  clusters:  {use", "  groups:    {use: target.groups, of: bank, count: 8}\n  assigned:  {use: target.assigned, of: groups}\n  clusters:  {use"),
        ("loss:\n", f"loss:\n  group: objective({'groups(z, z)' if own else 'c.scores'}, assigned(z))\n"),
        ("update:\n", "update:\n  groups: [move(z), {call: fit(), every: epoch}]\n"),
    ]  # fmt: skip
    problems = found(write, "G219", CLUSTERS, groups)
    message = "the scores of 'clusters' are held against what 'assigned' says, which has other clusters"
    hint = "take the scores of 'groups', or what 'clusters' says"
    assert problems == ([] if own else [("objective(c.scores, assigned(z))", message, hint)])


def test_a_code_learns_nothing(write: Write) -> None:
    (problem,) = found(write, "G213", CLUSTERS, [("c.scores, c.code", "c.code, c.scores")])
    assert problem[1] == "'objective' is given its sides in the other order: what tells learns"
    assert found(write, "G101", CLUSTERS, [("c.scores, c.code", "c.code, c.code")])


def test_the_index_of_a_clustering(write: Write) -> None:
    (problem,) = found(write, "G306", CLUSTERS, [("clusters(z, batch.index)", "clusters(z, batch.label)")])
    assert problem[2] == "it is clusters(z, batch.index)"


def test_each_clustering_by_itself_is_no_matter(write: Write) -> None:
    assert findings(write, CLUSTERS, SECOND) == []


def test_a_frozen_network_with_several_outputs_parts_no_picture(write: Write) -> None:
    teacher = [
        ("  positions: {use", "  teacher: {use: encoder.resnet, depth: 10, width: 8, maps: [layer4], freeze: true}\n"
                              "  alike: {use: objective.distance}\n  positions: {use"),
        ("loss:\n", "loss:\n  alike: alike(encoder(c.l).layer4, teacher(v).layer4)\n"),
    ]  # fmt: skip
    assert found(write, "G218", COLOURS, teacher) == []


def test_what_is_masked_may_be_told_of_the_whole(write: Write) -> None:
    parted = [
        ("  take:      {use", "  lab:       {use: augment.lab}\n  pixels:    {use: target.pixels, of: encoder, normalize: true}\n"
                              "  take:      {use"),
        ("dim: 8, depth: 1, heads: 2, out: tokens", "dim: 8, depth: 1, heads: 2, out: 128"),
        ("take(t.tokens, m.hidden)", "take(pixels(lab(x).ab), m.hidden)"),
    ]  # fmt: skip
    assert found(write, "G218", MASKED, parted) == []


@pytest.mark.parametrize("target", ["batch.image", "lab(batch.image).ab"])
def test_pixels_are_no_shares(write: Write, target: str) -> None:
    problems = findings(
        write, COLOURS, [("objective(logits, code, weight=rarity(code))", f"objective(logits, {target})")]
    )
    assert problems
    assert all(p.message for p in problems)

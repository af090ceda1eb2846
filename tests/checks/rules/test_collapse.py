"""G2: which losses collapse, and which positives are the same picture; each on both sides."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import BYOL, SIMCLR, Write
from findings import DINO, QUICK_MOCO, SIMSIAM, Changes, findings, found

BOTH_SIDES: Changes = [*SIMSIAM, ("stopgrad(projector(encoder(x)))", "projector(encoder(x))")]
ALIGNMENT: Changes = [
    ("  critic:    {use: critic.cosine}\n", ""),
    ("use: objective.regression", "use: objective.alignment"),
    ("  s: critic(p, z, pairs=cross)\n", ""),
    ("byol: objective(s)", "byol: objective(p, z, pairs=cross)"),
]
INFONCE = ("  objective: ", "  others: {use: negatives.in_batch}\n  infonce: {use: objective.infonce}\n  objective: ")


def plus(term: str) -> tuple[str, str]:
    return ("update:", f"  more: {term}\nupdate:")


# -- G201 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        (BOTH_SIDES, "critic(p, z, pairs=cross)"),
        ([*BOTH_SIDES, *ALIGNMENT], "objective(p, z, pairs=cross)"),
        ([*BOTH_SIDES, ("byol: objective(s)", "byol: 2 * objective(s)\n  half: {value: objective(s), weight: {from: 0, to: 1}}")], "critic(p, z, pairs=cross)"),
        ([INFONCE, ("z: target(x)", "z: target(x)\n  o: projector(encoder(x))"), ("critic(p, z,", "critic(p, o,"), plus("stopgrad(infonce(critic(p, z, others(z), pairs=cross)))"),
          ("graph: byol", "allow: [G101]\ngraph: byol")], "critic(p, o, pairs=cross)"),
    ],
    ids=["regression", "alignment", "two terms", "negatives that train nothing"],
)  # fmt: skip
def test_attraction_with_a_gradient_on_both_sides_is_found(write: Write, changes: Changes, place: str) -> None:
    found_here = found(write, "G201", BYOL, changes)
    assert {p for p, _, _ in found_here} == {place}
    assert all("only attracts, and both sides of it learn" in m for _, m, _ in found_here)


@pytest.mark.parametrize(
    "changes",
    [
        [],
        SIMSIAM,
        [*SIMSIAM, *ALIGNMENT],
        [*ALIGNMENT],
        [INFONCE, ("z: target(x)", "z: target(x)\n  o: projector(encoder(x))"), ("critic(p, z,", "critic(p, o,"), plus("infonce(critic(p, z, others(z), pairs=cross))")],
        [("byol: objective(s)", "align: objective(critic(p, p, pairs=cross))\n  run: -objective(s)")],
        [("byol: objective(s)", "align: objective(critic(p, p, pairs=cross))\n  run: {value: objective(s), weight: {from: 0, to: -1}}")],
    ],
    ids=["byol", "simsiam", "simsiam by alignment", "byol by alignment", "and negatives", "raft", "raft scheduled"],
)  # fmt: skip
def test_an_asymmetry_or_a_push_keeps_from_collapse(write: Write, changes: Changes) -> None:
    assert found(write, "G201", BYOL, changes) == []


def test_uniformity_is_a_push(write: Write) -> None:
    """Wang and Isola 2020: both sides learn, and a second term spreads the embeddings."""
    attraction = [
        ("  others:    {use: negatives.in_batch}\n  critic:    {use: critic.cosine, temperature: 0.2}\n", "  spread: {use: objective.uniformity}\n"),
        ("use: objective.infonce", "use: objective.alignment"),
        ("  s: critic(z, z, others(z), pairs=cross)\n", ""),
        ("ntxent: objective(s)", "align: objective(z[0], z[1])"),
    ]  # fmt: skip
    assert [p.code for p in findings(write, SIMCLR, attraction) if p.severity == "error"] == ["G201"]
    both = [*attraction, ("objective(z[0], z[1])", "objective(z[0], z[1])\n  uniform: spread(z)")]
    assert findings(write, SIMCLR, both) == []


WHITE: Changes = [
    *BOTH_SIDES,
    ("  critic: ", "  white:     {use: head.whiten, shrinkage: 0.1}\n  critic: "),
    ("s: critic(p, z, pairs=cross)", "s: critic(white(p), white(z), pairs=cross)"),
]


def test_embeddings_that_are_white_do_not_collapse(write: Write) -> None:
    """Ermolov et al. 2021: both sides learn, by one loss that only attracts."""
    assert findings(write, BYOL, WHITE) == []


@pytest.mark.parametrize("line", ["critic(white(p), z, pairs=cross)", "critic(p, predictor(white(z)), pairs=cross)"])
def test_only_what_is_white_at_last_on_both_sides_is_spread(write: Write, line: str) -> None:
    changes = [*WHITE[:-1], ("s: critic(p, z, pairs=cross)", f"s: {line}")]
    assert found(write, "G201", BYOL, changes)


# -- G202 ----------------------------------------------------------------------------------------------------

WITHOUT: Changes = [
    ("p: predictor(projector(encoder(x)))", "p: projector(encoder(x))"),
    ("  predictor: {use: head.mlp, hidden: 16, out: 8}\n", ""),
]


@pytest.mark.parametrize(
    "changes",
    [
        WITHOUT,
        [*SIMSIAM, *WITHOUT],
        [*WITHOUT, *ALIGNMENT],
        [*WITHOUT, ("critic(p, z,", "critic(z, p,")],
        [("of: [encoder, projector]", "of: [encoder, projector, predictor]")],
    ],
    ids=["byol", "simsiam", "alignment", "sides swapped", "the target has it too"],
)
def test_attraction_without_a_predictor_is_found(write: Write, changes: Changes) -> None:
    ((_, message, _),) = found(write, "G202", BYOL, changes)
    assert message == "'byol' only attracts, and no predictor tells its sides apart: this collapses"


@pytest.mark.parametrize(
    "changes",
    [
        [],
        SIMSIAM,
        [("critic(p, z,", "critic(z, p,")],
        [("p: predictor(projector(encoder(x)))", "p: predictor(encoder(x))"), ("of: [encoder, projector]", "of: [encoder]"), ("  projector: {use: head.mlp, hidden: 16, out: 8}\n", ""), ("predictor: {use: head.mlp, hidden: 16, out: 8}", "predictor: {use: head.mlp, hidden: 16, out: 64}")],
        [*WITHOUT, INFONCE, ("byol: objective(s)", "byol: objective(s)\n  contrast: infonce(critic(p, z, others(z), pairs=cross))")],
    ],
    ids=["byol", "simsiam", "sides swapped", "no projector", "negatives"],
)  # fmt: skip
def test_a_predictor_or_negatives_are_enough(write: Write, changes: Changes) -> None:
    assert found(write, "G202", BYOL, changes) == []


# -- G203 ----------------------------------------------------------------------------------------------------

SECOND = (
    "  projector: ",
    "  other: {use: encoder.resnet, depth: 10, width: 8}\n  head: {use: head.mlp, hidden: 16, out: 8, norm: none}\n  projector: ",
)
TWO_ENCODERS: Changes = [
    SECOND,
    ("k: target(x[1])", "k: target(x[1])\n  o: head(other(x[0]))"),
    ("critic(q, k,", "critic(q, o,"),
]


FROZEN: Changes = [
    (
        a,
        b.replace("depth: 10, width: 8}", "depth: 10, width: 8, freeze: true}").replace(
            "head.mlp, hidden", "head.mlp, freeze: true, hidden"
        ),
    )
    for a, b in TWO_ENCODERS
]
RELATION: Changes = [
    ("{use: objective.infonce}", "{use: objective.soft_cross_entropy}"),
    ("s: critic(q, k, queue())", "s: critic(q, k, queue())\n  t: critic(k, k, queue())"),
    ("objective(s)", "objective(s, t)"),
]


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (QUICK_MOCO, [("target(x[1])", "target(x[0])")]),
        (QUICK_MOCO, [("s: critic(q, k, queue())", "s: critic(q, q, queue())")]),
        (SIMCLR, [("critic(z, z, others(z), pairs=cross)", "critic(z, z, others(z))")]),
        (BYOL, [("critic(p, z, pairs=cross)", "critic(p, z)")]),
        (BYOL, [*ALIGNMENT, ("objective(p, z, pairs=cross)", "objective(p, z)")]),
    ],
    ids=["target", "itself", "folded", "zip", "alignment"],
)
def test_a_positive_of_the_same_view_is_found_once(write: Write, text: str, changes: Changes) -> None:
    ((_, message, hint),) = found(write, "G203", text, changes)
    assert message == "the query and the key are made from the same view"
    assert "pairs=cross" in hint


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (SIMCLR, [("critic(z, z, others(z), pairs=cross)", "critic(z[0], z[1], others(z))")]),
        (QUICK_MOCO, TWO_ENCODERS),
        (BYOL, [("byol: objective(s)", "align: objective(s)\n  run: -objective(critic(p, z))")]),
        (QUICK_MOCO, RELATION),
        (QUICK_MOCO, FROZEN),
    ],
    ids=[
        "views of a fold",
        "two encoders of one view",
        "a pair that is pushed apart",
        "a target's relation to itself",
        "a frozen teacher",
    ],
)
def test_other_pairs_are_a_task(write: Write, text: str, changes: Changes) -> None:
    assert found(write, "G203", text, changes) == []


MAPS = '''
from typing import Annotated, NamedTuple
from torch import Tensor, nn
from graphssl.component import NodeConfig, component
from graphssl.ports import Negatives, Scores

class Parts(NamedTuple):
    whole: Annotated[Tensor, "b d"]
    map: Annotated[Tensor, "b d r k"]

@component("encoder.parts_for_g203")
class Encoder(nn.Module):
    """A map and its mean."""
    class Config(NodeConfig): pass
    def __init__(self, config, sizes):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 8, 8)
    def forward(self, image: Annotated[Tensor, "b 3 h w"]) -> Parts:
        x = self.conv(image)
        return Parts(x.mean((2, 3)), x)

@component("critic.local_for_g203")
class Critic(nn.Module):
    """A vector with each position of a map."""
    class Config(NodeConfig): pass
    def __init__(self, config, sizes):
        super().__init__()
    def forward(self, query: Annotated[Tensor, "b d"], key: Annotated[Tensor, "b d r k"], negatives: Annotated[Negatives, "n d"]) -> Annotated[Scores, "b", "b n"]:
        return Scores((query[:, :, None, None] * key).mean((1, 2, 3)), query @ negatives.entries.T, negatives.mask)
'''
LOCAL = """\
graph: local
components: [./maps.py]
data: {use: digits, batch: 16}
nodes:
  augment: {use: augment.simclr, flip: 0, blur: 0}
  encoder: {use: encoder.parts_for_g203}
  others: {use: negatives.in_batch}
  critic: {use: critic.local_for_g203}
  objective: {use: objective.infonce}
flow:
  x: augment(batch.image)
  h: encoder(x[0])
  s: critic(h.whole, h.map, others(h.whole))
loss:
  local: objective(s)
train: {epochs: 1}
evaluate: {knn: null}
"""


def test_the_whole_and_its_positions_are_a_task(write: Write, tmp_path: Path) -> None:
    """Deep InfoMax: a map and the vector of the same picture."""
    (tmp_path / "maps.py").write_text(MAPS)
    assert findings(write, LOCAL) == []


def test_embeddings_that_are_white_need_no_predictor(write: Write) -> None:
    without = [*SIMSIAM, *WITHOUT, *WHITE[-2:]]
    assert not found(write, "G202", BYOL, without)
    assert found(write, "G202", BYOL, [*SIMSIAM, *WITHOUT])


def test_a_penalty_does_not_push_samples_apart(write: Write) -> None:
    """A length or a prior beside an attracting loss changes nothing of its collapse."""
    text = BYOL.replace(
        "  objective: {use: objective.regression}",
        "  objective: {use: objective.regression}\n  size: {use: objective.norm}",
    )
    changes = [
        *SIMSIAM,
        ("stopgrad(projector(encoder(x)))", "projector(encoder(x))"),
        ("  byol: objective(s)", "  byol: objective(s)\n  l2: 0.001 * size(z)"),
    ]
    assert found(write, "G201", text, changes)
    assert not found(write, "G201", text, [("  byol: objective(s)", "  byol: objective(s)\n  l2: 0.001 * size(p)")])


def test_running_away_needs_scores_with_a_lower_end(write: Write) -> None:
    """RAFT's minus turns the question round: minus a distance has no lower end, a cosine has."""
    changes = [
        ("s: critic(p, z, pairs=cross)", "s: critic(p[0], p[1])\n  t: critic(p, z)"),
        ("  byol: objective(s)", "  byol: objective(s)\n  away: -0.5 * objective(t)"),
    ]
    assert not found(write, "G204", BYOL, changes)
    ((_, message, hint),) = found(write, "G204", BYOL, [*changes, ("critic.cosine", "critic.euclidean")])
    assert "can fall without end, and 'objective' in 'away' makes them smaller" in message
    assert "bounded_below" in hint
    ((_, message, _),) = found(write, "G204", BYOL, [("critic.cosine", "critic.dot")])
    assert "can grow without end, and 'objective' in 'byol' makes them larger" in message


VARIANCE: Changes = [
    ("  critic:    {use: critic.cosine}\n", ""),
    ("  s: critic(p, z, pairs=cross)\n", "  o: projector(encoder(x))\n"),
    ("byol: objective(s)", "vicreg: objective(o[0], o[1])"),
]  # VICReg: both sides learn, and variances keep the embeddings apart


@pytest.mark.parametrize(("options", "count"), [("", 0), (", covariance: 0", 0), (", variance: 0", 1)])
def test_a_loss_that_leaves_its_variances_out_only_attracts(write: Write, options: str, count: int) -> None:
    changes = [*VARIANCE, ("objective.regression", "objective.variance_covariance" + options)]
    assert len(found(write, "G201", BYOL.replace("graph:", "allow: [G102, G103, G104]\ngraph:"), changes)) == count


# -- G203 of shares ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ([], 0),
        ([("centre(t), pairs=cross", "centre(t)")], 1),
        ([("objective(s, centre(t), pairs=cross)", "objective(s[0], centre(t)[1])")], 0),
        ([("of: [encoder]", "of: [other]"), ("  teacher:   {use", "  other: {use: encoder.resnet, depth: 10, width: 8}\n  teacher:   {use"),
          ("centre(t), pairs=cross", "centre(t)"), ("loss:", "loss:\n  own: objective(other(x), centre(t), pairs=cross)")], 0),
    ],
    ids=["the other view", "the same view", "chosen by hand", "another network tells"],
)  # fmt: skip
def test_shares_are_told_of_another_view(write: Write, changes: Changes, count: int) -> None:
    assert len({m for _, m, _ in found(write, "G203", DINO, changes)}) == count


# -- G220 ----------------------------------------------------------------------------------------------------

RATE: Changes = [
    ("  critic:    {use: critic.cosine}\n", "  mean:      {use: context.mean}\n  norm:      {use: objective.nuclear_norm}\n"),
    ("  s: critic(p, z, pairs=cross)\n", ""),
    ("use: objective.regression", "use: objective.coding_rate"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("term", "count"),
    [("objective(p)", 1), ("norm(p[0])", 1), ("norm(mean(p))", 0), ("0.5 * norm(p[0])\n  rate: objective(p)", 1)],
)
def test_a_spread_alone_compares_nothing(write: Write, term: str, count: int) -> None:
    problems = found(write, "G220", BYOL, [*RATE, ("byol: objective(s)", f"byol: {term}")])
    assert [m for _, m, _ in problems] == count * [
        "no term says what is to be alike: each is about embeddings of one view"
    ]


@pytest.mark.parametrize(("invariance", "count"), [("0", 1), ("1", 0), ("{from: 0, to: 1}", 0)])
def test_two_views_that_are_not_held_against_each_other(write: Write, invariance: str, count: int) -> None:
    moments = ("use: objective.regression", f"use: objective.variance_covariance, invariance: {invariance}")
    changes = [*RATE[:2], moments, ("byol: objective(s)", "byol: objective(p[0], p[1])")]
    assert len(found(write, "G220", BYOL, changes)) == count


def test_the_mean_of_one_view_is_that_view(write: Write) -> None:
    one = [
        ("augment.byol,", "augment.simclr, views: 1,"),
        (", solarize: 0", ""),
        ("byol: objective(s)", "byol: norm(mean(p))"),
    ]
    assert len(found(write, "G220", BYOL, [*RATE, *one])) == 1


POSITIONS: Changes = [
    ("augment.byol, flip: 0,", "augment.byol, boxes: true, flip: 0,"),
    ("depth: 10, width: 8}", "depth: 10, width: 8, maps: [layer4]}\n  positions: {use: context.positions}\n  cells: {use: context.cells}\n"
     "  match: {use: context.match, by: box}\n  gather: {use: context.gather}\n  slow: {use: target.ema, of: [projector]}"),
    ("of: [encoder, projector]", "of: [encoder]"),
    ("x: augment(batch.image)", "x, boxes: augment(batch.image)"),
    ("predictor(projector(encoder(x)))", "predictor(projector(positions(encoder(x).layer4)))\n  c: cells(p, boxes)\n  m: match(c, views(c[1], c[0]))"),
    ("z: target(x)", "z: slow(positions(target(x).layer4))"),
    ("critic(p, z, pairs=cross)", "critic(p, gather(views(z[1], z[0]), m.share))"),
    ("  target: follow()", "  target: follow()\n  slow: follow()"),
]  # fmt: skip


def test_where_a_prediction_stands_says_nothing_of_what_it_is_told(write: Write) -> None:
    assert findings(write, BYOL, POSITIONS) == []
    without = [*POSITIONS, ("predictor(projector(positions", "projector((positions".replace("((", "(")), (".layer4)))\n  c", ".layer4))\n  c"),
               ("  predictor: {use: head.mlp, hidden: 16, out: 8}\n", "")]  # fmt: skip
    assert len(found(write, "G202", BYOL, without)) == 1

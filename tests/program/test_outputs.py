"""What a step gives: terms and their sum, what its updates take, and the pairs that are watched."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR, Write
from helpers import arguments, lines, program
from torch import nn

from graphssl.train.collapse import CollapseWatch
from graphssl.train.monitor import measure

BANK: tuple[tuple[str, str], ...] = (
    ("queue:     {use: negatives.queue, size: 48}", "bank:      {use: negatives.memory_bank, sample: 64}"),
    ("queue()", "bank(batch.index)"),
    ("queue: push(k)", "bank: store(batch.index, k)"),
)


def test_updates_take_what_was_carried(write: Write) -> None:
    p = program(write, MOCO, *BANK)
    assert "def update(self, index, k):" in lines(p)
    assert "store = bank.store(index, k)" in lines(p)
    assert set(p.inputs) == {"image", "index"}
    assert p.batched == (True, True)


def test_a_value_that_two_updates_take_is_carried_once(write: Write) -> None:
    p = program(
        write, MOCO, ("  critic:", "  second:    {use: negatives.queue, size: 32}\n  critic:"),
        ("  s: critic", "  s2: critic(q, k, second())\n  s: critic"), ("objective(s)", "objective(s)\n  two: objective(s2)"),
        ("queue: push(k)", "queue: push(k)\n  second: push(k)"),
    )  # fmt: skip
    out = p.forward(*arguments(p))
    assert len(out["carried"]) == 1
    p.commit(*out["carried"])
    assert torch.equal(p.node("queue").keys[:16], p.node("second").keys[:16])


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("a: objective(s)", lambda a, w: a),
        ("a: 3 * objective(s)", lambda a, w: 3 * a),
        ("a: -objective(s)", lambda a, w: -a),
        ("a: {value: 2 * objective(s), weight: 0.25}", lambda a, w: 0.5 * a),
        ("a: {value: objective(s), weight: {from: 0, to: 4, shape: linear}}", lambda a, w: w * a),
        ("a: {value: -2 * objective(s), weight: {from: 0, to: 4, shape: linear}}", lambda a, w: -2 * w * a),
        ("a: objective(s)\n  b: -0.5 * objective(s)\n  c: 2 * objective(s)", lambda a, w: 2.5 * a),
    ],
)
def test_terms_are_weighted_and_summed(write: Write, loss: str, expected: Any) -> None:
    p = program(write, SIMCLR, ("ntxent: objective(s)", loss))
    for step in (0, 5, 10):
        p.set_schedules(step, 10, 5)
        out = p.forward(*arguments(p))
        torch.testing.assert_close(out["loss"].detach(), expected(out["terms"]["a"], 4 * step / 10))
        assert all(t.ndim == 0 for t in (out["loss"], *out["terms"].values()))


def test_a_term_is_the_mean_over_its_family_and_of_one_view_that_view(write: Write) -> None:
    p = program(
        write, SIMCLR, ("ntxent: objective(s)", "all: objective(s)\n  first: objective(s[0])\n  last: objective(s[1])")
    )
    terms = p.forward(*arguments(p))["terms"]
    torch.testing.assert_close(terms["all"], (terms["first"] + terms["last"]) / 2)
    assert not torch.equal(terms["first"], terms["last"])


def test_what_is_watched_is_the_critic_s_first_pair(write: Write) -> None:
    p = program(write, BYOL)
    given = arguments(p)
    watch = p.forward(*given)["watch"]
    m = program(write, BYOL).forward
    x = m.augment(given[0], draws=given[1])
    assert list(watch) == ["s"]
    torch.testing.assert_close(watch["s"][0], m.predictor(m.projector(m.encoder(x[0]))).detach())
    torch.testing.assert_close(watch["s"][1], m.target(x[1]))


def test_carried_values_hold_no_graph(write: Write) -> None:
    out = (p := program(write, MOCO)).forward(*arguments(p))
    assert out["loss"].requires_grad
    assert not any(t.requires_grad for t in out["carried"])
    assert not any(t.requires_grad for t in out["terms"].values())
    assert not any(t.requires_grad for pair in out["watch"].values() for t in pair)


def test_term_weights_and_their_sum(write: Write) -> None:
    p = program(write, SIMCLR, ("ntxent: objective(s)", "a: 2 * objective(s)\n  b: {value: objective(s), weight: {from: 0.5, to: 1.5, shape: linear}}"))  # fmt: skip
    p.set_schedules(5, 10, 5)
    out = p.forward(*arguments(p))
    torch.testing.assert_close(out["loss"].detach(), 2 * out["terms"]["a"] + 1.0 * out["terms"]["b"])


VICREG = """\
graph: vicreg
data: {use: digits, batch: 6}
nodes:
  augment:   {use: augment.simclr, flip: 0, blur: 0}
  encoder:   {use: encoder.resnet, depth: 10, width: 8}
  projector: {use: head.mlp, hidden: 16, out: 8}
  objective: {use: objective.variance_covariance}
flow:
  x: augment(batch.image)
  z: projector(encoder(x))
loss:
  vicreg: objective(z[0], z[1])
evaluate: {features: encoder}
"""


def watched(write: Write, text: str, *changes: tuple[str, str]) -> dict[str, tuple[str, ...]]:
    """The names of the values in a pair, by line."""
    out = next(n for n in program(write, text, *changes).forward.graph.nodes if n.op == "output")
    return {line: tuple(v.name.removesuffix("_detached") for v in pair) for line, pair in out.args[0]["watch"].items()}


def test_what_an_objective_takes_itself_is_watched(write: Write) -> None:
    assert watched(write, VICREG) == {"vicreg": ("z_0", "z_1")}
    p = program(write, VICREG)
    watch = p.forward(*arguments(p, 6))["watch"]["vicreg"]
    assert [tuple(v.shape) for v in watch] == [(6, 8), (6, 8)]
    assert not any(v.requires_grad for v in watch)


def test_of_a_family_of_terms_the_first_pair_is_watched(write: Write) -> None:
    changes = [
        ("objective.variance_covariance", "objective.cross_correlation"),
        ("objective(z[0], z[1])", "objective(z, z, pairs=cross)"),
    ]
    assert watched(write, VICREG, *changes) == {"vicreg": ("z_0", "z_1")}


def test_a_pair_of_two_objectives_is_watched_once(write: Write) -> None:
    two = ("vicreg: objective(z[0], z[1])", "vicreg: objective(z[0], z[1])\n  align: 0.1 * objective(z[0], z[1])")
    assert watched(write, VICREG, two) == {"vicreg": ("z_0", "z_1")}
    other = ("vicreg: objective(z[0], z[1])", "vicreg: objective(z[0], z[1])\n  align: 0.1 * objective(z[1], z[0])")
    assert watched(write, VICREG, other) == {"vicreg": ("z_0", "z_1"), "align": ("z_1", "z_0")}


def test_what_a_critic_scores_is_not_watched_again(write: Write) -> None:
    proximal = [
        ("  objective: {use: objective.infonce}", "  objective: {use: objective.infonce}\n  near: {use: objective.alignment}"),
        ("infonce: objective(s)", "infonce: objective(s)\n  proximal: 0.1 * near(q, k)"),
    ]  # fmt: skip
    assert watched(write, MOCO, *proximal) == {"s": ("q", "k")}


def test_one_view_alone_is_nothing_to_compare(write: Write) -> None:
    assert (
        watched(
            write,
            VICREG,
            ("objective.variance_covariance", "objective.uniformity"),
            ("objective(z[0], z[1])", "objective(z)"),
        )
        == {}
    )


def test_a_collapse_of_what_an_objective_takes_is_told(write: Write) -> None:
    p = program(write, VICREG)
    sound = measure(*p.forward(*arguments(p, 6))["watch"]["vicreg"])
    with torch.no_grad():
        last = [m for m in p.node("projector").modules() if isinstance(m, nn.Linear)][-1]
        last.weight.zero_()
        last.bias.fill_(1)
    assert CollapseWatch().look("vicreg", sound) == []
    (text,) = CollapseWatch().look("vicreg", measure(*p.forward(*arguments(p, 6))["watch"]["vicreg"]))
    assert "'vicreg' look collapsed" in text

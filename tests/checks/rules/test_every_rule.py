"""The list of rules: each is broken once, turned off by `allow:`, and explained; sound graphs break none."""

from __future__ import annotations

import re
from pathlib import Path

import nets
import pytest
from conftest import BYOL, MOCO, SIMCLR, Write, problems_of
from findings import (
    BANK,
    CLUSTERS,
    COLOURS,
    DENSE,
    DINO,
    MASKED,
    OTHER,
    QUICK_MOCO,
    ROTATION,
    SECOND,
    SIMSIAM,
    Changes,
    findings,
    marked,
)

from graphssl.api import check
from graphssl.checks.rules.all import RULES, Facts, explain, rule
from graphssl.errors import Problems

BROKEN: dict[str, tuple[str, Changes]] = {
    "G101": (QUICK_MOCO, [("q: projector(encoder(x[0]))", "q: stopgrad(projector(encoder(x[0])))")]),
    "G102": (BYOL, [("p: predictor(projector(encoder(x)))", "p: predictor(stopgrad(projector(encoder(x))))")]),
    "G103": (QUICK_MOCO, [("  k: target", "  w: stopgrad(q)\n  k: target")]),
    "G104": (QUICK_MOCO, [("  queue:     {use", "  spare: {use: critic.cosine}\n  queue:     {use")]),
    "G106": (SIMCLR, [("ntxent: objective(s)", "ntxent: -objective(s)")]),
    "G107": (SIMCLR, [("{use: encoder.resnet, depth: 10, width: 8}", f"{{use: encoder.module, path: {nets.__file__}:Detached}}")]),
    "G108": (QUICK_MOCO, [("  encoder:   {use: encoder.resnet, depth: 10, width: 8", "  teacher:   {use: encoder.resnet, depth: 10, width: 8, freeze: true}\n  alike:     {use: objective.distance}\n  encoder:   {use: encoder.resnet, depth: 10, width: 8"), ("loss:\n", "loss:\n  alike: alike(encoder(x[0]), teacher(x[0]))\n")]),
    "G201": (BYOL, [*SIMSIAM, ("stopgrad(projector(encoder(x)))", "projector(encoder(x))")]),
    "G202": (BYOL, [("p: predictor(projector(encoder(x)))", "p: projector(encoder(x))"), ("  predictor: {use: head.mlp, hidden: 16, out: 8}\n", "")]),
    "G203": (QUICK_MOCO, [("target(x[1])", "target(x[0])")]),
    "G204": (BYOL, [("critic.cosine}", "critic.dot}")]),
    "G205": (ROTATION, [("objective(logits, r.label)", "objective(logits, rotate(x).label)")]),
    "G206": (MASKED, [("t: target(x)", "t: target(x, m.kept)"), ("take(t.tokens, m.hidden)", "t.tokens")]),
    "G207": (MASKED, [("h: encoder(x, m.kept)", "h: encoder(x)"), ("decoder(h.tokens, m.kept, m.hidden)", "head(take(h.tokens, m.hidden))"), ("  decoder:   {use: head.decoder, of: encoder, dim: 8, depth: 1, heads: 2, out: tokens}", "  head: {use: head.mlp, hidden: 8, out: 12}")]),
    "G208": (MASKED, [("decoder(h.tokens, m.kept, m.hidden)", "head(h.tokens)"), ("  decoder:   {use: head.decoder, of: encoder, dim: 8, depth: 1, heads: 2, out: tokens}", "  head: {use: head.mlp, hidden: 8, out: 12}")]),
    "G209": (MASKED, [("decoder(h.tokens, m.kept, m.hidden)", "decoder(h.tokens, m.hidden, m.hidden)")]),
    "G210": (MASKED, [("mask.random, of: encoder, ratio: 0.5", "mask.block, of: encoder, ratio: 0.5")]),
    "G211": (MASKED, [("t: target(x)", "t: target(augment(batch.image)[0])")]),
    "G212": (MASKED, [*OTHER, ("mask.random, of: encoder", "mask.random, of: other")]),
    "G213": (CLUSTERS, [("objective(c.scores, c.code)", "objective(c.scores, stopgrad(z))"), ("count: 8", "count: 64")]),
    "G214": (DENSE, [("cells(z, boxes)", "cells(z, boxes[0])")]),
    "G215": (DENSE, [("stopgrad(views(z[1], z[0])), m", "stopgrad(z), m")]),
    "G216": (DENSE, [("match(c, views(c[1], c[0]))", "match(c, c)"), ("views(z[1], z[0])", "z")]),
    "G217": (DENSE, [("critic(p, k)", "critic(p, stopgrad(views(z[1], z[0])))")]),
    "G218": (COLOURS, [("encoder(c.l)", "encoder(c.ab)")]),
    "G219": (CLUSTERS, [*SECOND, ("c.scores, c.code", "c.scores, o.code")]),
    "G220": (BYOL, [*SIMSIAM, ("objective.regression", "objective.coding_rate"), ("  s: critic(p, z, pairs=cross)\n", ""), ("byol: objective(s)", "byol: objective(p)")]),
    "G221": (MASKED, [("encoder(x, m.kept)", "encoder(x, mask=m.mask)"), ("decoder(h.tokens, m.kept, m.hidden)", "head(h.tokens)"), ("take(t.tokens, m.hidden)", "t.tokens"), ("\n  take:      {use: context.take}", ""), ("  decoder:   {use: head.decoder, of: encoder, dim: 8, depth: 1, heads: 2, out: tokens}", "  head: {use: head.mlp, hidden: 8, out: 12}")]),
    "G301": (QUICK_MOCO, [("queue: push(k)", "queue: push(q)")]),
    "G302": (QUICK_MOCO, [("size: 48", "size: 50")]),
    "G303": (QUICK_MOCO, [("temperature: 0.2", "temperature: 5.0")]),
    "G304": (SIMCLR, [("batch: 16", "batch: 1"), ("out: 8}", "out: 8, norm: none}")]),
    "G305": (MOCO, [(", norm: {use: split_batch, splits: 4}", "")]),
    "G306": (QUICK_MOCO, [*BANK, ("store(batch.index", "store(batch.label")]),
    "G307": (QUICK_MOCO, [("objective.infonce}", "objective.margin}")]),
    "G308": (QUICK_MOCO, [*BANK, ("sample: 8", "sample: 8, weights: weights.txt"), ("objective.infonce", "objective.nce_fixed")]),
    "G309": (DINO, [("centre: observe(t)", "centre: observe(s)")]),
    "G310": (QUICK_MOCO, [*BANK, ("s: critic(q, k, bank(batch.index))", "s: critic(q, k, bank(batch.index))\n  r: critic(k, k, bank(batch.index))"), ("objective.infonce", "objective.soft_cross_entropy"), ("objective(s)", "objective(s, r)")]),
    "G401": (QUICK_MOCO, [*BANK, ("bank(batch.index)", "bank(batch.label)")]),
    "G402": (SIMCLR, [("batch: 16", "batch: 2048")]),
    "G403": (SIMCLR, [("lr: 0.05}}", "lr: 0.05}, schedule: {warmup: 5}}")]),
    "G404": (QUICK_MOCO, [("momentum: 0.99", "momentum: 0.01")]),
    "G405": (QUICK_MOCO, [("epochs: 2", "epochs: 2, steps: 100")]),
    "G406": (MOCO, [("batch: 16", "batch: 16, last: keep"), ("splits: 4", "splits: 8")]),
    "G407": (QUICK_MOCO, [("lr: 0.05}", "lr: 0.05}, nodes: {critic: {lr: 2.0}}")]),
    "G408": (QUICK_MOCO, [("size: 48}", "size: 48, recompute: true}")]),
    "G409": (ROTATION, [("out: 4", "out: 3")]),
    "G410": (CLUSTERS, [("epochs: 2", "epochs: 1")]),
    "G411": (CLUSTERS, [("{call: fit(), every: epoch}", "fit()")]),
}  # fmt: skip


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of one of the broken graphs, in the current folder."""
    (tmp_path / "weights.txt").write_text("1\n" * 1499 + "2\n")
    monkeypatch.chdir(tmp_path)


SOURCE = re.compile(r"arXiv:|(19|20)\d\d")
# Of what a graph is, and not of what papers found.
NO_SOURCE = {"G101", "G103", "G104", "G107", "G402", "G405", "G409"}


def test_the_table_has_every_rule_in_order() -> None:
    assert list(BROKEN) == list(RULES) == sorted(RULES)


@pytest.mark.parametrize("code", BROKEN)
def test_a_broken_rule_is_found_with_its_place(write: Write, code: str) -> None:
    problems = [p for p in findings(write, *BROKEN[code]) if p.code == code]
    assert problems
    for problem in problems:
        assert problem.severity == RULES[code].severity
        assert problem.span is not None
        assert f"{problem.span.file}:{problem.span.line}:" in problem.render()
        assert f"[{code}]" in problem.render()


@pytest.mark.parametrize("code", BROKEN)
def test_allow_turns_a_rule_off(write: Write, code: str) -> None:
    text, changes = BROKEN[code]
    problems = findings(write, text, [*changes, ("graph: ", f"allow: [{code}]\ngraph: ")])
    assert code not in {p.code for p in problems}


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (BYOL, []),
        (SIMCLR, []),
        (SIMCLR, [("views=fold", "views=each")]),
        (MOCO, []),
        (BYOL, SIMSIAM),
        (QUICK_MOCO, BANK),
    ],
    ids=["byol", "simclr", "simclr-each", "moco", "simsiam", "bank"],
)
def test_sound_graphs_pass_without_a_warning(write: Write, text: str, changes: Changes) -> None:
    assert findings(write, text, changes) == []


def test_errors_come_with_the_warnings_in_file_order(write: Write) -> None:
    problems = findings(
        write, QUICK_MOCO, [("size: 48", "size: 50"), ("target(x[1])", "target(x[0])"), ("batch: 16", "batch: 2048")]
    )
    assert [(p.code, p.severity) for p in problems] == [("G402", "error"), ("G302", "warning"), ("G203", "warning")]


def test_warnings_come_in_file_order_each_once(write: Write) -> None:
    changes = [("momentum: 0.99", "momentum: 0.1"), ("k: target(x[1])", "k: target(x)"), ("critic(q, k, ", "critic(q, k[1], "),
               ("push(k)", "push(q)"), ("size: 48", "size: 50")]  # fmt: skip
    warnings = check(write(QUICK_MOCO, *changes)).warnings
    assert [w.code for w in warnings] == ["G404", "G302", "G301"]


# -- what no allow turns off ---------------------------------------------------------------------------------


def test_codes_must_exist(write: Write) -> None:
    (problem,) = findings(write, QUICK_MOCO, [("graph: moco", "allow: [G20, G101]\ngraph: moco")])
    assert (marked(problem), problem.code) == ("G20", None)
    assert "no rule has the code 'G20'" in problem.message


def test_names_that_are_trained_or_evaluated_must_exist_and_are_told_with_all_else(write: Write) -> None:
    changes = [("size: 48", "size: -1"), ("features: encoder", "features: encodr"),
               ("lr: 0.05}", "lr: 0.05}, nodes: {projektor: {lr: 2.0}, encoder: {lr: 2.0}}")]  # fmt: skip
    size, rate, features = problems_of(check, write(QUICK_MOCO, *changes))
    assert "-1" in size
    assert "no node is called 'projektor'" in rate
    assert "did you mean 'projector'?" in rate
    assert "no node and no value is called 'encodr'" in features
    assert "did you mean 'encoder'?" in features


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("projector", "'projector' takes no whole images"),
        ("queue", "'queue' takes no whole images"),
        ("s", "'s' is no vector"),
    ],
)
def test_features_come_from_images(write: Write, name: str, reason: str) -> None:
    (problem,) = findings(write, QUICK_MOCO, [("features: encoder", f"features: {name}")])
    assert marked(problem) == name
    assert problem.message.startswith(reason)


@pytest.mark.parametrize("features", ["target", "target.encoder"])
def test_features_of_a_node_that_is_never_called(write: Write, features: str) -> None:
    changes = [("z: target(x)", "z: stopgrad(projector(encoder(x)))"), ("features: encoder", f"features: {features}")]
    messages = {p.message for p in findings(write, BYOL, changes)}
    assert messages <= {
        "'target' is never called, and so nothing says what it takes",
        "'target' is never called (it is written, but never read)",
    }


@pytest.mark.parametrize("name", ["encoder", "q", "k"])
def test_features_are_those_of_an_encoder_or_of_a_value(write: Write, name: str) -> None:
    assert findings(write, QUICK_MOCO, [("features: encoder", f"features: {name}")]) == []


@pytest.mark.parametrize(
    ("allowed", "changes"),
    [
        ("G101, G102", [("byol: objective(s)", "byol: stopgrad(objective(s))")]),
        ("G101", [("byol: objective(s)", "byol: stopgrad(objective(s))")]),
        ("G101, G202", [("z: target(x)", "z: target(x)\n  o: stopgrad(p)"), ("critic(p, z,", "critic(o, z,")]),
    ],
)
def test_a_loss_that_trains_nothing_is_never_allowed(write: Write, allowed: str, changes: Changes) -> None:
    (problem,) = findings(write, BYOL, [*changes, ("graph: byol", f"allow: [{allowed}]\ngraph: byol")])
    assert (marked(problem), problem.code, problem.severity) == ("loss", None, "error")
    assert "there is nothing to train" in problem.message


def test_a_term_that_trains_nothing_is_allowed_beside_one_that_does(write: Write) -> None:
    watched = [("byol: objective(s)", "byol: objective(s)\n  watched: stopgrad(objective(s))")]
    assert [p.code for p in findings(write, BYOL, watched)] == ["G101"]
    assert findings(write, BYOL, [*watched, ("graph: byol", "allow: [G101]\ngraph: byol")]) == []


# -- explanations --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", RULES)
def test_every_rule_explains_itself(code: str) -> None:
    text = explain(code.lower())
    assert text.startswith(f"{code}: {RULES[code].title}\n")
    assert f"It is {'an error' if RULES[code].severity == 'error' else 'a warning'};" in text
    assert text.endswith(f"allow: [{code}].")
    assert len(RULES[code].explanation.split()) > 12


@pytest.mark.parametrize("code", RULES)
def test_every_rule_of_the_literature_names_its_source(code: str) -> None:
    assert bool(SOURCE.search(RULES[code].explanation)) == (code not in NO_SOURCE)


def test_an_unknown_code_gets_a_suggestion() -> None:
    with pytest.raises(LookupError, match="G301"):
        explain("G3O1")


def test_a_rule_of_ones_own_runs_and_stands_in_its_place(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    for known in list(RULES):
        monkeypatch.setitem(RULES, known, RULES[known])  # puts the list back afterwards

    @rule("G105", "a long name", "warning")
    def short_names(facts: Facts, found: Problems) -> None:
        """Names are short."""
        for name, node in facts.graph.nodes.items():
            if len(name) > 8:
                found.add(f"'{name}' is long", node.span)

    try:
        assert list(RULES) == sorted(RULES)
        assert [p.message for p in findings(write, BYOL)] == [
            "'projector' is long",
            "'predictor' is long",
            "'objective' is long",
        ]
    finally:
        del RULES["G105"]

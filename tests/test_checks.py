"""The rules: each is broken once, and the shipped methods break none."""

from __future__ import annotations

import pytest
from conftest import BYOL, MOCO, SIMCLR, Write, problems_of

from graphssl.api import check
from graphssl.checks import RULES, explain

SIMSIAM = (
    ("  target:    {use: target.ema, of: [encoder, projector], momentum: {from: 0.9, to: 1.0}}\n", ""),
    ("z: target(x)", "z: stopgrad(projector(encoder(x)))"),
    ("update:\n  target: follow()\n", ""),
)

BREAKS = [
    ("G101", MOCO, [("q: projector(encoder(x[0]))", "q: stopgrad(projector(encoder(x[0])))")], "no gradient of 'infonce' reaches"),
    ("G102", BYOL, [("p: predictor(projector(encoder(x)))", "p: predictor(stopgrad(projector(encoder(x))))")], "no loss trains 'encoder'"),
    ("G103", MOCO, [("  k: target", "  w: stopgrad(q)\n  k: target")], "nothing uses the value 'w'"),
    ("G104", MOCO, [("  queue:     {use", "  spare: {use: head.mlp}\n  queue:     {use")], "'spare' is never called"),
    ("G104", MOCO, [("critic(q, k, queue())", "critic(q, k, others(k))"), ("  queue:     {use", "  others: {use: negatives.in_batch}\n  queue:     {use")], "written, but never read"),
    ("G201", BYOL, [*SIMSIAM, ("stopgrad(projector(encoder(x)))", "projector(encoder(x))")], "both sides of it learn"),
    ("G202", BYOL, [("p: predictor(projector(encoder(x)))", "p: projector(encoder(x))"), ("  predictor: {use: head.mlp, hidden: 16, out: 8}\n", "")], "no predictor tells its sides apart"),
    ("G203", MOCO, [("target(x[1])", "target(x[0])")], "made from the same view"),
    ("G301", MOCO, [("k: target(x[1])", "k: projector(encoder(x[1]))"), ("  target:    {use: target.ema, of: [encoder, projector], momentum: 0.99}\n", ""), ("  target: follow()\n", "")], "filled by the online encoder"),
    ("G302", MOCO, [("size: 48", "size: 50")], "no multiple of the 16"),
    ("G302", MOCO, [("size: 48", "size: 8")], "smaller than the 16"),
    ("G303", MOCO, [("temperature: 0.2", "temperature: 5.0")], "the temperature of 'critic' is 5"),
    ("G304", SIMCLR, [("batch: 16", "batch: 1"), ("out: 8}", "out: 8, norm: none}")], "no negatives in a batch of one"),
    ("G305", MOCO, [(", norm: {use: split_batch, splits: 4}", "")], "batch norm over the whole batch"),
    ("G401", MOCO, [("objective(s)", "objective(critic(q, k, bank(batch.label)))"), ("  queue: push(k)", "  queue: push(k)\n  bank: store(batch.index, k)"), ("  queue:     {use", "  bank: {use: negatives.memory_bank, sample: 8}\n  queue:     {use")], "'infonce' uses the labels"),
    ("G402", SIMCLR, [("batch: 16", "batch: 2048")], "larger than the data set"),
    ("G402", SIMCLR, [("{epochs", "{accumulate: 100, epochs")], "train.accumulate (100) is larger than the data set of 1500"),
    ("G403", SIMCLR, [("lr: 0.05}}", "lr: 0.05}, schedule: {warmup: 5}}")], "the warm-up of 5 epochs"),
    ("G404", MOCO, [("momentum: 0.99", "momentum: 0.01")], "the momentum of 'target' is 0.01"),
]  # fmt: skip


def found_by(write: Write, text: str, changes: list[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Code, severity and text of everything that the checks say."""
    from graphssl.errors import GraphError

    try:
        problems = check(write(text, *changes)).warnings
    except GraphError as error:
        problems = tuple(error.problems)
    return [(p.code or "", p.severity, p.render()) for p in problems]


@pytest.mark.parametrize(
    ("code", "text", "changes", "message"), BREAKS, ids=[f"{b[0]}-{i}" for i, b in enumerate(BREAKS)]
)
def test_a_broken_rule_is_noticed(
    write: Write, code: str, text: str, changes: list[tuple[str, str]], message: str
) -> None:
    found = found_by(write, text, changes)
    matching = [f for f in found if f[0] == code and message in f[2]]
    assert matching, found
    assert all(severity == RULES[code].severity for _, severity, _ in matching)


@pytest.mark.parametrize(
    ("code", "text", "changes", "message"), BREAKS, ids=[f"{b[0]}-{i}" for i, b in enumerate(BREAKS)]
)
def test_a_rule_is_turned_off_by_allow(
    write: Write, code: str, text: str, changes: list[tuple[str, str]], message: str
) -> None:
    found = found_by(write, text, [*changes, ("graph: ", f"allow: [{code}]\ngraph: ")])
    assert not [f for f in found if f[0] == code], found


@pytest.mark.parametrize("text", [BYOL, SIMCLR, MOCO])
def test_sound_graphs_pass_without_a_warning(write: Write, text: str) -> None:
    assert check(write(text)).warnings == ()


def test_simsiam_passes(write: Write) -> None:
    assert check(write(BYOL, *SIMSIAM)).warnings == ()


def test_a_symmetric_loss_with_negatives_needs_no_stop_gradient(write: Write) -> None:
    assert not found_by(write, SIMCLR, [("views=fold", "views=each")])


def test_unknown_names_in_train_and_evaluate(write: Write) -> None:
    found = problems_of(check, write(MOCO, ("features: encoder", "features: encodr"), ("lr: 0.05}", "lr: 0.05}, nodes: {projektor: {lr: 2.0}}")))  # fmt: skip
    assert any("'encodr'" in p and "did you mean 'encoder'?" in p for p in found), found
    assert any("'projektor'" in p and "did you mean 'projector'?" in p for p in found), found


def test_features_must_take_images(write: Write) -> None:
    found = problems_of(check, write(MOCO, ("features: encoder", "features: projector")))
    assert any("'projector' does not take images" in p for p in found), found


def test_allow_knows_its_codes(write: Write) -> None:
    found = problems_of(check, write(MOCO, ("graph: moco", "allow: [G20]\ngraph: moco")))
    assert any("no rule has the code 'G20'" in p for p in found), found


@pytest.mark.parametrize("code", RULES)
def test_every_rule_explains_itself(code: str) -> None:
    text = explain(code.lower())
    assert text.startswith(code)
    assert f"allow: [{code}]" in text
    assert len(RULES[code].explanation.split()) > 12


def test_every_rule_is_broken_above() -> None:
    assert {b[0] for b in BREAKS} == set(RULES)


def test_an_unknown_code_gets_a_suggestion() -> None:
    with pytest.raises(LookupError, match="G201"):
        explain("G2O1")

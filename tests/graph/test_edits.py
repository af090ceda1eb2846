"""Single edits of a graph: a part taken out or exchanged, with every line that follows from it."""

from __future__ import annotations

import pytest

from graphssl.checks.checked import validated
from graphssl.errors import GraphError
from graphssl.graph.edits import Edit, edits_of
from graphssl.graph.read import load


def edits(name: str) -> dict[str, Edit]:
    return {edit.name: edit for edit in edits_of(load(name))}


def edited(name: str, edit: str) -> dict[str, object]:
    """The resolved graph after an edit, which holds."""
    return validated(load(name, edits(name)[edit].sets)).graph.resolved()


def refusal(name: str, edit: str) -> str:
    with pytest.raises(GraphError) as caught:
        validated(load(name, edits(name)[edit].sets))
    return str(caught.value)


def test_a_head_is_taken_out_with_all_that_names_it() -> None:
    """Of the flow, of what a target follows, of the rates of training."""
    graph = edited("moco_v2", "without projector")
    assert "projector" not in graph["nodes"]
    assert graph["nodes"]["target"]["of"] == ["encoder"]
    assert graph["flow"]["q"] == "encoder(x[0])"
    assert edits("simsiam")["without predictor"].sets == (
        'flow.p="z"', "train.nodes.predictor=null", "nodes.predictor=null"
    )  # fmt: skip


def test_what_would_collapse_is_refused_by_its_rule() -> None:
    assert "[G202]" in refusal("byol", "without predictor")
    assert "[G201]" in refusal("simsiam", "without stopgrad")


def test_a_target_becomes_the_nodes_themselves_without_a_gradient() -> None:
    graph = edited("byol", "without target")
    assert graph["flow"]["z"] == "stopgrad(projector(encoder(x)))"
    assert "target" not in graph["nodes"]
    assert not graph["update"]


def test_negatives_are_taken_out_of_the_critic_s_call() -> None:
    assert edits("simclr")["without others"].sets[0] == 'flow.s="critic(z, z, pairs=cross)"'
    assert "needs negatives" in refusal("simclr", "without others")


@pytest.mark.parametrize(
    ("name", "edit", "call", "update"),
    [
        ("moco_v2", "queue: negatives.in_batch", "critic(q, k, queue(k))", None),
        ("moco_v2", "queue: negatives.memory_bank", "critic(q, k, queue(batch.index))", "store(batch.index, k)"),
        ("simclr", "others: negatives.queue", "critic(z, z, others(), pairs=cross)", "push(z)"),
    ],
)
def test_negatives_are_exchanged_with_what_they_take(name: str, edit: str, call: str, update: str | None) -> None:
    graph = load(name, edits(name)[edit].sets)
    assert graph.spec.flow["s"] == call
    node = edit.partition(":")[0]
    assert graph.spec.update.get(node) == update


def test_an_exchange_keeps_the_options_that_both_have() -> None:
    assert edits("simclr")["critic: critic.dot"].sets == ('nodes.critic={"use": "critic.dot", "temperature": 0.2}',)
    assert edits("simclr")["critic: critic.euclidean"].sets == ('nodes.critic={"use": "critic.euclidean"}',)


def test_each_operation_of_the_views_is_turned_off_once() -> None:
    found = [edit.part for edit in edits_of(load("byol")) if edit.part.startswith("augment.")]
    assert found == ["augment.crop", "augment.jitter", "augment.grey"]  # the others are off already
    whole = edits_of(load("byol", ["nodes.augment={flip: 0.5, blur: 0.5, solarize: 0.2}"]))
    parts = [edit.part for edit in whole if edit.part.startswith("augment.")]
    assert parts == [f"augment.{name}" for name in ("crop", "flip", "jitter", "grey", "blur", "solarize")]
    off = load("byol", ["nodes.augment={blur: [0, 0]}"])
    assert "augment.blur" not in [edit.part for edit in edits_of(off)]


def test_of_a_list_of_operations_each_is_left_out_once() -> None:
    chain = "nodes.augment={use: augment.chain, operations: [crop, flip, {use: blur, p: 0.5}]}"
    found = {e.name: e.sets for e in edits_of(load("byol", [chain])) if e.part.startswith("augment")}
    assert list(found) == ["augment without crop", "augment without flip", "augment without blur"]
    assert ["flip" in found[f"augment without {name}"][0] for name in ("crop", "flip", "blur")] == [True, False, True]
    for sets in found.values():
        validated(load("byol", [chain, *sets]))


def test_each_term_of_several_is_left_out() -> None:
    name = "dim"
    found = [edit for edit in edits_of(load(name)) if edit.part.startswith("loss.")]
    assert [edit.part for edit in found] == [f"loss.{term}" for term in load(name).spec.loss]
    assert all(len(load(name, edit.sets).terms) == len(load(name).terms) - 1 for edit in found)
    assert not [edit for edit in edits_of(load("byol")) if edit.part.startswith("loss.")]


def test_a_factor_and_a_weight_of_a_term_stay() -> None:
    sets = ["loss.byol={value: 0.5 * objective(s), weight: 2}"]
    graph = load("byol", sets)
    taken = {edit.name: edit.sets for edit in edits_of(load("simsiam", ["loss.simsiam=0.5 * objective(critic(p, z))"]))}
    assert taken["without predictor"][0] == 'flow.p="z"'
    exchange = next(e for e in edits_of(graph) if e.name == "critic: critic.dot")
    assert load("byol", [*sets, *exchange.sets]).terms[0].factor == 0.5


def test_an_encoder_and_an_objective_are_not_bypassed() -> None:
    assert not {"encoder", "objective"} & {edit.part for edit in edits_of(load("byol")) if edit.kind == "without"}


@pytest.mark.parametrize(("name", "part"), [("i_jepa", "target"), ("ibot", "teacher"), ("data2vec", "target")])
def test_a_target_of_tokens_is_taken_out_and_what_was_judged_of_it_is_of_the_encoder(name: str, part: str) -> None:
    graph = edited(name, f"without {part}")
    assert graph["flow"]["t"] in ("stopgrad(encoder(x))", "stopgrad(encoder(x[0]))")
    assert graph["evaluate"]["features"] in ("encoder", ["encoder"])

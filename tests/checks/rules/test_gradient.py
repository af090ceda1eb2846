"""G1: what the gradient reaches, what is used, and the sign of the loss; each on both sides."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import BYOL, SIMCLR, Write
from findings import BANK, QUICK_MOCO, Changes, findings, found

SPARE = ("  queue:     {use", "  spare: {use: head.mlp, hidden: 16, out: 8}\n  queue:     {use")


# -- G101 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        [("q: projector(encoder(x[0]))", "q: stopgrad(projector(encoder(x[0])))")],
        [("s: critic(q, k", "s: critic(target(x[0]), k")],
        [("infonce: objective(s)", "infonce: stopgrad(objective(s))")],
    ],
    ids=["stopgrad", "target", "stopped loss"],
)
def test_a_term_without_a_gradient_is_found_and_nothing_else(write: Write, changes: Changes) -> None:
    problems = [p for p in findings(write, QUICK_MOCO, changes) if p.severity == "error"]
    assert [(p.code, p.message) for p in problems] == [("G101", "no gradient of 'infonce' reaches a node with weights")]


def test_a_critic_with_weights_is_trained_by_fixed_embeddings(write: Write) -> None:
    changes = [("use: critic.cosine, temperature: 0.2", "use: critic.bilinear"), ("objective(s)", "objective(critic(target(x[0]), k, queue()))"),
               ("graph: moco", "allow: [G102]\ngraph: moco")]  # fmt: skip
    assert found(write, "G101", QUICK_MOCO, changes) == []


# -- G102 ----------------------------------------------------------------------------------------------------


def test_nodes_behind_a_stopgrad_are_found(write: Write) -> None:
    changes = [("p: predictor(projector(encoder(x)))", "p: predictor(stopgrad(projector(encoder(x))))")]
    assert [(p, m) for p, m, _ in found(write, "G102", BYOL, changes)] == [
        ("encoder", "no loss trains 'encoder'"),
        ("projector", "no loss trains 'projector'"),
    ]


def test_a_head_of_a_term_that_is_only_watched_is_found(write: Write) -> None:
    changes = [SPARE, ("infonce: objective(s)", "infonce: objective(s)\n  watched: stopgrad(objective(critic(spare(q), k, queue())))"),
               ("graph: moco", "allow: [G101]\ngraph: moco")]  # fmt: skip
    assert [p for p, _, _ in found(write, "G102", QUICK_MOCO, changes)] == ["spare"]
    trained = [
        *changes,
        ("stopgrad(objective(critic(spare(q), k, queue())))", "objective(critic(spare(q), k, queue()))"),
    ]
    assert found(write, "G102", QUICK_MOCO, trained) == []


def test_a_node_that_is_called_for_an_update_only_is_found(write: Write) -> None:
    assert [p for p, _, _ in found(write, "G102", QUICK_MOCO, [SPARE, ("push(k)", "push(spare(k))")])] == ["spare"]


def test_a_node_that_is_not_called_is_for_g104_to_find(write: Write) -> None:
    spare = [("  queue:     {use", "  spare: {use: critic.cosine}\n  queue:     {use")]
    assert found(write, "G102", QUICK_MOCO, spare) == []
    assert [p for p, _, _ in found(write, "G104", QUICK_MOCO, spare)] == ["spare"]


# -- G103 ----------------------------------------------------------------------------------------------------


def test_an_unused_name_among_several_is_marked_itself(write: Write) -> None:
    changes = [
        ("  x: augment(batch.image)", "  x, y: augment(batch.image)"),
        ("encoder(x[0])", "encoder(x)"),
        ("k: target(x[1])", "k: target(x)"),
    ]
    assert found(write, "G103", QUICK_MOCO, changes) == [("y", "nothing uses the value 'y'", "")]


@pytest.mark.parametrize("use", ["w: stopgrad(q)\n  v: stopgrad(w)", "w: stopgrad(q)"])
def test_a_value_is_used_by_lines_terms_and_updates(write: Write, use: str) -> None:
    last = use.split(":")[0] if "\n" not in use else "v"
    changes = [("  k: target", f"  {use}\n  k: target")]
    assert [p for p, _, _ in found(write, "G103", QUICK_MOCO, changes)] == [last]
    assert found(write, "G103", QUICK_MOCO, [*changes, ("queue: push(k)", f"queue: push({last})")]) == []
    assert found(write, "G103", QUICK_MOCO, [*changes, ("critic(q, k, queue())", f"critic(q, {last}, queue())")]) == []


# -- G104 ----------------------------------------------------------------------------------------------------


def test_a_queue_that_is_written_but_not_read_is_found(write: Write) -> None:
    others = ("  queue:     {use", "  others: {use: negatives.in_batch}\n  queue:     {use")
    assert found(write, "G104", QUICK_MOCO, [others, ("queue())", "others(k))")]) == [
        ("queue", "'queue' is never called (it is written, but never read)", "")
    ]


def test_a_node_that_another_one_reads_is_used(write: Write) -> None:
    """A bank whose entries are the positives, and which gives no negatives."""
    changes = [
        *BANK, ("  critic:", "  entry: {use: target.entry, of: bank}\n  others: {use: negatives.in_batch}\n  critic:"),
        ("critic(q, k, bank(batch.index))", "critic(q, entry(batch.index), others(q))"),
    ]  # fmt: skip
    assert found(write, "G104", QUICK_MOCO, changes) == []
    assert [p for p, _, _ in found(write, "G104", QUICK_MOCO, [*changes, ("entry(batch.index)", "k")])] == [
        "bank",
        "entry",
    ]


def test_a_call_in_the_loss_is_a_call(write: Write) -> None:
    changes = [SPARE, ("objective(s)", "objective(critic(spare(q), k, queue()))")]
    assert found(write, "G104", QUICK_MOCO, changes) == []


# -- G106 ----------------------------------------------------------------------------------------------------

RAFT: Changes = [
    ("  byol: objective(s)", "  align: objective(critic(p, p, pairs=cross))\n  run: -objective(s)"),
    ("  s: critic(p, z, pairs=cross)\n", "  s: critic(p, z)\n"),
]


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        (SIMCLR, [("ntxent: objective(s)", "ntxent: -0.5 * objective(s)")], "'ntxent' has a negative factor"),
        (SIMCLR, [("ntxent: objective(s)", "ntxent: {value: objective(s), weight: -1}")], "'ntxent' has a negative factor"),
        (SIMCLR, [("ntxent: objective(s)", "ntxent: {value: objective(s), weight: {from: -1, to: 0}}")], "'ntxent' has a negative factor"),
        (BYOL, [*RAFT, ("align: objective", "align: -2 * objective")], "all loss terms have a negative factor"),
        (QUICK_MOCO, [("infonce: objective(s)", "infonce: -objective(s)\n  watched: stopgrad(objective(s))"), ("graph: moco", "allow: [G101]\ngraph: moco")], "'infonce' has a negative factor"),
    ],
    ids=["factor", "weight", "schedule", "all terms", "beside one that trains nothing"],
)  # fmt: skip
def test_a_loss_of_negative_terms_is_found(write: Write, text: str, changes: Changes, message: str) -> None:
    ((_, said, _),) = found(write, "G106", text, changes)
    assert said.startswith(message)


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (BYOL, RAFT),
        (
            BYOL,
            [
                *RAFT,
                (
                    "  align: objective(critic(p, p, pairs=cross))\n  run: -objective(s)",
                    "  run: -objective(s)\n  align: objective(critic(p, p, pairs=cross))",
                ),
            ],
        ),
        (SIMCLR, [("ntxent: objective(s)", "ntxent: --objective(s)")]),
        (SIMCLR, [("ntxent: objective(s)", "ntxent: {value: -objective(s), weight: -1}")]),
        (SIMCLR, [("ntxent: objective(s)", "ntxent: {value: objective(s), weight: {from: -1, to: 1}}")]),
    ],
    ids=["raft", "raft, other order", "twice", "weight turns it back", "changes its sign"],
)
def test_a_loss_with_a_positive_term_is_sound(write: Write, text: str, changes: Changes) -> None:
    assert findings(write, text, changes) == []


def test_the_place_is_in_the_file_that_says_it(write: Write, tmp_path: Path) -> None:
    write(QUICK_MOCO, name="parent.yaml")
    child = "extends: parent.yaml\ngraph: child\nloss:\n  infonce: -objective(s)\n"
    (problem,) = findings(write, child)
    assert problem.span is not None
    assert (Path(problem.span.file).name, problem.span.line) == ("graph.yaml", 4)


# -- G108 ----------------------------------------------------------------------------------------------------

TEACHER: Changes = [
    ("  encoder:   {use", "  teacher:   {use: encoder.resnet, depth: 10, width: 8, freeze: true}\n"
                         "  alike:     {use: objective.distance}\n  encoder:   {use"),
    ("loss:\n", "loss:\n  alike: alike(encoder(x[0]), teacher(x[0]))\n"),
]  # fmt: skip


def test_a_teacher_without_weights_is_found(write: Write) -> None:
    assert [m for _, m, _ in found(write, "G108", QUICK_MOCO, TEACHER)] == [
        "'teacher' is frozen and has no weights: it stays as it is drawn"
    ]


@pytest.mark.parametrize(
    "changes",
    [
        [(", freeze: true}", ", freeze: true, weights: {run: teacher, node: encoder}}")],
        [("width: 8, freeze: true}", "width: 8, train: layer4}")],
        [("{use: critic.cosine, ", "{use: critic.cosine, freeze: true, ")],
    ],
    ids=["with weights", "trained in part", "nothing to train"],
)
def test_what_was_trained_or_trains_is_no_matter(write: Write, changes: Changes) -> None:
    of = TEACHER if "critic" not in changes[0][0] else []
    assert not [p for p in findings(write, QUICK_MOCO, [*of, *changes]) if p.code == "G108"]

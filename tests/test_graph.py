"""Wiring: names, ports, views, order, updates; and what is said when they are wrong."""

from __future__ import annotations

import networkx as nx
import pytest
from conftest import BYOL, MOCO, SIMCLR, Write, problems_of

from graphssl import graph as graphs
from graphssl.graph import Graph
from graphssl.source import load
from graphssl.values import Slot


def read(write: Write, text: str, *changes: tuple[str, str]) -> Graph:
    return graphs.read(load(write(text, *changes)))


def calls(graph: Graph, node: str) -> list[dict[str, str | tuple[str, ...] | None]]:
    """The arguments of each call of a node, by the names of the slots."""

    def name(argument: object) -> str | tuple[str, ...] | None:
        if isinstance(argument, Slot):
            return argument.name
        return tuple(s.name for s in argument) if isinstance(argument, tuple) else None

    return [{k: name(v) for k, v in c.args.items()} for c in graph.calls if c.node == node]


def test_a_family_is_mapped_view_by_view(write: Write) -> None:
    graph = read(write, BYOL)
    assert calls(graph, "encoder") == [{"image": "x_0"}, {"image": "x_1"}]
    assert [s.name for s in graph.values["p"].slots] == ["p_0", "p_1"]


def test_cross_takes_all_ordered_pairs_of_different_views(write: Write) -> None:
    graph = read(write, BYOL)
    assert [(c["query"], c["key"]) for c in calls(graph, "critic")] == [("p_0", "z_1"), ("p_1", "z_0")]
    assert [s.name for s in graph.values["s"].slots] == ["s_01", "s_10"]


def test_zip_pairs_the_same_view(write: Write) -> None:
    graph = read(write, BYOL, (", pairs=cross", ""))
    assert [(c["query"], c["key"]) for c in calls(graph, "critic")] == [("p_0", "z_0"), ("p_1", "z_1")]


def test_fold_is_one_call_over_all_views(write: Write) -> None:
    graph = read(write, SIMCLR)
    (call,) = [c for c in graph.calls if c.node == "encoder"]
    assert call.fold == 2
    assert calls(graph, "encoder") == [{"image": ("x_0", "x_1")}]
    assert len(call.outputs) == 2
    assert len(calls(graph, "projector")) == 2


def test_a_family_port_takes_all_views(write: Write) -> None:
    graph = read(write, SIMCLR)
    assert calls(graph, "others") == [{"key": ("z_0", "z_1")}]
    assert [c["negatives"] for c in calls(graph, "critic")] == ["others", "others"]


def test_a_family_port_taken_view_by_view_follows_the_key(write: Write) -> None:
    graph = read(write, SIMCLR, ("others(z), pairs", "others(z, views=each), pairs"))
    assert calls(graph, "others") == [{"key": ("z_0",)}, {"key": ("z_1",)}]
    pairs = [(c["query"], c["key"], c["negatives"]) for c in calls(graph, "critic")]
    assert pairs == [("z_0", "z_1", "others_1"), ("z_1", "z_0", "others_0")]


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


def test_one_call_written_twice_is_made_once(write: Write) -> None:
    graph = read(
        write, MOCO, ("k: target(x[1])", "k: target(x[1])\n  q2: projector(encoder(x[0]))\n  q3: stopgrad(q2)")
    )
    assert len(calls(graph, "encoder")) == 1
    assert graph.values["q"] == graph.values["q2"]


def test_a_random_node_called_twice_is_two_calls(write: Write) -> None:
    graph = read(write, MOCO, ("q: projector", "y: augment(batch.image)\n  q: projector"))
    assert len(calls(graph, "augment")) == 2
    assert graph.values["x"] != graph.values["y"]


def test_views_of_two_augmentations_are_different_views(write: Write) -> None:
    graph = read(
        write, BYOL,
        ("x: augment(batch.image)", "x: augment(batch.image)\n  y: augment(batch.image)"), ("target(x)", "target(y)"),
    )  # fmt: skip
    assert len(graph.values["s"]) == 4


def test_lines_may_stand_in_any_order(write: Write) -> None:
    straight = read(write, MOCO)
    lines = MOCO.split("flow:\n")[1].split("loss:")[0].splitlines()
    turned = MOCO.replace("\n".join(lines), "\n".join(reversed(lines)))
    assert turned != MOCO
    graph = read(write, turned)
    order = [c.line for c in graph.step_calls()]
    assert order.index("x") < order.index("q") < order.index("s")
    assert set(graph.values) == set(straight.values)


def test_views_have_names_of_their_own_when_unpacked(write: Write) -> None:
    graph = read(write, MOCO, ("x: augment", "a, b: augment"), ("x[0]", "a"), ("x[1]", "b"))
    assert not graph.values["a"].family
    assert graph.values["a"] != graph.values["b"]


def test_slices_keep_the_view(write: Write) -> None:
    graph = read(write, BYOL, ("z: target(x)", "z: target(x[0:1])"))
    assert [(c["query"], c["key"]) for c in calls(graph, "critic")] == [("p_1", "z_0")]


def test_digraph_is_acyclic_and_carries_slots(write: Write) -> None:
    digraph = read(write, MOCO).digraph()
    assert nx.is_directed_acyclic_graph(digraph)
    assert all(data["slots"] for *_, data in digraph.edges(data=True))


def test_hash_ignores_the_name_and_sees_every_value(write: Write) -> None:
    base = read(write, MOCO).hash()
    assert read(write, MOCO, ("graph: moco", "graph: other")).hash() == base
    assert read(write, MOCO, ("size: 48", "size: 64")).hash() != base


def test_resolved_graph_has_defaults_and_reads_back(write: Write) -> None:
    from graphssl.source import dump

    graph = read(write, MOCO)
    resolved = graph.resolved()
    assert resolved["nodes"]["target"]["buffers"] == "own"
    assert resolved["train"]["schedule"]["shape"] == "cosine"
    again = graphs.read(load(write(dump(resolved), name="again.yaml")))
    assert again.resolved() == resolved
    assert again.hash() == graph.hash()


BROKEN = [
    ("unknown value", ("critic(q, k,", "critic(q, kk,"), ":15:16: no value is called 'kk'", "did you mean 'k'?"),
    ("a node used as a value", ("queue())", "queue)"), "'queue' is a node, not a value", "call it: queue(...)"),
    ("unknown node", ("projector(encoder(x[0]))", "projektor(encoder(x[0]))"), "no node is called 'projektor'", "did you mean 'projector'?"),
    ("calling a value", ("k: target(x[1])", "k: q(x[1])"), "'q' is a value, not a node", ""),
    ("too few values", ("critic(q, k, queue())", "critic(q)"), "critic needs 'key'", "it is critic(query, key, negatives = ...)"),
    ("too many values", ("target(x[1])", "target(x[1], x[0])"), "this is one more", ""),
    ("unknown port", ("queue())", "negatifs=queue())"), "critic has no port 'negatifs'", "did you mean 'negatives'?"),
    ("a port twice", ("critic(q, k, queue())", "critic(q, k, key=k)"), "the port 'key' of critic is given twice", ""),
    ("wrong kind", ("critic(q, k, queue())", "critic(q, queue())"), "critic.key takes [b d], but gets negatives", "as its third value"),
    ("tensor for scores", ("objective(s)", "objective(q)"), "objective.scores takes scores", "what a critic gives"),
    ("scores as a loss", ("infonce: objective(s)", "infonce: s"), "a loss term is one number", "objective(critic("),
    ("view out of range", ("x[1]", "x[2]"), "there is no view 2: there are 2 views", ""),
    ("index on one value", ("q: projector(encoder(x[0]))", "q: projector(encoder(x[0])[0])"), "not a family of views", ""),
    ("part of one value", ("target(x[1])", "target(x[1]).map"), "it has no part 'map'", ""),
    ("nothing to cross", ("critic(q, k, queue())", "critic(q, k, queue(), pairs=cross)"), "no families of views here to pair", ""),
    ("fold of one value", ("encoder(x[0])", "encoder(x[0], views=fold)"), "views=fold needs a family of views", ""),
    ("cycle", ("k: target(x[1])", "k: target(m)\n  m: stopgrad(k)"), "a value cannot depend on itself: k -> m -> k", "what a step carries over"),
    ("itself", ("k: target(x[1])", "k: target(k)"), "a value cannot depend on itself: k -> k", ""),
    ("missing update", ("  queue: push(k)\n", ""), "the state of 'queue' (negatives.queue) is never written", "write queue: push(key)"),
    ("update of no state", ("  queue: push(k)", "  queue: push(k)\n  critic: push(k)"), "'critic' (critic.cosine) has no state to update", ""),
    ("unknown update", ("queue: push(k)", "queue: pusch(k)"), "has no update 'pusch'", "it is queue: push(key)"),
    ("update of nobody", ("  queue: push(k)", "  queue: push(k)\n  quue: push(k)"), "no node is called 'quue'", "did you mean 'queue'?"),
    ("unknown component", ("negatives.queue", "negatives.queu"), "no component is called 'negatives.queu'", "did you mean 'negatives.queue'?"),
    ("unknown config key", ("size: 48", "sise: 48"), "negatives.queue: no key is called 'sise' here", "did you mean 'size'?"),
    ("wrong config type", ("size: 48", "size: many"), "'size' is 'many'", ""),
    ("wrong bound", ("temperature: 0.2", "temperature: 0"), "greater than 0", ""),
    ("no use", ("{use: negatives.queue, size: 48}", "{size: 48}"), "'queue' does not say which component to use", "encoder.resnet"),
    ("wrong ref", ("of: [encoder, projector]", "of: [encoder, proj]"), "no node is called 'proj'", "did you mean 'projector'?"),
    ("node is a word of torch", ("  queue:     {use", "  train: {use"), "'train' cannot name a node", ""),
    ("value is a reserved word", ("  q: projector", "  batch: projector"), "'batch' cannot name a value", ""),
    ("value is named like a node", ("  k: target", "  critic: target"), "'critic' is the name of a node already", ""),
    ("unknown section", ("loss:\n", "lose:\n"), "no key is called 'lose'", "did you mean 'loss'?"),
    ("unknown batch field", ("augment(batch.image)", "augment(batch.images)"), "images", "image"),
    ("unknown option value", ("critic(q, k, queue())", "critic(x, x, pairs=crossed)"), "crossed", "cross"),
    ("stopgrad of scores", ("s: critic(q, k, queue())", "s: stopgrad(critic(q, k, queue()))"), "stopgrad() takes a tensor, not scores", ""),
    ("names for views", ("x: augment", "a, b, c: augment"), "3 names for 2 views", ""),
    ("epochs as text", ("epochs: 2", "epochs: two"), "'epochs' is 'two'", ""),
    ("unknown optimizer", ("use: sgd", "use: sdg"), "'sdg' is none of the choices", "did you mean 'sgd'?"),
    ("unknown data set", ("use: digits", "use: digit"), "'digit'", "did you mean 'digits'?"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message", "hint"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_what_is_wrong_is_said(write: Write, change: tuple[str, str], message: str, hint: str) -> None:
    path = write(MOCO, change)
    found = problems_of(lambda: graphs.read(load(path)))
    matching = [p for p in found if message in p and hint in p]
    assert matching, "\n".join(found)
    assert all(str(path) in p.split(":")[0] for p in found)
    assert "Traceback" not in "".join(found)


@pytest.mark.parametrize(
    "change",
    [
        ("encoder(x[0])", "encoder(y[0])"),
        ("s: critic(q, k, queue())", "s: [q, k]"),
        ("{use: objective.infonce}", "objective.infonce"),
        ("use: encoder.resnet", "use: encoder.resnett"),
        ("x: augment(batch.image)", "x: 5"),
    ],
)
def test_one_mistake_is_reported_once(write: Write, change: tuple[str, str]) -> None:
    found = problems_of(read, write, MOCO, change)
    assert len(found) == 1, found


def test_all_mistakes_are_reported_together_in_file_order(write: Write) -> None:
    found = problems_of(
        read, write, MOCO, ("size: 48", "sise: 48"), ("target(x[1])", "target(w[1])"), ("epochs: 2", "epochs: two"),
    )  # fmt: skip
    lines = [int(p.split(":")[1]) for p in found]
    assert len(found) == 3
    assert lines == sorted(lines)


def test_reference_cycles_are_named(write: Write) -> None:
    found = problems_of(
        read, write, MOCO,
        ("of: [encoder, projector]", "of: [other]"),
        ("  queue:     {use", "  other: {use: target.ema, of: [target]}\n  queue:     {use"),
    )  # fmt: skip
    assert any("nodes are made of each other: target -> other -> target" in p for p in found), found

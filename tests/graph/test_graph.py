"""Wiring: names, ports, views, order, updates; and what is said when they are wrong."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import pytest
from conftest import BYOL, MOCO, SIMCLR, Write, problems_of

from graphssl.graph.calls import Slot
from graphssl.graph.graph import Graph
from graphssl.graph.read import load


def read(write: Write, text: str, *changes: tuple[str, str]) -> Graph:
    return load(write(text, *changes))


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
    from graphssl.language.dump import dump

    graph = read(write, MOCO)
    resolved = graph.resolved()
    assert resolved["nodes"]["target"]["buffers"] == "own"
    assert resolved["train"]["schedule"]["shape"] == "cosine"
    again = load(write(dump(resolved), name="again.yaml"))
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
    ("wrong kind", ("critic(q, k, queue())", "critic(q, queue())"), "but gets negatives from queue, line 15", "as its third value"),
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
    found = problems_of(lambda: load(path))
    matching = [p for p in found if message in p and hint in p]
    assert matching, "\n".join(found)
    assert all(str(path) in p.split(":")[0] for p in found)
    assert "Traceback" not in "".join(found)


PROJECTOR = "  projector: {use: head.mlp, hidden: 16, out: 8, norm: none}\n"
# One mistake, its line, the message and the hint; nothing else may be said.
ONCE: list[tuple[str, list[tuple[str, str]], int, str, str]] = [
    ("value in another", [("encoder(x[0])", "encoder(y[0])")], 13, "no value is called 'y'", ""),
    ("list for an expression", [("s: critic(q, k, queue())", "s: [q, k]")], 15, "'s' is a list", "as in z: projector(encoder(x))"),
    ("number for an expression", [("x: augment(batch.image)", "x: 5")], 12, "'x' is 5; it should be text", "as in z: projector(encoder(x))"),
    ("nothing for an expression", [("x: augment(batch.image)", "x:")], 12, "'x' is null", "as in z: projector(encoder(x))"),
    ("mapping for an expression", [("x: augment(batch.image)", "x: {a: b}")], 12, "'x' is a mapping", "as in z: projector(encoder(x))"),
    ("number for an update", [("queue: push(k)", "queue: 5")], 20, "'queue' is 5", "as in target: follow()"),
    ("number for a term", [("infonce: objective(s)", "infonce: 0.5")], 17, "'infonce' is 0.5; it should be text or a mapping", "as in infonce: objective(s)"),
    ("component for a node", [("{use: objective.infonce}", "objective.infonce")], 10, "'objective' is 'objective.infonce'; it should be a mapping", "write objective: {use: objective.infonce}"),
    ("component that others use", [(PROJECTOR, "  projector: head.mlp\n")], 6, "it should be a mapping", "write projector: {use: head.mlp}"),
    ("unknown component", [("use: encoder.resnet", "use: encoder.resnett")], 5, "no component is called 'encoder.resnett'", "did you mean"),
    ("no use, misspelt node", [("nodes:\n", "nodes:\n  quee: {size: 4}\n")], 4, "the node 'quee' does not say", "did you mean 'queue'?"),
    ("nodes misspelt", [("nodes:\n", "node:\n")], 3, "no key is called 'node' here", "did you mean 'nodes'?"),
    ("flow misspelt", [("flow:\n", "flaw:\n")], 11, "no key is called 'flaw' here", "did you mean 'flow'?"),
    ("loss misspelt", [("loss:\n", "los:\n")], 16, "no key is called 'los' here", "did you mean 'loss'?"),
    ("update misspelt", [("update:\n", "updates:\n")], 18, "no key is called 'updates' here", "did you mean 'update'?"),
    ("loss left empty", [("  infonce: objective(s)\n", "")], 16, "'loss' is null", "as in infonce: objective(s)"),
    ("flow left out", [("flow:\n", "")], 11, "'flow' is missing", "write flow: above this line"),
    ("node in the flow", [(PROJECTOR, ""), ("flow:\n", f"flow:\n{PROJECTOR}")], 11, "'projector' is a node, and stands under flow:", ""),
    ("node in the loss", [(PROJECTOR, ""), ("loss:\n", f"loss:\n{PROJECTOR}")], 16, "'projector' is a node, and stands under loss:", ""),
    ("node in the updates", [(PROJECTOR, ""), ("update:\n", f"update:\n{PROJECTOR}")], 18, "'projector' is a node, and stands under update:", ""),
    ("expression in the nodes", [("  k: target(x[1])\n", ""), ("nodes:\n", "nodes:\n  k: target(x[1])\n")], 4, "'k' is an expression, and stands under nodes:", ""),
    ("node that became an expression", [(PROJECTOR, "  projector: encoder(x)\n")], 6, "'projector' is an expression, and stands under nodes:", ""),
    ("value that became a node", [("q: projector(encoder(x[0]))", "q: {use: head.mlp}")], 13, "'q' is a node, and stands under flow:", ""),
    ("update in the flow", [("  queue: push(k)\n", ""), ("loss:\n", "  w: push(k)\nloss:\n")], 16, "no node is called 'push'", "it stands under update:, as in queue: push(...)"),
    ("node's name", [("  queue:     {use", "  my-queue:  {use")], 8, "'my-queue' cannot name a node", ""),
    ("value's name", [("  k: target", "  k-1: target")], 14, "'k-1' cannot name a value", ""),
    ("value named like its node", [("  x: augment", "  augment: augment")], 12, "'augment' is the name of a node already", ""),
    ("name twice", [("  x: augment", "  x, x: augment")], 12, "the line gives two values called 'x'", ""),
    ("name in two lines", [("  k: target", "  x, y: target(batch.image)\n  k: target")], 14, "two lines give a value called 'x'", ""),
    ("too many names", [("  x: augment", "  a, b, x: augment")], 12, "3 names for 2 views", ""),
    ("names for one view", [("blur: 0}", "blur: 0, views: 1}"), ("  x: augment", "  a, b: augment"), ("x[0]", "a"), ("x[1]", "b")], 12, "2 names for one view", ""),
    ("definition that is gone", [("  x: augment(batch.image)\n", "")], 12, "no value is called 'x'", ""),
    ("node that is gone", [("  encoder:   {use: encoder.resnet, depth: 10, width: 8, norm: {use: split_batch, splits: 4}}\n", "")], 6, "no node is called 'encoder'", ""),
    ("both ports left out", [("critic(q, k, queue())", "critic()")], 15, "critic needs 'query': [b d] and 'key':", "it is critic(query, key"),
    ("option for a port", [("encoder(x[0])", "encoder(x, view=fold)")], 13, "encoder has no port 'view'", "did you mean 'views'?"),
    ("fold of a loss", [("objective(s)", "objective(s, views=fold)")], 17, "objective gives nothing that could be parted again", ""),
    ("several parts", [("augment.moco_v2", "augment.multicrop"), ("x[1]", "x.wide[1]")], 13, "this has several parts, and one is needed here", "take one of them, .wide or .small, or give each a name"),
    ("term switched off", [("infonce: objective(s)", "infonce: {value: objective(s), weight: 0}")], 17, "a weight of 0 takes 'infonce' out of the loss", "leave the whole line out"),
    ("term switched off by a schedule", [("infonce: objective(s)", "infonce: {value: objective(s), weight: {from: 0, to: 1, shape: constant}}")], 17, "a weight of 0 takes", ""),
    ("term times 0", [("infonce: objective(s)", "infonce: 0 * objective(s)")], 17, "a factor of 0 takes the term out of the loss", ""),
    ("wrong weight", [("infonce: objective(s)", "infonce: {value: objective(s), weight: {from: 0}}")], 17, "'to' is missing", ""),
    ("no chain", [("of: [encoder, projector]", "of: [projector, encoder]")], 7, "'target' (target.ema): in a chain 'encoder' takes [b c h w], but 'projector' gives [b e]", ""),
    ("chain to a critic", [("of: [encoder, projector]", "of: [encoder, critic]")], 7, "in a chain 'critic' takes", ""),
    ("chain to a queue", [("of: [encoder, projector]", "of: [encoder, queue]")], 7, "in a chain 'queue' takes nothing, but 'encoder' gives [b d]", ""),
    ("component file that is not there", [("graph: moco", "components: [./mine.py]\ngraph: moco"), ("critic.cosine", "critic.mine")], 1, "there is no component file './mine.py'", ""),
    ("component file's name", [("graph: moco", "components: ['']\ngraph: moco"), ("critic.cosine", "critic.mine")], 1, "'' is neither a component file, such as ./my_critic.py, nor a package", ""),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "line", "message", "hint"), [o[1:] for o in ONCE], ids=[o[0] for o in ONCE])
def test_one_mistake_is_one_message(
    write: Write, changes: list[tuple[str, str]], line: int, message: str, hint: str
) -> None:
    (found,) = problems_of(read, write, MOCO, *changes)
    assert int(found.split(":")[1]) == line, found
    assert message in found
    assert hint in found


def test_a_weight_that_starts_at_0_is_fine(write: Write) -> None:
    term = "infonce: {value: objective(s), weight: {from: 0, to: 1}}"
    assert read(write, MOCO, ("infonce: objective(s)", term)).terms[0].name == "infonce"


def test_a_negative_factor_is_fine(write: Write) -> None:
    graph = read(write, MOCO, ("infonce: objective(s)", "infonce: objective(s)\n  away: -0.5 * objective(s)"))
    assert [term.factor for term in graph.terms] == [1.0, -0.5]


def test_a_name_that_is_nearly_right_is_told_wherever_it_stands(write: Write) -> None:
    found = problems_of(read, write, MOCO, ("  q: projector", "  query: projector"), ("critic(q, k,", "critic(qery, k,"), ("queue: push(k)", "queue: push(qery)"))  # fmt: skip
    assert [int(f.split(":")[1]) for f in found] == [15, 20]
    assert all("did you mean 'query'?" in f for f in found)


# -- what an extended graph leaves behind ---------------------------------------------------------------------------


def variant(write: Write, text: str, *sets: str) -> list[str]:
    write(BYOL, name="base.yaml")
    return problems_of(lambda: load(write(f"extends: base.yaml\n{text}"), sets))


def test_lines_left_over_from_a_removed_node_say_where_it_was_removed(write: Write, tmp_path: Path) -> None:
    use, update = variant(write, "nodes:\n  target: null\n")
    where = f"it was removed at {tmp_path / 'graph.yaml'}:3"
    assert "base.yaml:14:6: no node is called 'target'" in use
    assert f"hint: {where}; change this line too, or take it out with null" in use
    assert "base.yaml:19:3: no node is called 'target'" in update
    assert f"hint: {where}; `target: null` under update: takes this line out too" in update


def test_a_node_removed_from_the_command_line(write: Write) -> None:
    for found in variant(write, "graph: x\n", "nodes.target=null"):
        assert "hint: it was removed by --set nodes.target=null;" in found


def test_what_follows_a_removed_node(write: Write, tmp_path: Path) -> None:
    (found,) = variant(write, "nodes: {projector: null}\nflow: {p: predictor(encoder(x))}\n")
    assert "base.yaml:8:46: no node is called 'projector'" in found
    assert f"hint: it was removed at {tmp_path / 'graph.yaml'}:2" in found


def test_what_uses_a_removed_value(write: Write, tmp_path: Path) -> None:
    (found,) = variant(write, "flow: {z: null}\n")
    assert "base.yaml:15:16: no value is called 'z'" in found
    assert f"hint: it was removed at {tmp_path / 'graph.yaml'}:2; change this line too" in found


def test_a_section_that_was_removed(write: Write) -> None:
    (found,) = variant(write, "nodes: null\n")
    assert "graph.yaml:2:1: 'nodes' is missing" in found
    assert "this null takes it out of the extended graph" in found


def test_a_null_for_what_is_not_there(write: Write) -> None:
    (found,) = variant(write, "nodes: {targt: null}\n")
    assert "graph.yaml:2:16: 'targt' is null" in found
    assert "null removes what an extended graph has; did you mean 'target'?" in found


@pytest.mark.parametrize(
    ("further", "sample"),
    [
        ("", None), ("nodes: {bank: {momentum: 0.9}}", None), ("nodes: {bank: {sample: 8}}", 8),
        ("nodes: {bank: {use: negatives.memory_bank}}", None), ("train: {epochs: 1}", None),
    ],
)  # fmt: skip
def test_a_null_is_the_value_of_an_option_that_takes_it(write: Write, further: str, sample: int | None) -> None:
    """Also where that is not its default; of other options the default is back."""
    write("extends: npid\nnodes: {bank: {sample: null}, critic: {temperature: null}}", name="all.yaml")
    nodes = read(write, f"extends: all.yaml\n{further}").resolved()["nodes"]
    assert (nodes["bank"]["sample"], nodes["critic"]["temperature"]) == (sample, 1.0)


def test_a_null_counts_for_the_node_that_it_was_said_of(write: Write) -> None:
    write("extends: npid\nnodes: {bank: {sample: null}}", name="all.yaml")
    write("extends: all.yaml\nnodes: {bank: null}", name="none.yaml")
    nodes = read(write, "extends: none.yaml\nnodes: {bank: {use: negatives.memory_bank}}").resolved()["nodes"]
    assert nodes["bank"]["sample"] == 4096


def test_a_part_of_a_graph_that_extends_nothing(write: Write) -> None:
    (found,) = problems_of(read, write, "nodes: {critic: {use: critic.dot}}\n")
    assert "'graph', 'flow' and 'loss' are missing" in found
    assert "a variant says which graph it extends:" in found


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

"""What is wrong with a graph: each mistake is said once, with its place, and all of them together."""

from __future__ import annotations

import pytest
from conftest import BYOL, MOCO, Write, problems_of
from wired import read

from graphssl.errors import GraphError
from graphssl.graph.read import load

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
    ("name in two lines", [("  k: target", "  x, y: target(batch.image)\n  k: target")], 14, "two lines give a value called 'x'", "line 12 gives it too"),
    ("too many names", [("  x: augment", "  a, b, x: augment")], 12, "3 names for 2 views", ""),
    ("names for one view", [("blur: 0}", "blur: 0, views: 1}"), ("  x: augment", "  a, b: augment"), ("x[0]", "a"), ("x[1]", "b")], 12, "2 names for one view", ""),
    ("index of a sample", [("{use: negatives.queue, size: 48}", "{use: negatives.memory_bank, sample: 8}"), ("queue: push(k)", "queue: store(batch.index, k)")], 15, "queue needs 'index': [b]", "it is queue(batch.index)"),
    ("part that is switched off", [("  x: augment", "  x, boxes: augment")], 12, "'augment' gives no part 'boxes'", "'augment' has it with boxes: true"),
    ("part of one view, switched off", [("blur: 0}", "blur: 0, views: 1}"), ("  x: augment", "  x, boxes: augment")], 12, "'augment' gives no part 'boxes'", "'augment' has it with boxes: true"),
    ("parts in another order", [("width: 8, norm", "width: 8, maps: [layer4], norm"), ("  q: projector(encoder(x[0]))", "  layer4, v: encoder(x[0])\n  q: projector(v)"), ("of: [encoder, projector]", "of: [projector]"), ("x[1]", "v")], 13, "'layer4' is number 2 of the parts, and number 1 of the names", "names are given in the order of the parts: vector, layer4"),
    ("part of what a target follows", [("  k: target(x[1])", "  v, layer4: target(x)\n  k: target(x[1])")], 14, "'target' gives no part 'layer4'", "'encoder' has it with maps: [layer4]"),
    ("part of none", [("  x: augment", "  x, boxes, b: augment")], 12, "'augment' gives no part 'boxes'", ""),
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


def test_a_section_that_was_removed(write: Write) -> None:
    write(BYOL, name="base.yaml")
    (found,) = problems_of(read, write, "extends: base.yaml\nnodes: null\n")
    assert "graph.yaml:2:1: 'nodes' is missing" in found
    assert "this null takes it out of the extended graph" in found


def test_a_value_under_another_key_than_in_the_extended_graph(write: Write) -> None:
    write(MOCO, ("x: augment", "a, b: augment"), ("x[0]", "a"), ("x[1]", "b"), name="base.yaml")
    again = "extends: base.yaml\nflow:\n  a: augment(batch.image)[1]\n"
    (found,) = problems_of(read, write, again)
    assert "graph.yaml:3:3: two lines give a value called 'a'" in found
    assert "`a, b:` of" in found
    assert "line 12, gives it too; `a, b: null` takes that out" in found
    out = again.replace("flow:\n", "flow:\n  a, b: null\n  b: augment(batch.image)[0]\n")
    assert read(write, out).values.keys() >= {"a", "b"}


def test_a_null_for_what_is_not_there(write: Write) -> None:
    write(BYOL, name="base.yaml")
    (found,) = problems_of(read, write, "extends: base.yaml\nnodes: {targt: null}\n")
    assert "graph.yaml:2:16: 'targt' is null" in found
    assert "null removes what an extended graph has; did you mean 'target'?" in found


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


def test_a_state_of_a_whole_bank_is_written_between_epochs(write: Write) -> None:
    clusters = [
        ("  queue:     {use: negatives.queue, size: 48}", "  queue: {use: negatives.queue, size: 48}\n  bank: {use: negatives.memory_bank}\n"
         "  clusters: {use: target.clusters, of: bank, count: 8}"),
        ("  queue: push(k)", "  queue: push(k)\n  bank: store(batch.index, k)"),
    ]  # fmt: skip
    with pytest.raises(GraphError) as error:
        load(write(MOCO, *clusters))
    hints = {p.about: p.hint for p in error.value.problems}
    assert hints == {"clusters": "in update: write clusters: {call: fit(), every: epoch}"}

"""What of a step several processes do apart, what they gather, and how many bytes that is."""

from __future__ import annotations

import pytest
from conftest import BYOL, MOCO, SIMCLR, Write
from helpers import CPU
from processes import DROPPING

from graphssl.checks.checked import Checked, check
from graphssl.checks.shapes import Shapes
from graphssl.cli.describe import bytes_text, describe
from graphssl.errors import GraphError
from graphssl.graph.graph import Graph
from graphssl.program.assemble import compile_graph
from graphssl.program.emission import Emission
from graphssl.program.placing import Placing
from graphssl.program.traffic import traffic

WIDTH, BATCH, NUMBER = 8, 16, 4  # of embeddings, of the graphs, and bytes of a number


def code(write: Write, text: str, processes: int, *changes: tuple[str, str]) -> list[str]:
    checked = check(write(text, *changes))
    return compile_graph(checked.graph, checked.shapes, CPU, processes=processes).code().splitlines()


def of(checked: Checked) -> tuple[Graph, Shapes]:
    return checked.graph, checked.shapes


def placed(checked: Checked) -> Placing:
    emission = Emission(*of(checked), 2)
    emission.forward()
    return emission.placing


def test_one_process_gathers_nothing(write: Write) -> None:
    assert not any("world" in line for line in code(write, SIMCLR, 1))


def test_in_batch_negatives_gather_the_keys_and_nothing_else(write: Write) -> None:
    gathered = [line for line in code(write, SIMCLR, 2) if "world_gathered" in line]
    assert [line.strip().split(" = ")[0] for line in gathered] == ["z_0_all", "z_1_all"]
    own = [line for line in code(write, SIMCLR, 2) if "own_part" in line]
    assert len(own) == 1, "masks say something of each query, of which a process has its own"


def test_without_negatives_nothing_is_gathered(write: Write) -> None:
    assert not any("world" in line for line in code(write, BYOL, 2))


def test_a_queue_is_written_with_all_keys(write: Write) -> None:
    lines = code(write, MOCO, 2)
    assert [line.strip() for line in lines if "world_gathered" in line] == ["k_all = graphssl_world_gathered(k)"]
    assert "    push = queue.push(k)" in lines


def test_what_is_no_sample_of_the_batch_is_not_parted(write: Write) -> None:
    """SwAV's queue is as long as the batch, or a multiple of it, and is whole in every process."""
    change = ("  queue:     {use: negatives.queue, size: 48}\n", "  queue:     {use: negatives.queue, size: 32}\n")
    lines = code(write, MOCO, 2, change)
    assert not any("own_part" in line for line in lines)


def test_a_norm_that_gets_other_things_too_computes_all_of_the_batch(write: Write) -> None:
    checked = check(
        write(
            MOCO,
            ("  critic:    {", "  refine:    {use: head.mlp, hidden: 16, out: 8}\n  entries:   {use: context.entries}\n"
             "  size:      {use: objective.norm}\n  critic:    {"),
            ("s: critic(q, k, queue())", "r: refine(q)\n  old: refine(entries(queue()))\n  s: critic(r, k, queue())"),
            ("infonce: objective(s)", "infonce: objective(s)\n  old: 0.1 * size(old)"),
        )
    )  # fmt: skip
    assert "is called on what is no part of the batch too" in traffic(checked.graph, checked.shapes, 2).whole["refine"]


def test_what_couples_the_batch_gets_all_of_it(write: Write) -> None:
    change = ("objective.infonce", "objective.dv")
    assert any("s_" in line and "world_gathered" in line for line in code(write, SIMCLR, 2, change))


def dropping(write: Write, layer: str, *changes: tuple[str, str]) -> Checked:
    head, own = "head.mlp, hidden: 16, out: 8, norm: none", ("graph: moco", "graph: moco\ncomponents: [./dropping.py]")
    path = write(MOCO, own, (head, f"head.dropping, layer: {layer}"), *changes)
    path.with_name("dropping.py").write_text(DROPPING)
    return check(path)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ("own", "it draws numbers of its own, for all samples at once: rand"),
        ("functional", "it draws numbers of its own, for all samples at once: bernoulli"),
        ("noise", "it draws numbers of its own, for all samples at once: randn_like in 'projector.layers.1' (Noise)"),
        ("alpha", "it draws numbers of its own, for all samples at once: bernoulli in 'projector.layers.1'"),
        ("tokens_first", "'projector.layers.1.drop' draws, and the first axis of what it gets is not the samples'"),
    ],
)
def test_a_node_that_draws_for_all_samples_at_once_says_so(write: Write, layer: str, reason: str) -> None:
    checked = dropping(write, layer)
    assert traffic(checked.graph, checked.shapes, 2).whole["projector"].startswith(reason)
    assert f"'projector' computes the whole batch in every process: {reason}" in describe(checked, 2)


@pytest.mark.parametrize("layer", ["dropout", "inplace", "depth", "path", "tokens", "own, p: 0", "dropout, p: 0"])
def test_masks_are_drawn_for_all_and_parted(write: Write, layer: str) -> None:
    if layer == "own, p: 0":  # it draws all the same
        assert "projector" in traffic(*of(dropping(write, layer)), 2).whole
        return
    placing = placed(dropping(write, layer))
    assert not placing.why
    name = "projector.layers.1.drop" if layer == "tokens" else "projector.layers.1"
    shape = (256, 8) if layer == "tokens" else (16, 8)
    assert placing.masks == ({} if layer.endswith("0") else {name: {shape: 1}})


def test_a_mask_knows_of_how_many_views_it_is(write: Write) -> None:
    fold = ("z: projector(encoder(x, views=fold))", "z: projector(encoder(x, views=fold), views=fold)")
    text = SIMCLR.replace("graph: simclr\n", "graph: simclr\ncomponents: [./dropping.py]\n")
    path = write(text, fold, ("head.mlp, hidden: 16, out: 8", "head.dropping"))
    path.with_name("dropping.py").write_text(DROPPING)
    assert placed(check(path)).masks == {"projector.layers.1": {(32, 8): 2}}


def test_dropout_that_gets_other_things_too_is_of_all_of_the_batch(write: Write) -> None:
    checked = dropping(
        write, "dropout",
        ("  critic:    {", "  refine:    {use: head.dropping}\n  silent:    {use: head.silent}\n  critic:    {"),
        ("s: critic(q, k, queue())", "r: refine(q)\n  t: refine(silent(q))\n  s: critic(r, k, queue())\n"
         "  s2: critic(t, k, queue())"),
        ("infonce: objective(s)", "infonce: objective(s)\n  other: objective(s2)"),
    )  # fmt: skip
    placing = placed(checked)
    assert placing.why == {"refine": "its dropout is called on what is no part of the batch too"}
    assert placing.masks.keys() == {"projector.layers.1"}


def test_a_node_that_cannot_be_parted_says_why(write: Write) -> None:
    checked = check(write(MOCO, ("splits: 4", "splits: 3"), ("batch: 16", "batch: 12")))
    assert "batch norm over 3 parts" in traffic(*of(checked), 2).whole["encoder"]
    assert "'encoder' computes the whole batch in every process" in describe(checked, 2)


def test_bytes_of_what_is_gathered(write: Write) -> None:
    """A ring: each of n sends (n - 1) / n of all, and as much of the gradient."""
    checked = check(write(SIMCLR))
    sent = {one.what: one.bytes for one in traffic(checked.graph, checked.shapes, 4).sent}
    assert sent["z_0, gathered"] == 2 * (3 / 4) * BATCH * WIDTH * NUMBER
    weights = sum(p.numel() for m in checked.shapes.modules.values() for p in m.parameters() if p.requires_grad)
    assert sent["gradients"] == 2 * (3 / 4) * weights * NUMBER


def test_what_an_update_takes_has_no_gradient(write: Write) -> None:
    checked = check(write(MOCO))
    found = traffic(checked.graph, checked.shapes, 2)
    sent = {one.what: one.bytes for one in found.sent}
    assert sent["k, gathered"] == 0.5 * BATCH * WIDTH * NUMBER
    assert "statistics of batch norms" not in sent, "4 parts of the batch, 2 in each process"
    assert not found.whole


def test_a_batch_that_does_not_part_is_refused(write: Write) -> None:
    with pytest.raises(GraphError, match=r"3 processes cannot part a batch of 16 evenly(.|\n)*15 or 18 can be parted"):
        describe(check(write(SIMCLR)), 3)


@pytest.mark.parametrize(
    ("size", "text"), [(12, "12 B"), (2048, "2.0 KiB"), (3 * 2**20, "3.0 MiB"), (2**31, "2.0 GiB")]
)
def test_bytes_in_words(size: int, text: str) -> None:
    assert bytes_text(size) == text


def test_updates_take_what_is_whole(write: Write) -> None:
    checked = check(write(MOCO))
    emission = Emission(checked.graph, checked.shapes, 2)
    emission.forward()
    assert emission.placing.processes == 2
    assert not any("world" in str(node.target) for node in emission.commit().nodes)
    assert emission.placing.processes == 2

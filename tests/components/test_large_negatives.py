"""Scores of which only a piece is held at a time: the same numbers as at once, alone, compiled and in a graph."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import MOCO, Write
from helpers import arguments, program_of
from large_samples import BY_PIECES_TOO, Critic, D, bank, both_ways, critic, objective, small, values
from score_samples import node
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from graphssl.api import check
from graphssl.component import build
from graphssl.components.critic import Bilinear, Clip, Cosine, Dot, Euclidean, Separable, picked
from graphssl.components.negatives import InBatch
from graphssl.components.target import Nearest
from graphssl.ports import Negatives, Own, detached, pieces
from graphssl.program.program import Program

AT_ONCE = ("multi_positive", "triplet", "f_divergence")


# -- the same numbers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("learns", [False, True])
@pytest.mark.parametrize("cls", [Cosine, Dot, Bilinear, Separable])
@pytest.mark.parametrize("name", BY_PIECES_TOO)
def test_by_pieces_a_loss_is_the_same(
    name: str, cls: Critic, learns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    query, key, entries = values(entries_learn=learns)
    scorer, loss_of = critic(cls), objective(name)
    leaves = [query, key, *scorer.parameters(), *loss_of.parameters(), *([entries] if learns else [])]

    def run() -> Any:
        scores = scorer(query, key, Negatives(entries))
        loss = loss_of(scores)
        return scores.pairs is None, [loss, loss_of.bound(loss, scores) if hasattr(loss_of, "bound") else loss], \
            torch.autograd.grad(loss, leaves)  # fmt: skip

    (whole, loss, gradient), (whole_too, loss_too, gradient_too) = both_ways(monkeypatch, run)
    assert (whole, whole_too) == (True, False)
    torch.testing.assert_close(loss_too, loss, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient_too, gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("marks", ["own", "mask", "same", "mask and same", "own and same", "all"])
@pytest.mark.parametrize("name", BY_PIECES_TOO)
def test_by_pieces_marks_mean_the_same(name: str, marks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, entries = values()
    mask, same = torch.rand(2, 5, 31, generator=torch.Generator().manual_seed(2)) < 0.3
    mask[1] = True
    given = {
        "mask": Own(torch.tensor([0, 5, 6, 17, 30]), 31) if "own" in marks else mask if "mask" in marks else None,
        "same": same if "same" in marks else None,
    }
    if marks == "all":
        given["mask"] = torch.ones_like(mask)

    loss_of = objective(name)

    def run() -> Any:
        scores = critic(Dot)(query, key, Negatives(entries, None, **given))
        loss, leaves = loss_of(scores), [query, key, entries, *loss_of.parameters()]
        return loss, torch.autograd.grad(loss, leaves, allow_unused=marks == "all")

    one, two = both_ways(monkeypatch, run)
    torch.testing.assert_close(two[0], one[0], rtol=1e-12, atol=1e-12)
    for found, expected in zip(two[1], one[1], strict=True):
        if expected is not None:
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_the_exact_softmax_over_a_bank_is_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    """-log of exp(v_i f / t) over the sum of exp(v_j f / t) over all j: instance discrimination, equation 2."""
    small(monkeypatch)
    store, index = bank(40, sample=None).double(), torch.tensor([3, 39, 0, 17])
    query = torch.randn(4, D, dtype=torch.float64, requires_grad=True)
    key = store.keys[index]
    scores = critic(Cosine, temperature=0.1)(query, key, store(index))
    assert scores.pairs is not None
    loss = objective("infonce")(scores)
    terms = []
    for i in range(4):
        unit = query[i] / (query[i] * query[i]).sum().sqrt()
        shares = torch.stack([torch.exp((unit * entry / entry.norm()).sum() / 0.1) for entry in store.keys])
        terms.append(-torch.log(shares[index[i]] / shares.sum()))
    expected = torch.stack(terms).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(*(torch.autograd.grad(t, query) for t in (loss, expected)), rtol=1e-9, atol=1e-12)


def test_noise_contrastive_estimation_over_a_bank_is_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    """-log h(T+) - sum_j log(1 - h(T-_j)), h = P / (P + m / N), P = exp(T) / Z: instance discrimination, equation 7."""
    small(monkeypatch)
    store, index, log_z = bank(40, sample=None).double(), torch.tensor([3, 39, 0, 17]), -0.7
    query = torch.randn(4, D, dtype=torch.float64, requires_grad=True)
    scores = critic(Cosine, temperature=0.3)(query, store.keys[index], store(index))
    assert scores.pairs is not None
    loss = node("nce_fixed", log_z=log_z)(scores)
    terms = []
    for i in range(4):
        share = [
            torch.exp((query[i] @ e) / query[i].norm() / e.norm() / 0.3) / (40 * math.exp(log_z)) for e in store.keys
        ]
        data = [p / (p + 39 / 40) for p in share]
        terms += [-torch.log(p if j == index[i] else 1 - p) for j, p in enumerate(data)]
    expected = torch.stack(terms).sum() / 4
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(*(torch.autograd.grad(t, query) for t in (loss, expected)), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", AT_ONCE)
def test_an_objective_that_needs_all_scores_gets_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, entries = values()

    def run() -> Tensor:
        return node(name)(critic(Cosine)(query, key, Negatives(entries, None, Own(torch.arange(5), 31))))

    torch.testing.assert_close(*both_ways(monkeypatch, run))


@pytest.mark.parametrize("learns", [False, True])
@pytest.mark.parametrize("cls", [Cosine, Dot, Bilinear])
@pytest.mark.parametrize("name", ["infonce", "nce_learned", "nwj", "score_penalty", "f_divergence"])
def test_clipped_scores_stay_uncomputed(name: str, cls: Critic, learns: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, entries = values(entries_learn=learns)
    scorer, clip, loss_of = critic(cls), build(Clip, limit=2.0), objective(name)
    leaves = [query, key, *scorer.parameters(), *loss_of.parameters(), *([entries] if learns else [])]
    states = []

    def run() -> Any:
        clipped = clip(scorer(query, key, Negatives(entries, None, Own(torch.arange(5), 31))))
        states.append(clipped.pairs is None)
        loss = loss_of(clipped)
        return loss, torch.autograd.grad(loss, leaves)

    one, two = both_ways(monkeypatch, run)
    torch.testing.assert_close(two, one, rtol=1e-9, atol=1e-12)
    assert states == [True, False]


@pytest.mark.parametrize("limit", [{"from": 3.0, "to": 1.0}, 3.0])
def test_what_is_clipped_twice_is_so_by_pieces_too(limit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, entries = values()
    first, second = build(Clip, limit=2.0), build(Clip, limit=limit)

    def run() -> Any:
        scores = critic(Dot)(query, key, Negatives(entries))
        return [objective("infonce")(clip(s)) for clip, s in ((second, scores), (second, first(scores)))]

    torch.testing.assert_close(*both_ways(monkeypatch, run))


@pytest.mark.parametrize("marks", ["none", "own", "mask"])
def test_the_nearest_of_a_large_support_is_the_same_by_pieces(marks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, key, entries = values(n=60)
    mask = torch.rand(5, 60, generator=torch.Generator().manual_seed(2)) < 0.8
    mask[1] = True
    given = {"none": None, "own": Own(torch.arange(5), 60), "mask": mask}[marks]
    nearest = build(Nearest)
    one, two = both_ways(monkeypatch, lambda: nearest(key, Negatives(entries, None, given)))
    assert torch.equal(one, two)
    if marks == "mask":
        assert torch.equal(two[1], key[1])
    assert not two.requires_grad


def test_compiled_the_nearest_is_found_in_one_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    torch._dynamo.reset()
    _, key, entries = values(n=60, entries_learn=False)
    nearest = build(Nearest)

    def find(key: Tensor) -> Any:
        return nearest(key, Negatives(entries, None, Own(torch.arange(5), 60)))

    assert torch.equal(find(key), torch.compile(find, fullgraph=True, backend="aot_eager")(key))


def test_distances_are_all_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    query, key, entries = values()
    assert critic(Euclidean)(query, key, Negatives(entries)).pairs is None


@pytest.mark.parametrize("cls", [Cosine, Dot])
def test_in_batch_negatives_learn_by_pieces_as_at_once(cls: Critic, monkeypatch: pytest.MonkeyPatch) -> None:
    z = torch.randn(12, D, dtype=torch.float64, requires_grad=True)

    def run() -> Any:
        views = z.chunk(2)
        loss = objective("infonce")(critic(cls)(*views, build(InBatch)(views)))
        return loss, torch.autograd.grad(loss, z)

    torch.testing.assert_close(*both_ways(monkeypatch, run), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_scored_in_float32_by_pieces_too(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    query, key, entries = (t.detach().to(dtype) for t in values())
    query.requires_grad_()
    for cls in (Cosine, Dot, Bilinear):
        with torch.autocast("cpu", torch.bfloat16):
            loss = objective("infonce")(critic(cls, torch.float32)(query, key, Negatives(entries)))
            (gradient,) = torch.autograd.grad(loss, query)
        exact = query.detach().double().requires_grad_()
        expected = objective("infonce")(critic(cls)(exact, key.double(), Negatives(entries.double())))
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(
            gradient.double(), torch.autograd.grad(expected, exact)[0], rtol=2e-2, atol=1e-3
        )  # fmt: skip


@pytest.mark.parametrize("b", [4, 10])
def test_negatives_of_other_samples_are_refused_however_many(b: int, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    query, key, entries = values()
    for given in (Own(torch.arange(b), 31), torch.zeros(b, 31, dtype=torch.bool)):
        with pytest.raises(ValueError, match=f"made for {b} samples, and there are 5 queries"):
            critic(Dot)(query, key, Negatives(entries, None, given))


# -- picked entries ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [Cosine, Dot, Bilinear])
@pytest.mark.parametrize("size", [1, 6 * 4 * 8 * 2, 10**6])  # one row a piece; two, the last of one; all
@pytest.mark.parametrize("n", [300, 150])  # few of them are picked, or many
def test_picked_scores_are_those_of_the_formula(
    n: int, cls: Critic, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    for module in (pieces, picked):
        monkeypatch.setattr(module, "PIECE", size)
    monkeypatch.setattr(picked, "LEAST", 2)
    query, key, entries = values(n=n, entries_learn=False)
    pick = torch.randint(n, (5, 4), generator=torch.Generator().manual_seed(1))
    pick[0] = pick[0, 0]  # drawn more than once
    scorer = critic(cls, temperature=0.3)
    scores = scorer(query, key, Negatives(entries, pick))
    side = query @ scorer.weight if cls is Bilinear else query
    rows = []
    for i in range(5):
        length = side[i].norm() if cls is Cosine else 1
        rows.append([(side[i] * e).sum() / length / (e.norm() if cls is Cosine else 1) / 0.3 for e in entries[pick[i]]])
    expected = torch.stack([torch.stack(row) for row in rows])
    torch.testing.assert_close(scores.negative, expected, rtol=1e-12, atol=1e-12)
    weights = torch.linspace(-1, 2, 20, dtype=torch.float64).view(5, 4)
    leaves = [query, *scorer.parameters()]
    found, theirs = (torch.autograd.grad((t * weights).sum(), leaves) for t in (scores.negative, expected))
    torch.testing.assert_close(found, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("n", [300, 150])
@pytest.mark.parametrize("cosine", [False, True])
def test_the_operator_for_picked_entries_is_what_torch_asks_of_one(cosine: bool, n: int) -> None:
    query, _, entries = values(n=n, entries_learn=False)
    pick = torch.randint(n, (5, 4))
    torch.library.opcheck(torch.ops.graphssl.picked_products.default, (query, entries, pick, cosine))


@pytest.mark.parametrize(("n", "every"), [(300, False), (150, True)])
def test_the_cheaper_way_to_picked_scores_is_taken_and_counted(n: int, every: bool) -> None:
    query, _, entries = values(n=n, entries_learn=False)
    pick = torch.randint(n, (5, 4))
    with FlopCounterMode(display=False) as counter:
        picked.picked_products(query, entries, pick, False).sum().backward()
    assert counter.get_total_flops() == 2 * 2 * 5 * (n if every else 4) * D
    with FlopCounterMode(display=False) as counter:
        picked._picked_products._init_fn(query, entries, pick, False)  # what the operator itself does
    assert counter.get_total_flops() == 2 * 5 * (n if every else 4) * D


def test_no_picks_are_no_scores() -> None:
    query, key, entries = values(entries_learn=False)
    scores = critic(Dot)(query, key, Negatives(entries, torch.empty(5, 0, dtype=torch.int64)))
    assert scores.negative.shape == (5, 0)


# -- in a step ---------------------------------------------------------------------------------------------------

FULL_SOFTMAX = (
    ("queue:     {use: negatives.queue, size: 48}", "queue:     {use: negatives.memory_bank, sample: null}"),
    ("queue())", "queue(batch.index))"),
    ("queue: push(k)", "queue: store(batch.index, k)"),
)

SETTLES = (
    ("objective.infonce", "objective.nce"),
    ("store(batch.index, k)", "store(batch.index, k)\n  objective: settle(s)"),
)


def ran(graph: Path) -> tuple[Program, dict[str, Any]]:
    """A graph's program, and what its forward pass gives for a batch of 16."""
    program = program_of(check(graph))
    return program, program.forward.train()(*arguments(program, index=torch.arange(16) * 50))


@pytest.mark.parametrize("changes", [(), FULL_SOFTMAX], ids=["queue", "bank"])
def test_a_graph_gives_the_same_by_pieces(
    changes: tuple[tuple[str, str], ...], write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> tuple[Tensor, Tensor, Tensor]:
        program, out = ran(write(MOCO, *changes))
        out["loss"].backward()
        gradient = next(program.node("projector").parameters()).grad
        assert isinstance(gradient, Tensor)
        return out["loss"].detach(), out["bounds"]["infonce"], gradient

    at_once, by_pieces = both_ways(monkeypatch, run, size=16 * 4 * 10)
    torch.testing.assert_close(by_pieces, at_once, rtol=1e-4, atol=1e-5)


def test_updates_read_scores_as_they_were_when_the_step_began(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that were left uncomputed: the bank is written before the objective's constant settles."""

    def run() -> Tensor:
        program, out = ran(write(MOCO, *FULL_SOFTMAX, *SETTLES))
        with torch.no_grad():
            program.commit(*out["carried"])
        log_z = program.node("objective").log_z
        assert isinstance(log_z, Tensor)
        return log_z.clone()

    torch.testing.assert_close(*both_ways(monkeypatch, run, size=16 * 4 * 10))


@pytest.mark.parametrize("name", ["nce", "nce_learned", "jsd", "nwj", "score_penalty"])
def test_compiled_an_objective_is_one_graph_with_the_same_numbers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    torch._dynamo.reset()
    query, key, entries = values()
    scorer, clip, loss_of = critic(Dot), build(Clip, limit=2.0), objective(name)

    def step(query: Tensor, entries: Tensor) -> Tensor:
        scores = clip(scorer(query, key, Negatives(entries, None, Own(torch.arange(5), 31))))
        assert scores.pairs is not None
        return loss_of(scores)

    leaves = [query, key, entries, *loss_of.parameters()]
    one, two = (f(query, entries) for f in (step, torch.compile(step, fullgraph=True, backend="aot_eager")))
    torch.testing.assert_close(one, two)
    torch.testing.assert_close(*(torch.autograd.grad(loss, leaves) for loss in (one, two)))


class Shapes(TorchDispatchMode):
    """The shapes of all tensors that are made."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[int, ...]] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.seen |= {tuple(t.shape) for t in tree_leaves(result) if isinstance(t, Tensor) and not t.is_meta}
        return result


def test_no_update_computes_all_scores_either(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> bool:
        with Shapes() as shapes:
            program, out = ran(write(MOCO, *FULL_SOFTMAX, *SETTLES))
            out["loss"].backward()
            with torch.no_grad():
                program.commit(*out["carried"])
        return (16, 1500) in shapes.seen

    assert both_ways(monkeypatch, run, size=16 * 4 * 10) == (True, False)


@pytest.mark.parametrize("sample", [None, 3])
@pytest.mark.parametrize("cls", [Cosine, Bilinear])
def test_compiled_it_is_one_graph_with_the_same_numbers(
    cls: Critic, sample: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch)
    torch._dynamo.reset()
    store, scorer, loss_of = bank(200, sample=sample).double(), critic(cls, temperature=0.3), objective("infonce")
    query, key, _ = values()
    index = torch.arange(5) * 40
    draws = None if sample is None else store.draw(5, torch.Generator().manual_seed(0), torch.device("cpu"))

    def step(query: Tensor) -> tuple[Tensor, Tensor]:
        scores = scorer(query, key, store(index, draws))
        assert (scores.pairs is None) == (sample is not None)
        loss = loss_of(scores)
        return loss, loss_of.bound(loss.detach(), detached(scores))

    with torch.autocast("cpu", torch.bfloat16):
        results = [f(query) for f in (step, torch.compile(step, fullgraph=True, backend="aot_eager"))]
    torch.testing.assert_close(*results)
    one, two = (torch.autograd.grad(loss, [query, key, *scorer.parameters()]) for loss, _ in results)
    torch.testing.assert_close(one, two)

"""Banks and queues of which no step makes a copy, and scores of which only a piece is held at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import MOCO, Write
from score_samples import node
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from graphssl import pairs
from graphssl.api import check
from graphssl.compiler import Program, compile_graph
from graphssl.component import DataFacts, Sizes, build
from graphssl.components.critic import Bilinear, Clip, Cosine, Dot, Euclidean, Separable, picked
from graphssl.components.negatives import InBatch, MemoryBank, Queue
from graphssl.components.target import Nearest
from graphssl.ports import Negatives, Own, Pairs, detached

D = 6
BY_PIECES: dict[str, dict[str, Any]] = {
    "infonce": {}, "n_pair": {}, "dcl": {}, "dv": {}, "nce": {}, "nce_fixed": {"log_z": -0.5}, "nce_learned": {},
    "jsd": {}, "nwj": {}, "score_penalty": {},
}  # fmt: skip
BY_PIECES_TOO = {**BY_PIECES, "dcl weighted": {"weight": "von_mises"}}
AT_ONCE = ("supcon", "triplet", "f_divergence")
Critic = type[nn.Module]


def critic(cls: Critic, dtype: torch.dtype = torch.float64, d: int = D, **config: Any) -> nn.Module:
    torch.manual_seed(5)
    return build(cls, sizes=Sizes({"d": d, "e": d}), **config).to(dtype)


def objective(name: str) -> nn.Module:
    return node(name.split()[0], **BY_PIECES_TOO.get(name, {}))


def values(b: int = 5, n: int = 31, entries_learn: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key, entries: float64, with a gradient."""
    generator = torch.Generator().manual_seed(0)
    query, key, entries = (torch.randn(k, D, generator=generator, dtype=torch.float64) for k in (b, b, n))
    return query.requires_grad_(), key.requires_grad_(), entries.requires_grad_(entries_learn)


def bank(samples: int, d: int = D, **config: Any) -> MemoryBank:
    torch.manual_seed(0)
    made = build(MemoryBank, sizes=Sizes({"d": d}, DataFacts(samples=samples)), **config)
    assert isinstance(made, MemoryBank)
    return made


def small(monkeypatch: pytest.MonkeyPatch, size: int = 240) -> None:
    """Pieces of so few bytes that scores of the tests are large."""
    monkeypatch.setattr(pairs, "PIECE", size)
    monkeypatch.setattr(picked, "PIECE", size)


def both_ways(monkeypatch: pytest.MonkeyPatch, run: Callable[[], Any], size: int = 240) -> tuple[Any, Any]:
    """The same at once, and by pieces."""
    at_once = run()
    small(monkeypatch, size)
    return at_once, run()


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
    for module in (pairs, picked):
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


def test_where_picked_entries_learn_all_scores_are_less_than_what_is_picked(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    entries, query = torch.randn(100, 64, requires_grad=True), torch.randn(16, 64)
    negatives = Negatives(entries, torch.randint(100, (16, 50)))
    scorer = critic(Dot, torch.float32, d=64)
    largest, _ = allocated(lambda: scorer(query, query, negatives).negative.sum().backward())
    assert largest <= entries.nbytes < 16 * 50 * 64 * 4 // 3


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
    checked = check(graph)
    program = compile_graph(checked.graph, checked.shapes, torch.device("cpu"), 0)
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (16, 3, 32, 32), dtype=torch.uint8, generator=generator)
    fields = {"image": image, "index": torch.arange(16) * 50}
    draws = program.draw(16, generator, torch.device("cpu"))
    return program, program.forward.train()(*(fields[k] for k in program.inputs), *draws)


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


# -- memory and writes -------------------------------------------------------------------------------------------


def allocated(function: Callable[[], object]) -> tuple[int, int]:
    """Bytes of the largest tensor that a function makes, and of the most that it holds at a time."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        function()
    changes = [e.nbytes() for e in record.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = torch.tensor([0, *changes]).cumsum(0)
    return max(changes, default=0), int(held.max())


def test_the_measure_sees_a_copy_and_what_is_kept() -> None:
    x = torch.randn(1000)
    assert allocated(lambda: x.clone()) == (4000, 4000)
    assert allocated(lambda: (x.clone(), x.clone()))[1] == 8000
    assert allocated(lambda: [x.clone().sum() for _ in range(3)])[1] < 5000


B, N = 8, 1_000_000


STEPS = [*((name, Cosine, False, N // 8) for name in BY_PIECES), ("infonce", Dot, False, N), ("nce", Cosine, True, N)]


@pytest.mark.parametrize(("name", "cls", "clips", "n"), STEPS)
def test_a_step_over_a_million_entries_holds_neither_their_scores_nor_a_copy_of_the_bank(
    name: str, cls: Critic, clips: bool, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are 32 n bytes, and a piece n."""
    small(monkeypatch, n)
    store, scorer, loss_of = bank(n, d=8, sample=None), critic(cls, torch.float32, d=8), objective(name)
    query, index = torch.randn(B, 8, requires_grad=True), torch.arange(B) * 1000
    clip = build(Clip)

    def step() -> None:
        scores = scorer(query, query.detach(), store(index))
        scores = clip(scores) if clips else scores
        loss = loss_of(scores)
        if hasattr(loss_of, "bound"):
            loss_of.bound(loss.detach(), scores)
        loss.backward()
        with torch.no_grad():
            if hasattr(loss_of, "settle"):
                loss_of.settle(detached(scores))
            store.store(index, query)

    largest, most = allocated(step)
    assert largest <= n
    assert most <= 8 * n


def test_looking_for_the_nearest_of_a_million_entries_holds_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch, N)
    store, nearest, key = bank(N, d=8, sample=None), build(Nearest), torch.randn(B, 8)
    largest, most = allocated(lambda: nearest(key, store(torch.arange(B))))
    assert largest <= N
    assert most <= 8 * N


def test_by_default_scores_of_more_than_16_mebibytes_are_left_uncomputed() -> None:
    store, scorer = bank(N, d=8, sample=None), critic(Cosine, torch.float32, d=8)
    query = torch.randn(B, 8)
    assert pairs.PIECE == picked.PIECE == 16 * 2**20 < B * N * 4
    assert isinstance(scorer(query, query, store(torch.arange(B))).pairs, Pairs)
    assert scorer(query[:4], query[:4], store(torch.arange(4))).pairs is None


@pytest.mark.parametrize("cls", [Cosine, Dot])
def test_picking_few_entries_of_a_bank_copies_neither_the_bank_nor_all_that_are_picked(
    cls: Critic, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest, most = picking(cls, N, B, 512, 32, monkeypatch)
    assert largest <= 2 * 512 * 32 * 4
    assert most < B * 512 * 32 * 4


@pytest.mark.parametrize("cls", [Cosine, Dot])
def test_picking_many_entries_of_a_bank_copies_it_neither_nor_holds_the_scores_of_all(
    cls: Critic, monkeypatch: pytest.MonkeyPatch
) -> None:
    n, b, d = 20_000, 256, 64
    largest, most = picking(cls, n, b, n // 50, d, monkeypatch)
    assert largest <= picked.LEAST * n * 4
    assert most < n * d * 4 < b * n * 4 // 3


def picking(cls: Critic, n: int, b: int, m: int, d: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """What a step with m picked entries of n allocates."""
    small(monkeypatch, 2**14)
    store, scorer = bank(n, d=d, sample=m), critic(cls, torch.float32, d=d)
    query, index = torch.randn(b, d, requires_grad=True), torch.arange(b)
    draws = store.draw(b, torch.Generator().manual_seed(0), torch.device("cpu"))
    return allocated(lambda: node("nce_fixed")(scorer(query, query.detach(), store(index, draws))).backward())


class Written(TorchDispatchMode):
    """Counts the bytes that operators write, of new tensors and into given ones."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.index_copy_.default:
            self.total += args[3].nbytes
        elif not func.is_view:
            self.total += sum(t.nbytes for t in (result if isinstance(result, tuple) else (result,)))
        return result


@pytest.mark.parametrize("b", [1, 256])
def test_a_queue_writes_the_keys_of_the_batch_and_no_more(b: int) -> None:
    queue = build(Queue, sizes=Sizes({"d": 128}), size=65536)
    assert isinstance(queue, Queue)
    key, place = torch.randn(b, 128), 8 * b
    with torch.no_grad(), Written() as written:
        queue.push(key)
    assert key.nbytes <= written.total <= key.nbytes + 4 * place + 64
    assert allocated(lambda: queue.push(key))[1] <= 4 * place + 64


def test_a_queue_that_were_copied_would_be_seen() -> None:
    ring, key = torch.zeros(65536, 128), torch.randn(256, 128)
    with Written() as written:
        torch.cat([ring[256:], key])
    assert written.total == ring.nbytes


def test_a_bank_writes_the_entries_of_the_batch_and_no_more() -> None:
    store = bank(65536, d=128)
    index, key = torch.arange(256), torch.randn(256, 128)
    with torch.no_grad(), Written() as written:
        store.store(index, key)
    assert written.total <= 12 * key.nbytes < store.keys.nbytes // 4
    assert allocated(lambda: store.store(index, key))[0] <= key.nbytes


@pytest.mark.gpu
def test_on_a_gpu_a_step_over_a_million_entries_holds_a_piece() -> None:
    store, scorer, loss_of = (
        bank(N, d=128, sample=None).cuda(),
        critic(Cosine, torch.float32, d=128),
        objective("infonce"),
    )
    query, index = torch.randn(256, 128, device="cuda", requires_grad=True), torch.arange(256, device="cuda")
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    loss_of(scorer(query, query.detach(), store(index))).backward()
    assert torch.cuda.max_memory_allocated() - before < 16 * pairs.PIECE < 256 * N * 4 // 3
    assert query.grad is not None
    exact = query.detach().double().requires_grad_()
    unit = nn.functional.normalize(exact, dim=1)
    others = (unit @ store.keys.double().T).masked_fill(store(index).mask, -math.inf)
    positive = (unit * unit.detach()).sum(1)
    expected = (torch.logaddexp(others.logsumexp(1), positive) - positive).mean()
    torch.testing.assert_close(query.grad.double(), torch.autograd.grad(expected, exact)[0], rtol=1e-3, atol=1e-6)


@pytest.mark.gpu
@pytest.mark.parametrize("name", BY_PIECES)
def test_on_a_gpu_a_step_by_pieces_never_waits_and_gives_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch, 2**14)
    store, scorer, clip = bank(3000, d=32, sample=None), critic(Cosine, torch.float32, d=32), build(Clip)
    nearest, loss_of = build(Nearest), objective(name)
    query, index = torch.randn(16, 32), torch.arange(16) * 100

    def step() -> tuple[Tensor, Tensor, Tensor]:
        leaf = query.detach().requires_grad_()
        negatives = store(index)
        loss = loss_of(clip(scorer(leaf, leaf.detach(), negatives)))
        return loss.detach(), torch.autograd.grad(loss, leaf)[0], nearest(leaf, negatives)

    expected = step()
    for module in (store, scorer, clip, loss_of):
        module.cuda()
    query, index = query.cuda(), index.cuda()
    step()  # what is read once, as the library of matrix products
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close([t.cpu() for t in found], list(expected), rtol=1e-3, atol=1e-4)

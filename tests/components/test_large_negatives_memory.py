"""Banks and queues of which no step makes a copy, and scores of which only a piece is held at a time."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from allocation import allocated
from large_samples import BY_PIECES, Critic, bank, critic, objective, small
from score_samples import node
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from graphssl.component import Sizes, build
from graphssl.components.critic import Clip, Cosine, Dot, picked
from graphssl.components.negatives import Queue
from graphssl.components.target import Nearest
from graphssl.ports import Negatives, Pairs, detached, pieces


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
    assert pieces.PIECE == picked.PIECE == 16 * 2**20 < B * N * 4
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


def test_where_picked_entries_learn_all_scores_are_less_than_what_is_picked(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    entries, query = torch.randn(100, 64, requires_grad=True), torch.randn(16, 64)
    negatives = Negatives(entries, torch.randint(100, (16, 50)))
    scorer = critic(Dot, torch.float32, d=64)
    largest, _ = allocated(lambda: scorer(query, query, negatives).negative.sum().backward())
    assert largest <= entries.nbytes < 16 * 50 * 64 * 4 // 3


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
    assert torch.cuda.max_memory_allocated() - before < 16 * pieces.PIECE < 256 * N * 4 // 3
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

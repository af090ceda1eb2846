"""Pairs that are not computed until they are asked for, against the same pairs one by one in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten
from torch.utils.flop_counter import FlopCounterMode

from graphssl import pairs as module
from graphssl.ports import Negatives, Own, Pairs, Scores, detached, held, joined, parted, tensors_of

B, N, D = 5, 23, 4


@pytest.fixture(autouse=True)
def pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of seven columns in float64, the last of two."""
    monkeypatch.setattr(module, "PIECE", 7 * 8 * B)


def values(b: int = B, n: int = N, scale: float = 2.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    made = (torch.randn(k, D, generator=generator, dtype=torch.float64) * scale for k in (b, n))
    return tuple(t.requires_grad_() for t in made)  # type: ignore[return-value]


def own(b: int = B, n: int = N) -> Own:
    """In the first piece, the last, and at the borders between them."""
    return Own(torch.tensor([0, 6, 7, 22, 13])[:b], n)


def some(b: int = B, n: int = N) -> Tensor:
    """A mask whose first row is all True, and with it whole pieces of the second."""
    mask = torch.rand(b, n, generator=torch.Generator().manual_seed(1)) < 0.4
    mask[0] = True
    mask[1, :14] = True
    return mask


MASKS: dict[str, Callable[[], Tensor | Own | None]] = {"none": lambda: None, "own": own, "some": some}
masks = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)


def plain(query: Tensor, entries: Tensor, mask: Tensor | Own | None, cosine: bool) -> Tensor:
    """log sum exp, pair by pair; 0 where there is no pair."""
    excluded = mask.whole() if isinstance(mask, Own) else mask
    rows = []
    for i, q in enumerate(query):
        kept = [e for j, e in enumerate(entries) if excluded is None or not excluded[i, j]]
        scores = [(q * e).sum() / ((e * e).sum().sqrt() if cosine else 1) for e in kept]
        rows.append(torch.stack(scores).exp().sum().log() if scores else 0 * q.sum())
    return torch.stack(rows)


@pytest.mark.parametrize("cosine", [False, True])
@masks
def test_values_and_gradients_are_those_of_the_formula(mask: Callable[[], Tensor | Own | None], cosine: bool) -> None:
    query, entries = values()
    leaves = [query] if cosine else [query, entries]
    given = mask()
    ours = Pairs(query, entries.detach() if cosine else entries, cosine).log_sum_exp(given)
    theirs = plain(query, entries, given, cosine)
    empty = torch.zeros(B, dtype=torch.bool) if not isinstance(given, Tensor) else given.all(1)
    assert (ours[empty] == torch.finfo(torch.float64).min).all()
    torch.testing.assert_close(ours[~empty], theirs[~empty], rtol=1e-12, atol=1e-12)
    weights = torch.linspace(-1, 2, B, dtype=torch.float64)
    found, expected = (torch.autograd.grad((t * weights).sum(), leaves) for t in (ours, theirs))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    assert (found[0][empty] == 0).all()


@masks
def test_gradients_by_finite_differences(mask: Callable[[], Tensor | Own | None]) -> None:
    given = mask()
    kept = slice(None) if not isinstance(given, Tensor) else ~given.all(1)
    assert torch.autograd.gradcheck(lambda q, e: Pairs(q, e).log_sum_exp(given)[kept], values())


@pytest.mark.parametrize(("b", "n"), [(1, 1), (1, 23), (5, 1), (5, 7), (5, 14), (5, 15)])
@pytest.mark.parametrize("cosine", [False, True])
def test_any_number_of_queries_and_entries(b: int, n: int, cosine: bool) -> None:
    query, entries = (t.detach() for t in values(b, n))
    pairs = Pairs(query, entries, cosine)
    torch.testing.assert_close(pairs.log_sum_exp(None), plain(query, entries, None, cosine))
    assert pairs.whole().shape == pairs.shape == (b, n)


def test_of_no_entries_it_is_the_lowest_number() -> None:
    query = torch.randn(3, D, requires_grad=True)
    total = Pairs(query, torch.randn(0, D, requires_grad=True)).log_sum_exp(None)
    assert total.tolist() == [torch.finfo(torch.float32).min] * 3
    assert (torch.autograd.grad(total.sum(), query)[0] == 0).all()


def test_all_pairs_at_once_are_the_same_pairs() -> None:
    query, entries = (t.detach() for t in values())
    expected = [[(q @ e).item() for e in entries] for q in query]
    torch.testing.assert_close(Pairs(query, entries).whole(), torch.tensor(expected, dtype=torch.float64))
    unit = [[(q @ e / e.norm()).item() for e in entries] for q in query]
    torch.testing.assert_close(Pairs(query, entries, True).whole(), torch.tensor(unit, dtype=torch.float64))


def test_an_entry_of_zeros_has_a_cosine_of_zero() -> None:
    pairs = Pairs(torch.ones(1, D), torch.zeros(2, D), True)
    assert pairs.whole().tolist() == [[0, 0]]
    assert pairs.log_sum_exp(None).item() == pytest.approx(math.log(2))


def test_large_products_do_not_overflow() -> None:
    query = torch.full((2, D), 1e3, requires_grad=True)
    total = Pairs(query, torch.full((9, D), 1e3)).log_sum_exp(None)
    assert total.tolist() == pytest.approx([4e6 + math.log(9)] * 2)
    assert torch.autograd.grad(total.sum(), query)[0].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("both", [False, True])
def test_entries_of_half_precision_are_taken_as_they_are(dtype: torch.dtype, both: bool) -> None:
    query, entries = (t.detach().float() for t in values())
    half = entries.to(dtype).requires_grad_(both)
    query.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        total = Pairs(query, half).log_sum_exp(None)
        gradients = torch.autograd.grad(total.sum(), [query, half] if both else [query])
    exact = entries.to(dtype).double().requires_grad_()
    leaf = query.detach().double().requires_grad_()
    expected = plain(leaf, exact, None, False)
    assert total.dtype == torch.float32
    torch.testing.assert_close(total.double(), expected, rtol=1e-5, atol=1e-5)
    for found, theirs in zip(gradients, torch.autograd.grad(expected.sum(), [leaf, exact]), strict=False):
        tolerance = 1e-5 if found.dtype == torch.float32 else 1e-2
        torch.testing.assert_close(found.double(), theirs, rtol=tolerance, atol=tolerance)


# -- operators ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cosine", [False, True])
@masks
def test_the_operator_is_what_torch_asks_of_one(mask: Callable[[], Tensor | Own | None], cosine: bool) -> None:
    query, entries = values()
    given = mask()
    place, bits = (given.place, None) if isinstance(given, Own) else (None, given)
    arguments = (query, entries.detach() if cosine else entries, place, bits, cosine)
    torch.library.opcheck(torch.ops.graphssl.log_sum_exp.default, arguments)


@pytest.mark.parametrize("both", [False, True])
def test_compiled_it_is_one_graph_with_the_same_numbers(both: bool) -> None:
    query, entries = values()
    entries.requires_grad_(both)
    torch._dynamo.reset()

    def total(query: Tensor, entries: Tensor, place: Tensor) -> Tensor:
        return Scores(query[:, 0], Pairs(query, entries), Own(place, N)).pairs.log_sum_exp(Own(place, N)).sum()  # type: ignore[union-attr]

    compiled = torch.compile(total, fullgraph=True, backend="aot_eager")
    leaves = [query, entries] if both else [query]
    one, two = (f(query, entries, own().place) for f in (total, compiled))
    torch.testing.assert_close(one, two)
    torch.testing.assert_close(torch.autograd.grad(one, leaves), torch.autograd.grad(two, leaves))


def test_its_arithmetic_is_counted_where_nothing_is_computed() -> None:
    query, entries = (torch.empty(k, D, device="meta") for k in (B, N))
    with FlopCounterMode(display=False) as counter:
        assert Pairs(query, entries).log_sum_exp(own()._replace(place=own().place.to("meta"))).shape == (B,)
    assert counter.get_total_flops() == 2 * B * N * D
    leaves = [t.detach().requires_grad_() for t in values()]
    for wanted, products in ((leaves[:1], 3), (leaves, 4)):  # forward, forward again, and each gradient
        with FlopCounterMode(display=False) as counter:
            pairs = Pairs(leaves[0], leaves[1] if len(wanted) > 1 else leaves[1].detach())
            torch.autograd.grad(pairs.log_sum_exp(None).sum(), wanted)
        assert counter.get_total_flops() == products * 2 * B * N * D


# -- values of the flow ------------------------------------------------------------------------------------------


def lazy() -> Scores:
    query, entries = values()
    return Scores(query.sum(1), Pairs(query, entries), own())


def test_by_their_names_pairs_and_masks_are_tensors() -> None:
    scores = lazy()
    query, entries = values()
    assert torch.equal(scores.negative, query @ entries.T)
    assert scores.mask.nonzero().tolist() == [[0, 0], [1, 6], [2, 7], [3, 22], [4, 13]]
    assert [tuple(t.shape) for t in tensors_of(scores)] == [(B,), (B, N)]
    assert torch.equal(Negatives(entries, mask=own()).mask, scores.mask)
    assert scores.pairs is not None
    assert scores.own is not None


def test_tensors_are_handed_on_as_they_are() -> None:
    query, entries = values()
    scores = Scores(query, entries, some())
    assert scores.negative is entries
    assert (scores.pairs, scores.own, scores.same) == (None, None, None)
    assert Scores(query).negative is None
    assert Negatives(entries).mask is None


def test_negatives_hand_on_what_they_say_of_pairs() -> None:
    query, entries = values()
    mask, same = own(), some()
    scores = Negatives(entries, None, mask, same).scores(query, Pairs(query, entries))
    assert scores.own is mask
    assert scores.same is same


def test_only_what_is_larger_than_a_piece_is_large() -> None:
    assert not Pairs(*values(B, 7)).large
    assert Pairs(*values(B, 8)).large
    assert not Pairs(*(t.float() for t in values(B, 14))).large


def test_detached_scores_have_no_gradient_and_stay_uncomputed() -> None:
    scores = detached(lazy())
    assert scores.pairs is not None
    assert not any(t.requires_grad for t in (scores.positive, scores.pairs.query, scores.pairs.entries))
    assert torch.equal(scores.mask, lazy().mask)


def test_held_scores_outlive_the_entries() -> None:
    query, entries = (t.detach() for t in values())
    scores = held(Scores(query, Pairs(query, entries), own()))
    expected = query @ entries.T
    entries.zero_()
    assert scores.pairs is None
    assert scores.own is None
    assert torch.equal(scores.negative, expected)
    assert held(query) is query


def test_scores_of_two_batches_join_and_part() -> None:
    scores = lazy()
    parts = parted(scores, 2)
    assert [p.pairs.shape for p in parts] == [(3, N), (2, N)]
    whole = joined(parts)
    for name in ("positive", "negative", "mask"):
        torch.testing.assert_close(getattr(whole, name), getattr(scores, name))
    assert whole.same is None


def test_scores_are_a_tree_of_tensors() -> None:
    leaves, spec = tree_flatten(lazy())
    again = tree_unflatten(leaves, spec)
    assert isinstance(again, Scores)
    assert isinstance(again.pairs, Pairs)
    assert torch.equal(again.negative, lazy().negative)


def test_own_marks_one_column_of_each_row() -> None:
    mask = own()
    assert mask.whole().sum(1).tolist() == [1] * B
    assert mask.shape == (B, N)
    assert torch.equal(torch.cat([part.whole() for part in mask.chunk(2)]), mask.whole())

"""Pairs that are not computed until they are asked for, against the same pairs one by one in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from tape import Tape
from torch import Tensor
from torch.nn.functional import softplus
from torch.utils._pytree import tree_flatten, tree_unflatten
from torch.utils.flop_counter import FlopCounterMode

from graphssl.ports import Negatives, Own, Pairs, Scores, detached, held, joined, outlasting, parted, tensors_of
from graphssl.ports import pairs as module

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


Rows = list[dict[int, Tensor]]
MASKS: dict[str, Callable[[], Tensor | Own | None]] = {"none": lambda: None, "own": own, "some": some}
masks = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)


def kept(query: Tensor, entries: Tensor, mask: Tensor | Own | None, cosine: bool, limit: float | None = None) -> Rows:
    """For each query the scores that count, pair by pair, by the place of the entry."""
    excluded = mask.whole() if isinstance(mask, Own) else mask
    rows: Rows = []
    for i, q in enumerate(query):
        some = {j: e for j, e in enumerate(entries) if excluded is None or not excluded[i, j]}
        scores = {j: (q * e).sum() / ((e * e).sum().sqrt() if cosine else 1) for j, e in some.items()}
        rows.append(scores if limit is None else {j: limit * torch.tanh(s / limit) for j, s in scores.items()})
    return rows


def plain(
    query: Tensor, entries: Tensor, mask: Tensor | Own | None, cosine: bool, limit: float | None = None
) -> Tensor:  # fmt: skip
    """log sum exp, pair by pair; 0 where there is no pair."""
    rows = kept(query, entries, mask, cosine, limit)
    return torch.stack([sum(map(torch.exp, row.values())).log() if row else 0 * query.sum() for row in rows])  # type: ignore[union-attr]


FORMULAS: dict[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]] = {
    torch.exp: lambda x: x.exp(), softplus: lambda x: (1 + x.exp()).log(), torch.square: lambda x: x * x,
}  # fmt: skip


limits = pytest.mark.parametrize("limit", [None, 1.5])


def clip(limit: float | None) -> Tensor | None:
    return None if limit is None else torch.tensor(limit)


@pytest.mark.parametrize("cosine", [False, True])
@limits
@masks
def test_values_and_gradients_are_those_of_the_formula(
    mask: Callable[[], Tensor | Own | None], cosine: bool, limit: float | None
) -> None:
    query, entries = values()
    leaves = [query] if cosine else [query, entries]
    given = mask()
    ours = Pairs(query, entries.detach() if cosine else entries, cosine, clip(limit)).log_sum_exp(given)
    theirs = plain(query, entries, given, cosine, limit)
    empty = torch.zeros(B, dtype=torch.bool) if not isinstance(given, Tensor) else given.all(1)
    assert (ours[empty] == torch.finfo(torch.float64).min).all()
    torch.testing.assert_close(ours[~empty], theirs[~empty], rtol=1e-12, atol=1e-12)
    weights = torch.linspace(-1, 2, B, dtype=torch.float64)
    found, expected = (torch.autograd.grad((t * weights).sum(), leaves) for t in (ours, theirs))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    assert (found[0][empty] == 0).all()


@pytest.mark.parametrize("function", FORMULAS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("cosine", [False, True])
@limits
@masks
def test_sums_are_those_of_the_formula(
    mask: Callable[[], Tensor | Own | None],
    cosine: bool,
    limit: float | None,
    function: Callable[[Tensor], Tensor],
) -> None:
    query, entries = values(scale=1.0)  # above 20 torch's softplus is the score itself
    shift = torch.linspace(-3, 3, B, dtype=torch.float64, requires_grad=True)
    leaves = [query, shift] if cosine else [query, shift, entries]
    given = mask()
    pairs = Pairs(query, entries.detach() if cosine else entries, cosine, clip(limit))
    ours = pairs.total(function, shift, given)
    rows = zip(kept(query, entries, given, cosine, limit), shift, strict=True)
    none = 0 * query.sum() + 0 * shift.sum()
    theirs = torch.stack([sum((FORMULAS[function](s - t) for s in row.values()), none) for row, t in rows])
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    weights = torch.linspace(-1, 2, B, dtype=torch.float64)
    torch.testing.assert_close(
        *(torch.autograd.grad((t * weights).sum(), leaves) for t in (ours, theirs)), rtol=1e-10, atol=1e-12
    )


def test_where_all_are_masked_a_shift_without_bounds_costs_nothing() -> None:
    """NCE's threshold is minus infinity where a query has no negatives."""
    query, entries = values(2)
    shift = torch.tensor([-math.inf, 0.0], dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([True, False])[:, None].expand(2, N)
    total = Pairs(query, entries).total(softplus, shift, mask)
    assert total[0] == 0
    gradients = torch.autograd.grad(total.sum(), [query, entries, shift])
    assert all(g.isfinite().all() for g in gradients)
    assert (gradients[0][0] == 0).all()
    assert gradients[2][0] == 0


@masks
def test_gradients_by_finite_differences(mask: Callable[[], Tensor | Own | None]) -> None:
    given = mask()
    some = slice(None) if not isinstance(given, Tensor) else ~given.all(1)
    shift = torch.linspace(-3, 3, B, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda q, e: Pairs(q, e).log_sum_exp(given)[some], values())
    assert torch.autograd.gradcheck(lambda q, e, s: Pairs(q, e).total(softplus, s, given), (*values(scale=1.0), shift))


def test_a_second_derivative_is_refused() -> None:
    query, entries = values()
    for total in (Pairs(query, entries).log_sum_exp(None), Pairs(query, entries).total(softplus, 0.0, None)):
        (gradient,) = torch.autograd.grad(total.sum(), query, create_graph=True)
        with pytest.raises(RuntimeError, match="no autograd formula was registered"):
            torch.autograd.grad(gradient.sum(), query)


@pytest.mark.parametrize("cosine", [False, True])
@masks
def test_the_nearest_is_the_one_with_the_largest_product(
    mask: Callable[[], Tensor | Own | None], cosine: bool
) -> None:  # fmt: skip
    query, entries = (t.detach() for t in values())
    given = mask()
    rows = kept(query, entries, given, cosine)
    expected = [max(row, key=lambda j, row=row: row[j].item()) if row else -1 for row in rows]  # type: ignore[misc]
    assert Pairs(query, entries, cosine).nearest(given).tolist() == expected


def test_of_equally_near_ones_the_first_is_taken_also_of_another_piece() -> None:
    query, entries = (t.detach() for t in values())
    entries[[2, 3, 9, 20]] = 10 * query[0] / query[0].norm()
    assert Pairs(query[:1].expand(B, D), entries).nearest(None).tolist() == [2] * B
    assert Pairs(query, entries[:0]).nearest(None).tolist() == [-1] * B


@pytest.mark.parametrize(("b", "n"), [(1, 1), (1, 23), (5, 1), (5, 7), (5, 14), (5, 15)])
@pytest.mark.parametrize("cosine", [False, True])
def test_any_number_of_queries_and_entries(b: int, n: int, cosine: bool) -> None:
    query, entries = (t.detach() for t in values(b, n))
    pairs = Pairs(query, entries, cosine)
    torch.testing.assert_close(pairs.log_sum_exp(None), plain(query, entries, None, cosine))
    assert pairs.whole().shape == pairs.shape == (b, n)


def test_of_no_entries_it_is_the_lowest_number() -> None:
    query = torch.randn(3, D, requires_grad=True)
    pairs = Pairs(query, torch.randn(0, D, requires_grad=True))
    total, none = pairs.log_sum_exp(None), pairs.total(softplus, 0.0, None)
    assert total.tolist() == [torch.finfo(torch.float32).min] * 3
    assert none.tolist() == [0] * 3
    assert (torch.autograd.grad((total + none).sum(), query)[0] == 0).all()


def test_all_pairs_at_once_are_the_same_pairs() -> None:
    query, entries = (t.detach() for t in values())
    expected = [[(q @ e).item() for e in entries] for q in query]
    torch.testing.assert_close(Pairs(query, entries).whole(), torch.tensor(expected, dtype=torch.float64))
    unit = [[(q @ e / e.norm()).item() for e in entries] for q in query]
    torch.testing.assert_close(Pairs(query, entries, True).whole(), torch.tensor(unit, dtype=torch.float64))
    clipped = [[1.5 * math.tanh(s / 1.5) for s in row] for row in unit]
    whole = Pairs(query, entries, True, clip(1.5)).whole()
    torch.testing.assert_close(whole, torch.tensor(clipped, dtype=torch.float64))


def test_an_entry_of_zeros_has_a_cosine_of_zero() -> None:
    pairs = Pairs(torch.ones(1, D), torch.zeros(2, D), True)
    assert pairs.whole().tolist() == [[0, 0]]
    assert pairs.log_sum_exp(None).item() == pytest.approx(math.log(2))


def test_large_products_do_not_overflow() -> None:
    query = torch.full((2, D), 1e3, requires_grad=True)
    pairs = Pairs(query, torch.full((9, D), 1e3))
    total, cost = pairs.log_sum_exp(None), pairs.total(softplus, 0.0, None)
    assert total.tolist() == pytest.approx([4e6 + math.log(9)] * 2)
    assert cost.tolist() == pytest.approx([9 * 4e6] * 2)
    assert torch.autograd.grad((total + cost).sum(), query)[0].isfinite().all()
    clipped = pairs._replace(limit=clip(2.0))
    assert clipped.log_sum_exp(None).tolist() == pytest.approx([2 + math.log(9)] * 2)
    assert (torch.autograd.grad(clipped.log_sum_exp(None).sum(), query)[0] == 0).all()


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
def test_operators_are_what_torch_asks_of_them(mask: Callable[[], Tensor | Own | None], cosine: bool) -> None:
    query, entries = values()
    given, shift = mask(), torch.zeros(B, dtype=torch.float64, requires_grad=True)
    places = (given.place, None) if isinstance(given, Own) else (None, given)
    if cosine:
        entries = entries.detach()
    operators = torch.ops.graphssl
    torch.library.opcheck(operators.log_sum_exp.default, (query, entries, *places, clip(1.5), cosine))
    torch.library.opcheck(operators.total.default, ("softplus", query, entries, shift, *places, None, cosine))
    torch.library.opcheck(operators.nearest.default, (query.detach(), entries.detach(), *places, cosine))


@pytest.mark.parametrize("cosine", [False, True])
@masks
def test_no_operator_waits_for_the_device(mask: Callable[[], Tensor | Own | None], cosine: bool) -> None:
    """What they are made of, as on a GPU; from outside an operator is one."""
    query, entries = (t.detach() for t in values())
    given, numbers, limit = mask(), torch.ones(B, dtype=torch.float64), clip(1.5)
    places = (given.place, None) if isinstance(given, Own) else (None, given)
    with Tape() as tape:
        module._log_sum_exp._init_fn(query, entries, *places, limit, cosine)
        module._total._init_fn("softplus", query, entries, numbers, *places, limit, cosine)
        module._nearest._init_fn(query, entries, *places, cosine)
        module._pieces_backward._init_fn(
            "softplus", numbers, numbers, query, entries, *places, limit, cosine, not cosine, True
        )
    assert len(tape.operations) > 20


@pytest.mark.parametrize("both", [False, True])
def test_gradients_lie_as_a_compiler_expects_also_of_entries_that_are_not_contiguous(both: bool) -> None:
    query, entries = (t.detach().T.contiguous().T for t in values())
    assert not entries.is_contiguous()
    numbers = torch.ones(B, dtype=torch.float64)
    arguments = ("exp", numbers, numbers, query, entries, None, None, None, False, both, True)
    utilities = ("test_schema", "test_faketensor")
    torch.library.opcheck(torch.ops.graphssl.pieces_backward.default, arguments, test_utils=utilities)


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
    with FlopCounterMode(display=False) as counter:
        assert (
            Pairs(query, entries).nearest(None).shape == Pairs(query, entries).total(softplus, 1.0, None).shape == (B,)
        )
    assert counter.get_total_flops() == 2 * 2 * B * N * D
    leaves = [t.detach().requires_grad_() for t in values()]
    for wanted, products in ((leaves[:1], 3), (leaves, 4)):  # forward, forward again, and each gradient
        with FlopCounterMode(display=False) as counter:
            pairs = Pairs(leaves[0], leaves[1] if len(wanted) > 1 else leaves[1].detach())
            torch.autograd.grad((pairs.log_sum_exp(None) + pairs.total(softplus, 0.0, None)).sum(), wanted)
        assert counter.get_total_flops() == 2 * products * 2 * B * N * D


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


def test_scores_wait_for_the_optimizer_only_where_it_cannot_change_the_entries() -> None:
    scores = lazy()
    assert outlasting(scores).pairs is None
    fixed = Scores(scores.positive, Pairs(scores.pairs.query, scores.pairs.entries.detach()))  # type: ignore[union-attr]
    assert outlasting(fixed) is fixed
    assert outlasting(Scores(scores.positive)).negative is None


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

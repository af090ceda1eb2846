"""Sums over all pairs by pieces, against the same pairs one by one in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from pair_samples import B, D, N, clip, own, some, values
from tape import Tape
from torch import Tensor
from torch.nn.functional import softplus
from torch.utils.flop_counter import FlopCounterMode

from graphssl.ports import Own, Pairs, Scores, pieces


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of seven columns in float64, the last of two."""
    monkeypatch.setattr(pieces, "PIECE", 7 * 8 * B)


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
    for count in (1, 4, N + 3):
        ranked = [sorted(row, key=lambda j, row=row: -row[j].item()) for row in rows]  # type: ignore[misc]
        expected = [(row + [-1] * count)[:count] for row in ranked]
        assert Pairs(query, entries, cosine).nearest(given, count).tolist() == expected


def test_of_equally_near_ones_the_first_is_taken_also_of_another_piece() -> None:
    query, entries = (t.detach() for t in values())
    entries[[2, 3, 9, 20]] = 10 * query[0] / query[0].norm()
    assert Pairs(query[:1].expand(B, D), entries).nearest(None).tolist() == [[2]] * B
    assert Pairs(query, entries[:0]).nearest(None).tolist() == [[-1]] * B


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
    torch.library.opcheck(operators.nearest.default, (query.detach(), entries.detach(), *places, cosine, 2))


@pytest.mark.parametrize("cosine", [False, True])
@masks
def test_no_operator_waits_for_the_device(mask: Callable[[], Tensor | Own | None], cosine: bool) -> None:
    """What they are made of, as on a GPU; from outside an operator is one."""
    query, entries = (t.detach() for t in values())
    given, numbers, limit = mask(), torch.ones(B, dtype=torch.float64), clip(1.5)
    places = (given.place, None) if isinstance(given, Own) else (None, given)
    with Tape() as tape:
        pieces.log_sum_exp._init_fn(query, entries, *places, limit, cosine)
        pieces.total._init_fn("softplus", query, entries, numbers, *places, limit, cosine)
        pieces.nearest._init_fn(query, entries, *places, cosine, 3)
        pieces._pieces_backward._init_fn(
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
        assert Pairs(query, entries).nearest(None, 3).shape == (B, 3)
        assert Pairs(query, entries).total(softplus, 1.0, None).shape == (B,)
    assert counter.get_total_flops() == 2 * 2 * B * N * D
    leaves = [t.detach().requires_grad_() for t in values()]
    for wanted, products in ((leaves[:1], 3), (leaves, 4)):  # forward, forward again, and each gradient
        with FlopCounterMode(display=False) as counter:
            pairs = Pairs(leaves[0], leaves[1] if len(wanted) > 1 else leaves[1].detach())
            torch.autograd.grad((pairs.log_sum_exp(None) + pairs.total(softplus, 0.0, None)).sum(), wanted)
        assert counter.get_total_flops() == 2 * products * 2 * B * N * D


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_products_keep_their_digits_under_autocast(device: str) -> None:
    query = torch.ones(2, 3, device=device)
    with torch.autocast("cpu", torch.bfloat16):
        assert (query @ query.T).dtype == (torch.bfloat16 if device == "cpu" else torch.float32)
        with pieces.exact(query):
            assert (query @ query.T).dtype == torch.float32

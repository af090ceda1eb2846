"""Dot products, cosines and bilinear forms pair by pair in float64; positions, picks, half precision, schedules."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from graphssl.component import Sizes, Unbound, build
from graphssl.components.critic import JS, Bilinear, Concat, Cosine, Dot, Euclidean, Separable, picked
from graphssl.components.negatives import InBatch
from graphssl.ports import Negatives, Scores

CRITICS = (Cosine, Dot, Bilinear)


def critic(cls: type[nn.Module], dtype: torch.dtype = torch.float64, **config: Any) -> nn.Module:
    torch.manual_seed(5)
    return build(cls, sizes=Sizes({"d": 6, "e": 6}), **config).to(dtype)


def values(b: int = 5, n: int = 9, d: int = 6, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key, entries: float64, with a gradient."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(  # type: ignore[return-value]
        torch.randn(k, d, generator=generator, dtype=torch.float64).mul(3).requires_grad_() for k in (b, b, n)
    )


def plain_score(node: nn.Module, query: Tensor, key: Tensor, temperature: float) -> Tensor:
    """One pair, by the formula of the critic's docstring."""
    if isinstance(node, Bilinear):
        total = torch.zeros((), dtype=torch.float64)
        for i in range(len(query)):
            for j in range(len(key)):
                total = total + query[i] * node.weight[i, j] * key[j]
        return total / temperature
    product = sum((q * k for q, k in zip(query, key, strict=True)), torch.zeros((), dtype=torch.float64))
    if isinstance(node, Cosine):
        product = product / ((query**2).sum().sqrt() * (key**2).sum().sqrt())
    return product / temperature


def plain_scores(
    node: nn.Module, query: Tensor, key: Tensor, entries: Tensor, pick: Tensor | None, temperature: float
) -> tuple[Tensor, Tensor]:
    b = len(query)
    positive = [plain_score(node, query[i], key[i], temperature) for i in range(b)]
    chosen = [range(len(entries)) if pick is None else pick[i].tolist() for i in range(b)]
    negative = [[plain_score(node, query[i], entries[j], temperature) for j in chosen[i]] for i in range(b)]
    return torch.stack(positive), torch.stack([torch.stack(row) for row in negative])


def gradients(outputs: tuple[Tensor, Tensor], leaves: list[Tensor]) -> tuple[Tensor, ...]:
    total = sum((t * torch.linspace(-1, 2, t.numel(), dtype=t.dtype).view_as(t)).sum() for t in outputs)
    assert isinstance(total, Tensor)
    return torch.autograd.grad(total, leaves)


@pytest.mark.parametrize("picked", [False, True])
@pytest.mark.parametrize("cls", CRITICS)
def test_scores_and_gradients_follow_the_formula(cls: type[nn.Module], picked: bool) -> None:
    node, (query, key, entries) = critic(cls, temperature=0.3), values()
    pick = torch.randint(9, (5, 4), generator=torch.Generator().manual_seed(1)) if picked else None
    scores = node(query, key, Negatives(entries, pick))
    expected = plain_scores(node, query, key, entries, pick, 0.3)
    leaves = [query, key, entries, *node.parameters()]
    ours = gradients((scores.positive, scores.negative), leaves)
    theirs = gradients(expected, leaves)
    torch.testing.assert_close((scores.positive, scores.negative), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cls", CRITICS)
def test_gradients_by_finite_differences(cls: type[nn.Module]) -> None:
    node = critic(cls, temperature=0.7)

    def scores(query: Tensor, key: Tensor, entries: Tensor) -> tuple[Tensor, Tensor]:
        positive, negative, *_ = node(query, key, Negatives(entries))
        return positive, negative

    assert torch.autograd.gradcheck(scores, values(b=2, n=3))


@pytest.mark.parametrize("cls", CRITICS)
def test_without_negatives_there_are_only_positives(cls: type[nn.Module]) -> None:
    query, key, _ = values()
    scores = critic(cls)(query, key)
    assert isinstance(scores, Scores)
    assert scores.positive.shape == (5,)
    assert scores.negative is None
    assert scores.mask is None


@pytest.mark.parametrize("cls", CRITICS)
@pytest.mark.parametrize("picked", [False, True])
def test_mask_and_same_go_on_to_the_objective(cls: type[nn.Module], picked: bool) -> None:
    query, key, entries = values()
    pick = torch.zeros(5, 4, dtype=torch.int64) if picked else None
    mask, same = torch.rand(2, 5, 4 if picked else 9) < 0.5
    scores = critic(cls)(query, key, Negatives(entries, pick, mask, same))
    assert scores.mask is mask
    assert scores.same is same
    assert scores.negative.shape == mask.shape


@pytest.mark.parametrize("positions", [(4,), (2, 3), (1, 1)])
@pytest.mark.parametrize("cls", CRITICS)
def test_each_position_of_a_key_is_a_positive(cls: type[nn.Module], positions: tuple[int, ...]) -> None:
    node, (query, _, entries) = critic(cls, temperature=0.3), values()
    key = torch.randn(5, *positions, 6, dtype=torch.float64, requires_grad=True)
    scores = node(query, key, Negatives(entries))
    flat = key.reshape(5, -1, 6)
    rows = [[plain_score(node, query[i], flat[i, j], 0.3) for j in range(flat.shape[1])] for i in range(5)]
    expected = torch.stack([torch.stack(row) for row in rows]).view(5, *positions)
    _, negative = plain_scores(node, query, flat[:, 0], entries, None, 0.3)
    leaves = [query, key, entries, *node.parameters()]
    torch.testing.assert_close(scores.positive, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        gradients((scores.positive, scores.negative), leaves), gradients((expected, negative), leaves)
    )


@pytest.mark.parametrize("cls", CRITICS)
def test_the_positions_of_a_key_score_alike_among_in_batch_negatives(cls: type[nn.Module]) -> None:
    query, key = torch.randn(4, 6).double(), torch.randn(4, 2, 3, 6).double()
    scores = critic(cls, temperature=0.2)(query, key, build(InBatch)((key,)))
    own = scores.negative.view(4, 4, 2, 3)[range(4), range(4)]
    torch.testing.assert_close(own, scores.positive)
    assert (~scores.mask).sum(1).tolist() == [3 * 6] * 4


@pytest.mark.parametrize("cls", CRITICS)
def test_both_ways_to_score_picked_entries_are_equal(cls: type[nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    node, (query, key, entries) = critic(cls, temperature=0.2), values(b=3, n=400)
    pick = torch.randint(400, (3, 4), generator=torch.Generator().manual_seed(2))
    results = []
    for row in (picked.ROW, 1000):  # 400 > 50 * 4: rows are gathered; then the full product
        monkeypatch.setattr(picked, "ROW", row)
        scores = node(query, key, Negatives(entries, pick))
        leaves = [query, entries, *node.parameters()]
        results.append((scores.negative, gradients((scores.positive, scores.negative), leaves)))
    torch.testing.assert_close(results[0], results[1], rtol=1e-11, atol=1e-12)


def test_only_the_picked_rows_are_gathered_from_a_large_bank() -> None:
    """A product with all entries would meet the one that is not finite."""
    query, key, entries = (t.detach() for t in values(b=2, n=400))
    entries[399] = math.inf
    pick = torch.arange(8).view(2, 4)
    grown = query.requires_grad_()
    scores = critic(Dot)(grown, key, Negatives(entries, pick))
    assert torch.autograd.grad(scores.negative.sum(), grown)[0].isfinite().all()


@pytest.mark.parametrize("cls", CRITICS)
def test_a_key_scores_alike_as_positive_and_as_negative(cls: type[nn.Module]) -> None:
    query, key, _ = values()
    scores = critic(cls, temperature=0.1)(query, key, Negatives(key))
    torch.testing.assert_close(scores.negative.diagonal(), scores.positive)


def rows_of(b: int) -> list[Negatives]:
    """Entries with picks and marks of b samples."""
    entries, flags = torch.randn(9, 6).double(), torch.zeros(b, 9, dtype=torch.bool)
    return [Negatives(entries, flags.long()), Negatives(entries, None, flags), Negatives(entries, None, None, flags)]


@pytest.mark.parametrize("cls", [*CRITICS, Euclidean, Separable, Concat, JS])
@pytest.mark.parametrize("b", [4, 10])
def test_negatives_of_other_samples_than_the_queries_are_refused(cls: type[nn.Module], b: int) -> None:
    """Such as in-batch negatives of b images for the b r k positions of a map."""
    query, key, _ = values()
    for negatives in rows_of(b):
        with pytest.raises(ValueError, match=f"made for {b} samples, and there are 5 queries"):
            critic(cls)(query, key, negatives)
    for negatives in rows_of(5):
        critic(cls)(query, key, negatives)


def test_cosine_ignores_lengths_and_the_others_do_not() -> None:
    query, key, entries = values()
    for cls, same in ((Cosine, True), (Dot, False), (Bilinear, False)):
        node = critic(cls)
        one, two = node(query, key, Negatives(entries)), node(7 * query, 0.01 * key, Negatives(3 * entries))
        assert torch.allclose(one.positive, two.positive) == same
        assert torch.allclose(one.negative, two.negative) == same


def test_cosine_is_the_plain_cosine_by_default() -> None:
    query, key, _ = values()
    scores = critic(Cosine)(query, key)
    torch.testing.assert_close(scores.positive, torch.cosine_similarity(query, key))
    assert critic(Cosine)(query, query).positive.tolist() == pytest.approx([1.0] * 5)
    assert critic(Cosine)(query, -query).positive.tolist() == pytest.approx([-1.0] * 5)


def test_a_vector_of_zeros_has_cosine_zero_and_a_bounded_gradient() -> None:
    query = torch.zeros(2, 6, requires_grad=True)
    key = torch.ones(2, 6)
    scores = critic(Cosine, torch.float32)(query, key, Negatives(torch.zeros(3, 6)))
    assert scores.positive.tolist() == [0, 0]
    assert scores.negative.tolist() == [[0, 0, 0]] * 2
    (gradient,) = torch.autograd.grad(scores.positive.sum(), query)
    assert gradient.abs().max() <= 1e6


def test_a_batch_of_one() -> None:
    query, key, entries = values(b=1, n=1)
    for cls in CRITICS:
        scores = critic(cls)(query, key, Negatives(entries))
        assert scores.positive.shape == (1,)
        assert scores.negative.shape == (1, 1)


# -- precision -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("cls", CRITICS)
def test_half_precision_is_scored_in_float32(cls: type[nn.Module], dtype: torch.dtype) -> None:
    node = critic(cls, torch.float32)
    query, key, entries = (t.detach().to(dtype) for t in values())
    with torch.autocast("cpu", torch.bfloat16):
        scores = node(query, key, Negatives(entries))
    expected = node(query.float(), key.float(), Negatives(entries.float()))
    assert scores.positive.dtype == scores.negative.dtype == torch.float32
    torch.testing.assert_close(tuple(scores[:2]), tuple(expected[:2]), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("cls", CRITICS)
def test_products_beyond_the_range_of_float16_are_finite(cls: type[nn.Module]) -> None:
    large = torch.full((2, 6), 60000.0, dtype=torch.float16, requires_grad=True)
    scores = critic(cls, torch.float32)(large, large.detach(), Negatives(large.detach()))
    assert scores.positive.isfinite().all()
    assert scores.negative.isfinite().all()
    assert torch.autograd.grad(scores.positive.sum(), large)[0].isfinite().all()


@pytest.mark.parametrize("cls", CRITICS)
def test_compiled_under_autocast_it_is_as_exact(cls: type[nn.Module]) -> None:
    torch._dynamo.reset()
    node = critic(cls, torch.float32, temperature=0.07)
    query, key, entries = (t.detach().bfloat16() for t in values())
    compiled = torch.compile(node, fullgraph=True, backend="aot_eager")
    with torch.autocast("cpu", torch.bfloat16):
        scores = compiled(query, key, Negatives(entries))
    expected = node(query.float(), key.float(), Negatives(entries.float()))
    torch.testing.assert_close(tuple(scores[:2]), tuple(expected[:2]), rtol=1e-6, atol=1e-5)


def test_entries_may_be_of_another_type_than_the_query() -> None:
    """Keys of a float32 queue for a bfloat16 query, and the other way round."""
    query, key, entries = (t.detach() for t in values())
    for kinds in ((torch.bfloat16, torch.float32), (torch.float32, torch.float16), (torch.float64, torch.float32)):
        scores = critic(Dot)(query.to(kinds[0]), key.to(kinds[0]), Negatives(entries.to(kinds[1])))
        torch.testing.assert_close(scores.negative.double(), query @ entries.T, rtol=2e-2, atol=0.5)


# -- configuration -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", CRITICS)
def test_a_scheduled_temperature_is_read_in_each_call(cls: type[nn.Module]) -> None:
    query, key, entries = values()
    node = critic(cls, temperature={"from": 0.5, "to": 0.1})
    plain = critic(cls)(query, key, Negatives(entries))
    for temperature in (0.5, 0.25, 0.1):
        node.temperature.fill_(temperature)
        scores = node(query, key, Negatives(entries))
        torch.testing.assert_close(scores.positive, plain.positive / temperature, rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(scores.negative, plain.negative / temperature, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("cls", CRITICS)
@pytest.mark.parametrize("wrong", [{"temperature": 0}, {"temperature": -0.1}, {"tau": 0.1}, {"temperature": "low"}])
def test_wrong_configs_are_refused(cls: type[nn.Module], wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        cls.Config(**wrong)  # type: ignore[operator]


def test_bilinear_takes_keys_of_another_size() -> None:
    node = build(Bilinear, sizes=Sizes({"d": 6, "e": 4})).double()
    query, _, _ = values()
    _, key, entries = values(d=4)
    scores = node(query, key, Negatives(entries))
    torch.testing.assert_close(scores.positive, torch.einsum("bd,de,be->b", query, node.weight, key))
    torch.testing.assert_close(scores.negative, torch.einsum("bd,de,ne->bn", query, node.weight, entries))


def test_bilinear_starts_with_scores_of_unit_variance() -> None:
    torch.manual_seed(0)
    node = build(Bilinear, sizes=Sizes({"d": 64, "e": 96}))
    scores = node(torch.randn(500, 64), torch.randn(500, 96), Negatives(torch.randn(500, 96)))
    assert scores.negative.var().item() == pytest.approx(1, rel=0.05)
    assert node.weight.shape == (64, 96)


def test_bilinear_waits_for_both_sizes() -> None:
    with pytest.raises(Unbound):
        build(Bilinear, sizes=Sizes({"d": 6}))

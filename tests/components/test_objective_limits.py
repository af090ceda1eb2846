"""What every objective on scores keeps to: masks, large scores, half precision, batches without negatives."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from score_samples import gradients, node, sample
from torch import Tensor, nn

from graphssl.components.objective.f_divergence import EXPECTATIONS
from graphssl.ports import Scores

CONTRASTS: dict[str, tuple[str, dict[str, object]]] = {
    **{name: (name, {}) for name in ("infonce", "n_pair", "nce", "nce_learned", "nce_fixed", "jsd", "dv", "nwj", "margin", "multi_positive", "decoupled")},
    **{f"f_{kind}": ("f_divergence", {"kind": kind}) for kind in EXPECTATIONS},
    **{f"triplet {mine}": ("triplet", {"mine": mine, "margin": 3.0}) for mine in ("all", "hard", "semi_hard")},
    "decoupled weighted": ("decoupled", {"weight": "von_mises"}),
}  # fmt: skip
WITH_PENALTY = {**CONTRASTS, "penalty": ("score_penalty", {})}
NOTHING_LEFT = {
    "infonce", "n_pair", "nce", "multi_positive", "decoupled", "decoupled weighted", "triplet all", "triplet hard",
}  # fmt: skip
EXPONENTIALS = {"nwj", "f_kl", "f_reverse_kl", "f_squared_hellinger"}  # their loss is an exponential of scores

contrasts = pytest.mark.parametrize("case", CONTRASTS)
objectives = pytest.mark.parametrize("case", WITH_PENALTY)


def built(case: str) -> nn.Module:
    name, config = WITH_PENALTY[case]
    return node(name, **config)


@contrasts
def test_it_says_that_it_needs_negatives(case: str) -> None:
    with pytest.raises(ValueError, match=r"needs negatives: give the critic a third value, from a queue, a memory"):
        built(case)(Scores(torch.zeros(3)))


@objectives
def test_a_masked_score_does_not_matter_whatever_it_is(case: str) -> None:
    scores = sample(masked=0.3, dtype=torch.float32)
    odd = torch.tensor([math.inf, -math.inf, math.nan, 3e38, -3e38, 1e4]).expand(4, 6)
    strange = scores._replace(negative=torch.where(scores.mask, odd, scores.negative).detach().requires_grad_())
    one, two = built(case)(scores), built(case)(strange)
    torch.testing.assert_close(one, two, rtol=0, atol=0)
    for found, expected in zip(gradients(two, strange), gradients(one, scores), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("case", "expected"),
    [("infonce", math.log(2)), ("multi_positive", math.log(2)), ("decoupled", 0), ("dv", 0), ("triplet hard", 3)],
)
@pytest.mark.parametrize("level", [0.0, -1e5, -1e30])
def test_a_masked_score_does_not_stand_out_from_low_ones(case: str, expected: float, level: float) -> None:
    """As a fill of -1e4 would, among scores of -1e5."""
    scores = Scores(torch.full((2,), level), torch.full((2, 2), level), torch.tensor([[False, True], [True, False]]))
    assert built(case)(scores).item() == pytest.approx(expected, abs=1e-6)


@objectives
def test_masked_pairs_have_no_gradient_and_the_others_have(case: str) -> None:
    scores = sample(masked=0.3)
    found = gradients(built(case)(scores), scores)[1]
    assert (found[scores.mask] == 0).all()
    assert found.count_nonzero() > 0


@contrasts
def test_a_further_positive_is_no_negative(case: str) -> None:
    """As if it were masked; only multi_positive draws it nearer."""
    scores = sample(same=0.4)
    loss, hidden = built(case)(scores), built(case)(Scores(scores.positive, scores.negative, scores.same))
    found = gradients(loss, scores)[1][scores.same]
    if case == "multi_positive":
        assert (found < 0).any()
    else:
        assert torch.equal(loss, hidden)
        assert (found == 0).all()


@objectives
@pytest.mark.parametrize("more", [(), (3,)])
def test_a_batch_of_one(case: str, more: tuple[int, ...]) -> None:
    scores = sample(b=1, more=more)
    loss = built(case)(scores)
    assert loss.shape == ()
    assert torch.stack([loss.detach(), *(g.abs().sum() for g in gradients(loss, scores))]).isfinite().all()


@contrasts
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_batch_whose_pairs_are_all_masked_is_finite(case: str, dtype: torch.dtype) -> None:
    scores = sample(masked=1.0, dtype=dtype)
    with torch.autograd.set_detect_anomaly(True):  # not a number on the way either
        loss = built(case)(scores)
        of_positives, of_negatives = gradients(loss, scores)
    assert loss.isfinite()
    assert of_positives.isfinite().all()
    assert (of_negatives == 0).all()
    if case in NOTHING_LEFT:
        assert loss.item() == 0
        assert (of_positives == 0).all()


def test_the_estimators_without_negatives_keep_their_first_term() -> None:
    scores = sample(masked=1.0)
    torch.testing.assert_close(built("dv")(scores), -scores.positive.mean())
    torch.testing.assert_close(built("nwj")(scores), -scores.positive.mean())
    torch.testing.assert_close(built("jsd")(scores), nn.functional.softplus(-scores.positive).mean())


@objectives
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_scores_of_ten_thousand_do_not_overflow(case: str, signs: tuple[int, int], dtype: torch.dtype) -> None:
    """Nothing is ever not a number; an exponential in the loss itself is inf, as it says."""
    positive, negative = (
        torch.tensor(v, dtype=dtype) * 1e4 * sign
        for v, sign in zip(([1, 0.99], [[1, 0.98], [0.97, 1]]), signs, strict=True)
    )
    scores = Scores(positive.requires_grad_(), negative.requires_grad_(), torch.tensor([[False, True], [False, False]]))
    loss = built(case)(scores)
    found = gradients(loss, scores)
    assert not any(t.isnan().any() for t in (loss, *found))
    if case in EXPONENTIALS:
        of_positives, of_negatives = case in ("f_reverse_kl", "f_squared_hellinger"), case != "f_reverse_kl"
        assert loss.isinf() == ((of_positives and signs[0] < 0) or (of_negatives and signs[1] > 0))
    else:
        assert all(t.isfinite().all() for t in (loss, *found))


@pytest.mark.parametrize("case", ["nce", "nce_fixed", "infonce", "jsd", "dv"])
def test_large_scores_cost_what_they_are_worth(case: str) -> None:
    """Positives at 1e4 and negatives at -1e4 are told apart for nothing; the other way round, by the difference."""
    high, low = torch.full((3,), 1e4), torch.full((3, 5), -1e4)
    good, bad = built(case)(Scores(high, low)).item(), built(case)(Scores(-high, -low)).item()
    expected = {"infonce": (0, 2e4), "jsd": (0, 2e4), "dv": (-2e4, 2e4), "nce_fixed": (0, 1e4 + 5e4), "nce": (0, 2e4)}[
        case
    ]
    assert good == pytest.approx(expected[0], abs=20)
    assert bad == pytest.approx(expected[1], rel=2e-3)


def test_nwj_is_exact_up_to_where_float32_ends() -> None:
    scores = Scores(torch.zeros(1), torch.tensor([[80.0, -1.0]]).requires_grad_())
    loss = built("nwj")(scores)
    assert loss.item() == pytest.approx(math.exp(79) / 2, rel=1e-4)
    beyond = Scores(torch.zeros(1), torch.tensor([[95.0, -1.0]]).requires_grad_())
    found = torch.autograd.grad(built("nwj")(beyond), beyond.negative)[0]
    assert found.isinf().tolist() == [[True, False]]


@objectives
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_a_float32_loss(case: str, dtype: torch.dtype) -> None:
    scores = sample(more=(2,), masked=0.3, scale=4, dtype=dtype)
    with torch.autocast("cpu", dtype):
        loss = built(case)(scores)
    exact = built(case)(Scores(scores.positive.double(), scores.negative.double(), scores.mask))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=2e-5)
    assert all(g.isfinite().all() for g in gradients(loss, scores))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_many_half_precision_scores_do_not_overflow(dtype: torch.dtype) -> None:
    """The sum over 65,536 negatives of a queue is beyond float16."""
    scores = Scores(torch.zeros(2, dtype=dtype), torch.full((2, 65536), 2.0, dtype=dtype))
    for case in CONTRASTS:
        assert built(case)(scores).isfinite(), case


@objectives
def test_float64_stays_float64(case: str) -> None:
    assert built(case)(sample(masked=0.3)).dtype == torch.float64


@objectives
def test_one_compiled_graph_for_positions_and_marks(case: str) -> None:
    scores = sample(more=(2, 2), masked=0.3, same=0.2, dtype=torch.float32)
    torch._dynamo.reset()
    module = built(case)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(scores), module(scores))


# -- what the configs refuse ---------------------------------------------------------------------------------


def refused() -> Iterator[tuple[str, dict[str, object], str]]:
    yield "triplet", {"mine": "semihard"}, "'all', 'hard' or 'semi_hard'"
    yield "f_divergence", {"kind": "js"}, "'kl', 'reverse_kl'"
    yield "margin", {"margin": -1}, "greater than 0"
    yield "decoupled", {"weight": "von_mises", "sigma": 0}, "greater than 0"
    yield "nce_fixed", {"log_z": math.nan}, "finite number"
    yield "infonce", {"temperature": 0.1}, "Extra inputs"


@pytest.mark.parametrize(("name", "config", "words"), list(refused()))
def test_configs_are_strict(name: str, config: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        node(name, **config)


@pytest.mark.parametrize("name", ["margin", "triplet"])
def test_a_scheduled_margin_is_read_in_the_call(name: str) -> None:
    scores: Scores = sample()
    module = node(name, margin={"from": 1.0, "to": 2.0})
    before: Tensor = module(scores)
    module.margin.fill_(2.0)
    torch.testing.assert_close(before, node(name, margin=1.0)(scores))
    torch.testing.assert_close(module(scores), node(name, margin=2.0)(scores))

"""Losses on embeddings against the papers' formulas in float64, written with loops, and the identities between them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from graphssl.component import Sizes, build
from graphssl.components.critic import Cosine
from graphssl.components.objective import (
    Alignment,
    CrossCorrelation,
    CrossEntropy,
    Norm,
    Regression,
    Uniformity,
    VarianceCovariance,
)
from graphssl.components.objective.redundancy import off_diagonal


def node(cls: type[nn.Module], **config: Any) -> Any:
    return build(cls, sizes=Sizes(), **config)


def values(b: int = 6, d: int = 4, scale: float = 1.5, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Two views' embeddings that have something in common, with a gradient."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(b, d, generator=generator, dtype=torch.float64) * scale + 0.3
    y = x + 0.7 * torch.randn(b, d, generator=generator, dtype=torch.float64)
    return x.to(dtype).requires_grad_(), y.to(dtype).requires_grad_()


def agree(ours: Tensor, theirs: Tensor, leaves: tuple[Tensor, ...]) -> None:
    """The same value and the same gradient."""
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-13)
    gradients = (torch.autograd.grad(loss, leaves) for loss in (ours, theirs))
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


def zero() -> Tensor:
    return torch.zeros((), dtype=torch.float64)


# -- the formulas --------------------------------------------------------------------------------------------


def plain_alignment(x: Tensor, y: Tensor, alpha: float = 2.0, normalize: bool = True) -> Tensor:
    total = zero()
    for a, b in zip(x, y, strict=True):
        if normalize:
            a, b = a / (a @ a).sqrt(), b / (b @ b).sqrt()
        total = total + ((a - b) ** 2).sum().sqrt() ** alpha
    return total / len(x)


def plain_uniformity(x: Tensor, t: float = 2.0) -> Tensor:
    unit = [a / (a @ a).sqrt() for a in x]
    pairs = [(i, j) for i in range(len(x)) for j in range(i + 1, len(x))]
    return torch.log(sum((torch.exp(-t * ((unit[i] - unit[j]) ** 2).sum()) for i, j in pairs), zero()) / len(pairs))


def plain_correlation(x: Tensor, y: Tensor, weight: float = 5e-3, eps: float = 1e-5) -> Tensor:
    b, d = x.shape
    x, y = ((z - z.sum(0) / b) / (((z - z.sum(0) / b) ** 2).sum(0) / b + eps).sqrt() for z in (x, y))
    total = zero()
    for i in range(d):
        for j in range(d):
            c = sum((x[s, i] * y[s, j] for s in range(b)), zero()) / b
            total = total + ((1 - c) ** 2 if i == j else weight * c**2)
    return total


def plain_invariance(x: Tensor, y: Tensor) -> Tensor:
    return sum(((a - b) ** 2 for a, b in zip(x.flatten(), y.flatten(), strict=True)), zero()) / x.numel()


def plain_variance(x: Tensor) -> Tensor:
    b, d = x.shape
    total = zero()
    for j in range(d):
        variance = ((x[:, j] - x[:, j].mean()) ** 2).sum() / (b - 1)
        total = total + torch.clamp(1 - torch.sqrt(variance + 1e-4), min=0) / d
    return total


def plain_covariance(x: Tensor) -> Tensor:
    b, d = x.shape
    mean = x.sum(0) / b
    matrix = sum((torch.outer(a - mean, a - mean) for a in x), torch.zeros(d, d, dtype=torch.float64)) / (b - 1)
    return sum((matrix[i, j] ** 2 for i in range(d) for j in range(d) if i != j), zero()) / d


def plain_variance_covariance(
    x: Tensor, y: Tensor, invariance: float = 25, variance: float = 25, covariance: float = 1
) -> Tensor:
    lack = (plain_variance(x) + plain_variance(y)) / 2
    shared = plain_covariance(x) + plain_covariance(y)
    return invariance * plain_invariance(x, y) + variance * lack + covariance * shared


def plain_cross_entropy(logits: Tensor, target: Tensor, temperature: float = 0.1) -> Tensor:
    total = zero()
    for row, share in zip(logits / temperature, target, strict=True):
        below = torch.log(sum((torch.exp(v) for v in row), zero()))
        total = total - sum((p * (v - below) for p, v in zip(share, row, strict=True)), zero())
    return total / len(logits)


def first_only(plain: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda x, _, **config: plain(x, **config)


PAIRS: list[tuple[type[nn.Module], Callable[..., Tensor], dict[str, Any]]] = [
    (Alignment, plain_alignment, {}),
    (Alignment, plain_alignment, {"alpha": 1.0}),
    (Alignment, plain_alignment, {"alpha": 2.5, "normalize": False}),
    (CrossCorrelation, plain_correlation, {}),
    (VarianceCovariance, plain_variance_covariance, {}),
    (VarianceCovariance, plain_variance_covariance, {"invariance": 3.0, "variance": 0.5, "covariance": 7.0}),
]


@pytest.mark.parametrize(("cls", "plain", "config"), PAIRS, ids=lambda value: getattr(value, "__name__", str(value)))
@pytest.mark.parametrize(("b", "d"), [(6, 4), (3, 8), (2, 5), (5, 2)])
def test_losses_on_two_views_follow_their_formulas(
    cls: type[nn.Module], plain: Callable[..., Tensor], config: dict[str, Any], b: int, d: int
) -> None:
    x, y = values(b, d, scale=0.6 if cls is VarianceCovariance else 1.5)
    agree(node(cls, **config)(x, y), plain(x, y, **config), (x, y))


@pytest.mark.parametrize(
    ("cls", "plain"), [(CrossCorrelation, plain_correlation), (VarianceCovariance, plain_variance_covariance)]
)
def test_a_single_feature_has_no_other(cls: type[nn.Module], plain: Callable[..., Tensor]) -> None:
    x, y = values(b=4, d=1, scale=0.5)
    agree(node(cls)(x, y), plain(x, y), (x, y))


def test_cross_correlation_weight_is_lambda() -> None:
    x, y = values()
    agree(node(CrossCorrelation, redundancy=0.3)(x, y), plain_correlation(x, y, weight=0.3), (x, y))


@pytest.mark.parametrize(("b", "d"), [(6, 4), (2, 3), (5, 1)])
@pytest.mark.parametrize("t", [2.0, 0.5])
def test_uniformity_follows_its_formula(b: int, d: int, t: float) -> None:
    x, _ = values(b, d)
    agree(node(Uniformity, t=t)(x), plain_uniformity(x, t), (x,))


def test_norm_follows_its_formula() -> None:
    x, _ = values()
    agree(node(Norm)(x), sum((v * v for v in x.flatten()), zero()) / len(x), (x,))


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_cross_entropy_follows_its_formula(temperature: float) -> None:
    logits, target = values()
    target = torch.softmax(target, 1).detach().requires_grad_()
    agree(
        node(CrossEntropy, temperature=temperature)(logits, target),
        plain_cross_entropy(logits, target, temperature),
        (logits, target),
    )


@pytest.mark.parametrize(
    ("cls", "config"),
    [(Alignment, {}), (CrossCorrelation, {}), (VarianceCovariance, {}), (CrossEntropy, {"temperature": 0.7})],
)
@pytest.mark.parametrize(("b", "d"), [(5, 3), (2, 4)])
def test_gradients_by_finite_differences(cls: type[nn.Module], config: dict[str, Any], b: int, d: int) -> None:
    assert torch.autograd.gradcheck(node(cls, **config), values(b, d, scale=0.5))


# -- alignment and uniformity --------------------------------------------------------------------------------


def test_alignment_is_byols_regression_of_cosines() -> None:
    x, y = values()
    agree(node(Alignment)(x, y), node(Regression)(build(Cosine)(x, y)), (x, y))


def test_alignment_lies_between_0_and_4_and_ignores_lengths() -> None:
    x, y = values()
    assert node(Alignment)(x, 3 * x).item() == pytest.approx(0, abs=1e-12)
    assert node(Alignment)(x, -x).item() == pytest.approx(4)
    torch.testing.assert_close(node(Alignment)(5 * x, 0.1 * y), node(Alignment)(x, y))
    assert node(Alignment, normalize=False)(x, 3 * x).item() > 1


@pytest.mark.parametrize("alpha", [1, 1.5, 2, 3])
@pytest.mark.parametrize("normalize", [True, False])
def test_alignment_of_equal_pairs_has_a_finite_gradient(alpha: float, normalize: bool) -> None:
    x, _ = values(dtype=torch.float32)
    loss = node(Alignment, alpha=alpha, normalize=normalize)(x, x.detach().clone())
    (gradient,) = torch.autograd.grad(loss, x)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert gradient.abs().max() < 1e-6


def test_uniformity_of_opposite_points_is_lowest_and_of_equal_ones_zero() -> None:
    x = torch.tensor([[3.0, 0.0], [-0.5, 0.0]], dtype=torch.float64)
    assert node(Uniformity, t=2)(x).item() == pytest.approx(-8)
    assert node(Uniformity)(x[:1].repeat(7, 1)).item() == pytest.approx(0, abs=1e-12)


def test_uniformity_of_a_large_uniform_batch_is_the_paper_s_limit() -> None:
    """On the circle the mean of exp(-2 t (1 - cos)) is exp(-2 t) I_0(2 t), the minimum of the potential."""
    angle = torch.arange(512, dtype=torch.float64) * 2 * math.pi / 512
    x = torch.stack([angle.cos(), angle.sin()], 1)
    limit = -4 + math.log(float(torch.special.i0(torch.tensor(4.0, dtype=torch.float64))))
    assert node(Uniformity)(x).item() == pytest.approx(limit, abs=0.01)


def test_uniformity_in_float32_keeps_its_digits_for_points_close_together() -> None:
    generator = torch.Generator().manual_seed(0)
    x = 1 + 0.01 * torch.randn(20, 8, generator=generator, dtype=torch.float64)
    exact = node(Uniformity)(x)
    assert node(Uniformity)(x.float()).item() == pytest.approx(exact.item(), abs=1e-6)


def test_a_batch_of_one_has_no_pairs() -> None:
    x, y = values(b=1)
    with pytest.raises(ValueError, match="uniformity is about pairs of different samples, and a batch of one has none"):
        node(Uniformity)(x)
    for cls, name in (
        (CrossCorrelation, "the cross-correlation"),
        (VarianceCovariance, "the variance-covariance loss"),
    ):
        with pytest.raises(ValueError, match=f"{name} is about the spread of features over a batch"):
            node(cls)(x, y)
    assert node(Alignment)(x, y).isfinite()
    assert node(Norm)(x).isfinite()


# -- correlations and covariances ---------------------------------------------------------------------------------


def decorrelated(b: int = 8, d: int = 4) -> Tensor:
    """Features with mean 0, variance 1 and no correlation: columns of a Hadamard matrix."""
    h = torch.ones(1, 1, dtype=torch.float64)
    while len(h) < b:
        h = torch.cat([torch.cat([h, h], 1), torch.cat([h, -h], 1)])
    return h[:, 1 : d + 1]


def test_cross_correlation_of_equal_decorrelated_views_is_zero() -> None:
    x = decorrelated()
    assert node(CrossCorrelation)(x, x).item() == pytest.approx(0, abs=1e-9)
    assert node(CrossCorrelation)(100 * x + 7, 0.5 * x - 3).item() == pytest.approx(0, abs=1e-8)  # any scale and shift


def test_cross_correlation_of_opposite_views_costs_4_a_feature() -> None:
    x = decorrelated()
    assert node(CrossCorrelation)(x, -x).item() == pytest.approx(4 * x.shape[1], rel=1e-4)


def test_cross_correlation_of_one_feature_repeated_costs_lambda_a_pair() -> None:
    x = decorrelated(d=1).repeat(1, 5)
    assert node(CrossCorrelation, redundancy=0.01)(x, x).item() == pytest.approx(0.01 * 20, rel=1e-4)


def test_a_constant_feature_has_a_finite_gradient() -> None:
    x, y = (v.detach().float() for v in values())
    x[:, 0] = 2.0
    for cls in (CrossCorrelation, VarianceCovariance):
        x, y = x.detach().requires_grad_(), y.detach().requires_grad_()
        for gradient in torch.autograd.grad(node(cls)(x, y), (x, y)):
            assert gradient.isfinite().all()


def test_variance_covariance_by_hand() -> None:
    """Two samples, two features: variances 2 and 0, covariance 0; then features that are the same."""
    x = torch.tensor([[1.0, 5.0], [-1.0, 5.0]], dtype=torch.float64)
    assert node(VarianceCovariance, invariance=1, variance=0, covariance=0)(x, x + 3).item() == pytest.approx(9)
    # The first deviation is above 1, the second is sqrt(1e-4).
    assert node(VarianceCovariance, invariance=0, variance=1, covariance=0)(x, x).item() == pytest.approx(
        (1 - 0.01) / 2
    )
    same = torch.tensor([[1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)
    # Covariance 2 of each of two pairs, over d = 2, in two views.
    assert node(VarianceCovariance, invariance=0, variance=0, covariance=1)(same, same).item() == pytest.approx(
        2 * (4 + 4) / 2
    )


def test_variance_covariance_of_equal_spread_decorrelated_views_is_zero() -> None:
    x = 2 * decorrelated()
    assert node(VarianceCovariance)(x, x).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("b", "d"), [(7, 1), (7, 3), (7, 13), (7, 14), (7, 40), (2, 4), (2, 3)])
def test_both_matrices_give_the_same_sum_off_the_diagonal(b: int, d: int) -> None:
    x, y = values(b, d)
    product = x.T @ y
    expected = sum((product[i, j] ** 2 for i in range(d) for j in range(d) if i != j), zero())
    torch.testing.assert_close(off_diagonal(x, y), expected, rtol=1e-11, atol=1e-11)


def test_many_features_of_few_samples_keep_their_digits() -> None:
    x, y = (v.detach() for v in values(b=32, d=512))
    exact = node(CrossCorrelation)(x, y)
    assert node(CrossCorrelation)(x.float(), y.float()).item() == pytest.approx(exact.item(), rel=1e-5)


# -- cross-entropy -------------------------------------------------------------------------------------------


def test_cross_entropy_with_one_hot_targets_is_torchs() -> None:
    logits, _ = values()
    label = torch.tensor([0, 3, 1, 2, 2, 0])
    ours = node(CrossEntropy, temperature=0.3)(logits, F.one_hot(label, 4))
    agree(ours, F.cross_entropy(logits / 0.3, label), (logits,))


def test_cross_entropy_with_itself_is_the_entropy_and_has_no_gradient() -> None:
    logits, _ = values()
    target = torch.softmax(logits / 0.1, 1).detach()
    loss = node(CrossEntropy)(logits, target)
    assert loss.item() == pytest.approx(torch.special.entr(target).sum(1).mean().item())
    assert torch.autograd.grad(loss, logits)[0].abs().max() < 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_logits_are_finite(dtype: torch.dtype) -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]], dtype=dtype, requires_grad=True)
    target = torch.full((2, 3), 1 / 3, dtype=dtype)
    loss = node(CrossEntropy)(logits, target)
    assert loss.item() == pytest.approx((1e5 + math.log(3)) / 2, rel=1e-6)
    assert torch.autograd.grad(loss, logits)[0].isfinite().all()


# -- precision and configuration -----------------------------------------------------------------------------

ALL: list[tuple[type[nn.Module], int]] = [
    (Alignment, 2), (Uniformity, 1), (CrossCorrelation, 2), (VarianceCovariance, 2), (CrossEntropy, 2), (Norm, 1)
]  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("cls", "count"), ALL)
def test_half_precision_gives_a_float32_loss(cls: type[nn.Module], count: int, dtype: torch.dtype) -> None:
    given = [v.detach().to(dtype).requires_grad_() for v in values(b=16, d=40)[:count]]
    with torch.autocast("cpu", torch.bfloat16):
        loss = node(cls)(*given)
    exact = node(cls)(*(v.double() for v in given))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=1e-5)
    assert all(g.isfinite().all() for g in torch.autograd.grad(loss, given))


@pytest.mark.parametrize(("cls", "count"), ALL)
def test_values_at_the_end_of_float16_do_not_overflow(cls: type[nn.Module], count: int) -> None:
    given = [(v.detach() * 8000).half().requires_grad_() for v in values()[:count]]
    loss = node(cls)(*given)
    assert loss.isfinite()
    # What float32 sees; in float16 the gradient of a sum of squares may be out of range by itself.
    wide = [v.detach().float().requires_grad_() for v in given]
    assert all(g.isfinite().all() for g in torch.autograd.grad(node(cls)(*wide), wide))


@pytest.mark.parametrize(
    ("cls", "name", "plain"),
    [
        (Uniformity, "t", first_only(plain_uniformity)),
        (CrossCorrelation, "redundancy", lambda x, y, redundancy: plain_correlation(x, y, redundancy)),
        (VarianceCovariance, "invariance", plain_variance_covariance),
        (VarianceCovariance, "variance", plain_variance_covariance),
        (VarianceCovariance, "covariance", plain_variance_covariance),
        (CrossEntropy, "temperature", plain_cross_entropy),
    ],
)
def test_schedules_are_read_in_each_call(cls: type[nn.Module], name: str, plain: Callable[..., Tensor]) -> None:
    given = values(scale=0.6)[: 1 if cls is Uniformity else 2]
    objective = node(cls, **{name: {"from": 0.5, "to": 1.0}})
    for value in (0.5, 0.75, 1.0):
        getattr(objective, name).fill_(value)
        expected = plain(given[0], given[-1], **{name: value})
        torch.testing.assert_close(objective(*given), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [
        (Alignment, {"alpha": 0.5}),
        (Alignment, {"normalise": True}),
        (Uniformity, {"t": 0}),
        (CrossCorrelation, {"redundancy": -1}),
        (CrossCorrelation, {"lambda": 0.1}),
        (VarianceCovariance, {"variance": -1}),
        (CrossEntropy, {"temperature": 0}),
        (Norm, {"alpha": 1}),
    ],
)
def test_wrong_configs_are_refused(cls: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        cls.Config(**wrong)


def test_a_variance_covariance_loss_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="invariance, variance and covariance are all 0: the loss would be 0"):
        node(VarianceCovariance, invariance=0, variance=0, covariance=0)
    assert node(VarianceCovariance, invariance=0, variance=0, covariance=1)(*values()).isfinite()

"""The linear classifier: its optimum against scikit-learn's, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from graphssl.errors import RunError
from graphssl.evaluation.labelled import Labelled, Splits
from graphssl.evaluation.logistic import fit_logistic, logistic_accuracy


def blobs(n: int, d: int, classes: int, seed: int, spread: float = 1.0) -> tuple[Tensor, Tensor]:
    """Classes around their own centres, which do not depend on the seed."""
    centres = torch.randn(classes, d, generator=torch.Generator().manual_seed(99))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    return centres[labels] + spread * torch.randn(n, d, generator=generator), labels


@pytest.mark.parametrize("penalty", [1e-3, 1e-1])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_optimum_is_that_of_scikit_learn(penalty: float, classes: int) -> None:
    features, labels = blobs(200, 6, classes, 0)
    x = features.double().numpy()
    x = (x - x.mean(0)) / x.std(0)
    theirs = LogisticRegression(C=1 / (penalty * len(x)), tol=1e-10, max_iter=5000).fit(x, labels.numpy())
    weight, bias = fit_logistic(features, labels, penalty, 500)
    ours = torch.softmax(features @ weight.T + bias, 1).double().numpy()
    expected = theirs.predict_proba(x)
    if classes == 2:  # scikit-learn fits one row of weights there, with the penalty of one row
        theirs = LogisticRegression(C=2 / (penalty * len(x)), tol=1e-10, max_iter=5000).fit(x, labels.numpy())
        expected = theirs.predict_proba(x)
    np.testing.assert_allclose(ours, expected, atol=2e-3)


def test_the_gradient_is_zero_at_the_optimum() -> None:
    features, labels = blobs(120, 4, 3, 1)
    weight, bias = fit_logistic(features, labels, 1e-2, 500)
    spread, mean = torch.std_mean(features.double(), dim=0, correction=0)
    own = (weight.double() * spread).requires_grad_()
    shift = (bias.double() + weight.double() @ mean).requires_grad_()
    logits = ((features.double() - mean) / spread) @ own.T + shift
    loss = torch.nn.functional.cross_entropy(logits, labels) + 1e-2 / 2 * own.square().sum()
    for gradient in torch.autograd.grad(loss, [own, shift]):
        assert gradient.abs().max() < 1e-4


def test_what_is_separable_is_told_apart_and_noise_is_not() -> None:
    keys, labels = blobs(300, 8, 4, 0, 0.1)
    queries, truth = blobs(100, 8, 4, 1, 0.1)
    assert logistic_accuracy(Splits(Labelled(keys, labels), Labelled(queries, truth))) == 1.0
    noise = torch.randn(400, 8, generator=torch.Generator().manual_seed(3))
    chance = logistic_accuracy(Splits(Labelled(noise[100:], labels), Labelled(noise[:100], truth)))
    assert 0.1 < chance < 0.45


def test_the_scale_and_the_place_of_features_do_not_matter() -> None:
    keys, labels = blobs(200, 5, 3, 0, 2.0)
    queries, truth = blobs(90, 5, 3, 1, 2.0)
    plain = logistic_accuracy(Splits(Labelled(keys, labels), Labelled(queries, truth)))
    scale = torch.tensor([1e-3, 1.0, 50.0, 1e3, 0.2])
    moved = logistic_accuracy(Splits(Labelled(keys * scale + 7, labels), Labelled(queries * scale + 7, truth)))
    assert abs(plain - moved) <= 1 / 90 + 1e-9
    assert plain > 0.6


def test_a_constant_feature_changes_nothing() -> None:
    keys, labels = blobs(100, 3, 2, 0)
    wide = torch.cat([keys, torch.full((100, 1), 5.0)], 1)
    weight, bias = fit_logistic(wide, labels)
    assert weight.isfinite().all()
    assert bias.isfinite().all()
    assert weight[:, 3].abs().max() == 0


def test_unlabelled_samples_are_left_out() -> None:
    keys, labels = blobs(100, 3, 2, 0, 0.1)
    spoilt = torch.cat([keys, 100 * torch.randn(50, 3)])
    known = torch.cat([labels, torch.full((50,), -1)])
    assert logistic_accuracy(Splits(Labelled(spoilt, known), Labelled(keys, labels))) == logistic_accuracy(
        Splits(Labelled(keys, labels), Labelled(keys, labels))
    )
    nothing = torch.full((100,), -1)
    with pytest.raises(RunError, match="reference samples with labels"):
        logistic_accuracy(Splits(Labelled(keys, nothing), Labelled(keys, labels)))
    with pytest.raises(RunError, match="held-out samples with labels"):
        logistic_accuracy(Splits(Labelled(keys, labels), Labelled(keys, nothing)))


def test_features_that_are_not_finite_are_refused() -> None:
    keys, labels = blobs(20, 3, 2, 0)
    keys[3, 1] = float("nan")
    with pytest.raises(RunError, match="not finite"):
        logistic_accuracy(Splits(Labelled(keys, labels), Labelled(keys, labels)))


def test_features_made_in_inference_mode_can_be_fitted() -> None:
    with torch.inference_mode():
        keys, labels = blobs(60, 3, 2, 0, 0.1)
    assert (
        logistic_accuracy(Splits(Labelled(keys.clone(), labels.clone()), Labelled(keys.clone(), labels.clone()))) == 1.0
    )


def test_the_same_twice() -> None:
    keys, labels = blobs(100, 6, 3, 0, 2.0)
    one, two = (fit_logistic(keys, labels) for _ in range(2))
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])


def test_a_class_without_samples_is_never_predicted() -> None:
    keys, labels = blobs(60, 3, 2, 0, 0.1)
    weight, bias = fit_logistic(keys, labels, classes=5)
    assert weight.shape == (5, 3)
    assert (keys @ weight.T + bias).argmax(1).max() <= 1

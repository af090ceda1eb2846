"""Each objective on scores against its paper's formula, in float64, as loops: values and gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from score_samples import Rows, agree, mean, negatives, node, positives, rows, sample, total
from torch import Tensor

from graphssl.ports import Scores

MARGIN, LOG_Z, SIGMA = 2.5, -0.5, 3.0  # log_z is exact in float32


def infonce(given: Rows) -> Tensor:
    """MoCo, equation 1."""
    return mean([-torch.log(t.exp() / (t.exp() + total([u.exp() for u in n]))) for p, n in given for t in p])


def n_pair(given: Rows) -> Tensor:
    """Sohn 2016: log(1 + sum exp(f^T f- - f^T f+))."""
    return mean([torch.log(1 + total([torch.exp(u - t) for u in n])) for p, n in given for t in p])


def nce(given: Rows) -> Tensor:
    """NPID, equations 6 and 7: P = exp(T) / Z, noise uniform over N entries, m times as often as data."""
    entries = 1000
    z, noise = math.exp(LOG_Z) * entries, 1 / entries

    def h(t: Tensor, m: int) -> Tensor:
        return (t.exp() / z) / (t.exp() / z + m * noise)

    return mean(
        [
            -mean([torch.log(h(t, len(n))) for t in p]) - total([torch.log(1 - h(u, len(n))) for u in n])
            for p, n in given
        ]
    )


def jsd(given: Rows) -> Tensor:
    """Deep InfoMax, equation 4."""
    sp = [torch.log(1 + torch.exp(-t)) for t in positives(given)]
    return mean(sp) + mean([torch.log(1 + torch.exp(t)) for t in negatives(given)])


def dv(given: Rows) -> Tensor:
    """Deep InfoMax, equation 2."""
    return torch.log(mean([t.exp() for t in negatives(given)])) - mean(positives(given))


def nwj(given: Rows) -> Tensor:
    return mean([torch.exp(t - 1) for t in negatives(given)]) - mean(positives(given))


def f_gan(g: Callable[[Tensor], Tensor], conjugate: Callable[[Tensor], Tensor]) -> Callable[[Rows], Tensor]:
    """f-GAN, equation 6: E[g(T+)] - E[f*(g(T-))] is the bound, with activation and conjugate of its table."""
    return lambda given: mean([conjugate(g(t)) for t in negatives(given)]) - mean([g(t) for t in positives(given)])


def margin(given: Rows) -> Tensor:
    """Hadsell 2006, equation 4, with D = -T."""
    far = [torch.clamp(MARGIN - -t, min=0) ** 2 for t in negatives(given)]
    return mean([(-t) ** 2 for t in positives(given)]) / 2 + mean(far) / 2


def triplet(mine: str) -> Callable[[Rows], Tensor]:
    """FaceNet: D+ - D- + margin, for the negatives that are chosen."""

    def choose(near: Tensor, far: Sequence[Tensor]) -> list[Tensor]:
        if mine == "semi_hard":
            far = [d for d in far if near < d < near + MARGIN]
        return list(far) if mine == "all" else [min(far)] if far else []

    def formula(given: Rows) -> Tensor:
        found = [(-t, d) for p, n in given for t in p for d in choose(-t, [-u for u in n])]
        return mean([torch.clamp(near - far + MARGIN, min=0) for near, far in found])

    return formula


def decoupled(given: Rows) -> Tensor:
    """A query without negatives costs nothing, and counts."""
    cost = [-t + torch.log(total([u.exp() for u in n])) if n else 0 * t for p, n in given for t in p]
    return mean(cost)


def weighted(given: Rows) -> Tensor:
    average = mean([torch.exp(t / SIGMA) for t in positives(given)])
    weight = {t: (2 - torch.exp(t / SIGMA) / average).detach() for t in positives(given)}
    cost = [-weight[t] * t + torch.log(total([u.exp() for u in n])) if n else 0 * t for p, n in given for t in p]
    return mean(cost)


FORMULAS: dict[str, tuple[str, dict[str, object], Callable[[Rows], Tensor]]] = {
    "infonce": ("infonce", {}, infonce),
    "n_pair": ("n_pair", {}, n_pair),
    "nce": ("nce_fixed", {"log_z": LOG_Z}, nce),
    "nce learned": ("nce_learned", {"gamma": LOG_Z}, nce),
    "jsd": ("jsd", {}, jsd),
    "dv": ("dv", {}, dv),
    "nwj": ("nwj", {}, nwj),
    "kl": ("f_divergence", {"kind": "kl"}, f_gan(lambda v: v + 1, lambda t: torch.exp(t - 1))),
    "reverse kl": ("f_divergence", {"kind": "reverse_kl"}, f_gan(lambda v: -torch.exp(-v), lambda t: -1 - torch.log(-t))),
    "chi squared": ("f_divergence", {"kind": "chi_squared"}, f_gan(lambda v: v, lambda t: t**2 / 4 + t)),
    "hellinger": ("f_divergence", {"kind": "squared_hellinger"}, f_gan(lambda v: 1 - torch.exp(-v), lambda t: t / (1 - t))),
    "jensen-shannon": ("f_divergence", {"kind": "jsd"}, f_gan(lambda v: math.log(2) - torch.log(1 + torch.exp(-v)), lambda t: -torch.log(2 - t.exp()))),
    "gan": ("f_divergence", {"kind": "gan"}, f_gan(lambda v: -torch.log(1 + torch.exp(-v)), lambda t: -torch.log(1 - t.exp()))),
    "margin": ("margin", {"margin": MARGIN}, margin),
    "triplet": ("triplet", {"margin": MARGIN, "mine": "all"}, triplet("all")),
    "triplet hard": ("triplet", {"margin": MARGIN, "mine": "hard"}, triplet("hard")),
    "triplet semi-hard": ("triplet", {"margin": MARGIN, "mine": "semi_hard"}, triplet("semi_hard")),
    "decoupled": ("decoupled", {}, decoupled),
    "decoupled weighted": ("decoupled", {"weight": "von_mises", "sigma": SIGMA}, weighted),
}  # fmt: skip


@pytest.mark.parametrize("more", [(), (3,), (2, 2)], ids=["b", "b p", "b r k"])
@pytest.mark.parametrize(
    "marks", [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.3, 0.3)], ids=["all", "masked", "same", "both"]
)
@pytest.mark.parametrize("case", FORMULAS)
def test_it_is_the_formula(case: str, marks: tuple[float, float], more: tuple[int, ...]) -> None:
    name, config, formula = FORMULAS[case]
    scores = sample(more=more, masked=marks[0], same=marks[1])
    agree(node(name, **config), lambda s: formula(rows(s)), scores)


def multi_positive(scores: Scores) -> Tensor:
    """Khosla 2020, equation 2: P(i) are the positives, A(i) all pairs."""
    losses = []
    for i, given in enumerate(scores.negative):
        kept = [j for j in range(len(given)) if scores.mask is None or not scores.mask[i, j]]
        own = [
            *scores.positive[i].reshape(-1),
            *(given[j] for j in kept if scores.same is not None and scores.same[i, j]),
        ]
        others = [given[j] for j in kept if scores.same is None or not scores.same[i, j]]
        everything = total([t.exp() for t in (*own, *others)])
        losses.append(-total([torch.log(t.exp() / everything) for t in own]) / len(own))
    return mean(losses)


@pytest.mark.parametrize("more", [(), (3,), (2, 2)], ids=["b", "b p", "b r k"])
@pytest.mark.parametrize(
    "marks", [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.3, 0.6)], ids=["all", "masked", "same", "both"]
)
def test_multi_positive_is_equation_2(marks: tuple[float, float], more: tuple[int, ...]) -> None:
    agree(node("multi_positive"), multi_positive, sample(more=more, masked=marks[0], same=marks[1]))


@pytest.mark.parametrize("masked", [0.0, 0.4])
@pytest.mark.parametrize("more", [(), (3,)])
def test_the_score_penalty_is_the_mean_square_of_positives_and_negatives(more: tuple[int, ...], masked: float) -> None:
    agree(
        node("score_penalty"),
        lambda s: mean([t**2 for t in (*positives(rows(s)), *negatives(rows(s)))]),
        sample(more=more, masked=masked),
    )


def test_the_score_penalty_counts_further_positives_and_needs_no_negatives() -> None:
    scores = sample(same=0.5)
    penalty = node("score_penalty")
    assert torch.equal(penalty(scores), penalty(scores._replace(same=None)))
    torch.testing.assert_close(penalty(Scores(scores.positive)), scores.positive.square().mean())


def test_regression_takes_several_positives() -> None:
    positive = sample(more=(2, 3)).positive
    agree(node("regression"), lambda s: mean([2 - 2 * t for t in s.positive.reshape(-1)]), Scores(positive))


# -- identities ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("marks", [(0.0, 0.0), (0.3, 0.0)])
def test_multi_positive_without_further_positives_is_infonce(marks: tuple[float, float]) -> None:
    scores = sample(masked=marks[0])
    agree(node("multi_positive"), node("infonce"), scores)
    agree(node("multi_positive"), node("infonce"), scores._replace(same=torch.zeros(4, 6, dtype=torch.bool)))


def test_multi_positive_takes_further_positives_from_either_side() -> None:
    """A score among the positives, or among the negatives and marked, is the same."""
    scores = sample(more=(3,), n=4)
    moved = Scores(
        scores.positive[:, 0],
        torch.cat([scores.positive[:, 1:], scores.negative], 1),
        same=torch.arange(6).expand(4, 6) < 2,
    )
    torch.testing.assert_close(node("multi_positive")(scores), node("multi_positive")(moved), rtol=1e-12, atol=0)


def test_multi_positive_leaves_out_what_is_masked_even_where_it_is_the_same_class() -> None:
    scores = sample(same=0.4)
    hidden = scores._replace(mask=scores.same)
    torch.testing.assert_close(node("multi_positive")(hidden), node("infonce")(hidden), rtol=1e-12, atol=0)


def test_multi_positive_keeps_the_digits_of_a_small_loss() -> None:
    scores = Scores(torch.full((2,), 30.0), torch.full((2, 10), -5.0))
    assert node("multi_positive")(scores).item() == pytest.approx(10 * math.exp(-35), rel=1e-5)


def test_n_pair_is_infonce() -> None:
    scores = sample(more=(2,), masked=0.3)
    assert torch.equal(node("n_pair")(scores), node("infonce")(scores))


def test_several_positives_are_the_mean_over_queries_of_one() -> None:
    """Each positive is told from its query's negatives alone."""
    scores = sample(more=(3,))
    parts = [node("infonce")(Scores(scores.positive[:, i], scores.negative)) for i in range(3)]
    torch.testing.assert_close(node("infonce")(scores), torch.stack(parts).mean())


def test_the_f_divergence_of_jensen_and_shannon_is_the_jsd_objective_less_log_4() -> None:
    scores = sample(masked=0.2)
    loss = node("jsd")(scores)
    torch.testing.assert_close(node("f_divergence", kind="jsd")(scores), loss - 2 * math.log(2))
    torch.testing.assert_close(node("f_divergence", kind="gan")(scores), loss)


def test_the_f_divergence_kl_is_nwj_with_scores_one_lower() -> None:
    scores = sample()
    raised = Scores(scores.positive + 1, scores.negative + 1)
    torch.testing.assert_close(node("f_divergence", kind="kl")(scores), node("nwj")(raised))


@pytest.mark.parametrize("constant", [-50.0, 3.0, 1e4])
def test_donsker_varadhan_does_not_see_a_constant(constant: float) -> None:
    scores = sample(masked=0.2)
    moved = Scores(scores.positive + constant, scores.negative + constant, scores.mask)
    torch.testing.assert_close(node("dv")(moved), node("dv")(scores), rtol=1e-9, atol=1e-9)


def test_donsker_varadhan_averages_over_the_batch_and_not_over_rows() -> None:
    scores = Scores(torch.zeros(2), torch.tensor([[0.0, 0.0], [5.0, 5.0]]))
    assert node("dv")(scores).item() == pytest.approx(math.log((1 + math.exp(5)) / 2), rel=1e-6)


def test_decoupled_is_infonce_less_its_coupling() -> None:
    """InfoNCE = log(exp(T+) + sum exp(T-)) - T+; without the positive in the sum it is always smaller."""
    scores = sample()
    everything = torch.logsumexp(torch.cat([scores.positive[:, None], scores.negative], 1), 1)
    coupling = (everything - torch.logsumexp(scores.negative, 1)).mean()
    torch.testing.assert_close(node("decoupled")(scores), node("infonce")(scores) - coupling)


def test_the_weights_of_decoupled_average_one_and_carry_no_gradient() -> None:
    positive = sample(b=5).positive
    weights = (
        -torch.autograd.grad(
            node("decoupled", weight="von_mises", sigma=0.5)(Scores(positive, torch.zeros(5, 2))), positive
        )[0]
        * 5
    )
    assert weights.mean().item() == pytest.approx(1, rel=1e-12)
    assert weights.argmax() == positive.argmin()


def test_the_default_sigma_of_decoupled_is_the_papers_at_temperature_a_tenth() -> None:
    cosine, temperature, sigma = torch.tensor([0.9, 0.1, -0.3, 0.5], dtype=torch.float64), 0.1, 0.5
    weight = 2 - torch.exp(cosine / sigma) / torch.exp(cosine / sigma).mean()
    loss = node("decoupled", weight="von_mises")(Scores(cosine / temperature, torch.zeros(4, 1, dtype=torch.float64)))
    torch.testing.assert_close(loss, -(weight * cosine / temperature).mean())


def test_margin_leaves_distant_negatives_alone() -> None:
    scores = Scores(torch.zeros(2), torch.tensor([[-2.0, -0.25], [-1.0, -9.0]]).requires_grad_())
    loss = node("margin", margin=1.0)(scores)
    assert loss.item() == pytest.approx(0.5 * 0.75**2 / 4)
    assert torch.autograd.grad(loss, scores.negative)[0].count_nonzero() == 1


def test_triplets_without_a_semi_hard_negative_do_not_count() -> None:
    near, far, between = torch.tensor([[-0.5, -0.1]]), torch.tensor([[-3.0, -4.0]]), torch.tensor([[-1.1, -1.3]])
    objective = node("triplet", margin=0.5, mine="semi_hard")
    scores = Scores(torch.full((3,), -1.0), torch.cat([near, far, between]).requires_grad_())
    loss = objective(scores)
    assert loss.item() == pytest.approx(0.5 - 0.1)  # the third query's nearest, alone in the mean
    assert torch.autograd.grad(loss, scores.negative)[0].nonzero().tolist() == [[2, 0]]
    assert objective(Scores(torch.full((1,), -1.0), far)).item() == 0


def test_hard_triplets_take_the_nearest_negative() -> None:
    scores = Scores(torch.tensor([-1.0]), torch.tensor([[-0.4, -0.2, -5.0]]).requires_grad_())
    loss = node("triplet", margin=0.5, mine="hard")(scores)
    assert loss.item() == pytest.approx(1 - 0.2 + 0.5)
    assert torch.autograd.grad(loss, scores.negative)[0].nonzero().tolist() == [[0, 1]]

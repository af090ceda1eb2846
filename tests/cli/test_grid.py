"""The grid of critic, negative source and objective: each cell takes a step, or is refused with a reason that teaches."""

from __future__ import annotations

import pytest
import torch
from helpers import fresh, images

from graphssl.cli.grid import NOTHING, checked_column, critics, negatives, objectives, refusals
from graphssl.component import find

from graphssl.data import Batch  # isort: skip

WITHOUT_NEGATIVES = {"objective.regression", "objective.score_penalty"}
# Of the critics, those that an objective is not defined on.
UNBOUNDED = {"critic.bilinear", "critic.concat", "critic.dot", "critic.js", "critic.separable"}


def expected(critic: str, source: str) -> set[str]:
    """The objectives that must be refused."""
    refused = set(objectives()) - WITHOUT_NEGATIVES if source == NOTHING else {"objective.regression"}
    if critic in UNBOUNDED:
        refused.add("objective.regression")
    return refused | ({"objective.margin"} if critic != "critic.euclidean" else set())


def test_the_grid_is_complete() -> None:
    assert set(critics()) >= {
        f"critic.{c}" for c in ("bilinear", "concat", "cosine", "dot", "euclidean", "js", "separable")
    }
    assert set(negatives()) >= {
        NOTHING,
        *(f"negatives.{n}" for n in ("in_batch", "labelled", "memory_bank", "queue", "shuffle")),
    }
    assert len(objectives()) >= 15
    assert "critic.clip" not in critics(), "it changes scores, and scores no pairs"
    assert "toy.noise" not in negatives()


@pytest.mark.parametrize(
    "source", [NOTHING, *(f"negatives.{n}" for n in ("in_batch", "labelled", "memory_bank", "queue", "shuffle"))]
)
@pytest.mark.parametrize(
    "critic", [f"critic.{c}" for c in ("bilinear", "concat", "cosine", "dot", "euclidean", "js", "separable")]
)
def test_every_cell_takes_a_step_or_says_why_not(critic: str, source: str) -> None:
    refused = refusals(critic, source)
    assert set(refused) == expected(critic, source)
    for objective, problem in refused.items():
        assert objective in problem.message or f"'{objective.partition('.')[2]}" in problem.message
        assert len(problem.message) > 40, "a reason teaches"
        assert "'critic'" not in (problem.reason or problem.message), "it holds for other critics too"
    valid = [o for o in objectives() if o not in refused]
    checked = checked_column(critic, source, valid)
    step = fresh(checked)
    weights = {k: p.detach().clone() for k, p in step.program.forward.named_parameters() if p.requires_grad}
    image = images(8)
    for number in range(2):
        out = step(number, [Batch(image, torch.arange(8), torch.arange(8) % 4)])
        assert len(out["terms"]) == len(valid)
        for name, value in out["terms"].items():
            assert value.isfinite(), f"{name} is {value}"
    assert any(not torch.equal(p, weights[k]) for k, p in step.program.forward.named_parameters() if p.requires_grad)
    bounded = {o for o in valid if hasattr(find(o).cls, "bound")}
    assert {n.removesuffix("_term") for n in out["bounds"]} == {o.partition(".")[2] for o in bounded}
    for name, value in out["bounds"].items():
        assert value.isfinite(), f"{name} is {value}"
        assert not value.requires_grad

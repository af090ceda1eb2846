"""The grid of mask, reader, target and objective: each cell takes a step, or is refused with a reason that teaches."""

from __future__ import annotations

import pytest
import torch
from helpers import fresh, shuffled

from graphssl.cli.masks_grid import READERS, checked_masks, mask_columns, masks, masks_text, refused_masks

MASKS = [f"mask.{name}" for name in ("block", "multi_block", "random")]


def test_the_grid_is_complete() -> None:
    assert set(masks()) >= set(MASKS)
    targets = {target for target, _ in mask_columns()}
    assert targets >= {"target.pixels", "target.hog", "target.ema", "target.ema, prototypes"}
    assert {objective for _, objective in mask_columns()} >= {"objective.distance", "objective.cross_entropy"}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("mask", MASKS)
def test_every_cell_takes_a_step_or_says_why_not(mask: str, reader: str) -> None:
    refused = refused_masks(mask, reader)
    if reader == "kept, head.mlp":  # which gives nothing of the hidden patches
        assert set(refused) == set(mask_columns())
        assert all("head.decoder" in problem.message for problem in refused.values())
        return
    assert refused == {}
    for target, objective in mask_columns():
        step = fresh(checked_masks(mask, reader, target, objective))
        before = {k: p.detach().clone() for k, p in step.program.forward.named_parameters() if p.requires_grad}
        for number in range(2):
            terms = step(number, [shuffled(8, seed=number)])["terms"]
            assert all(value.isfinite() for value in terms.values()), (target, objective)
        after = dict(step.program.forward.named_parameters())
        assert not [k for k, v in before.items() if torch.equal(v, after[k].detach())], (target, objective)


def test_it_is_printed_with_its_reasons() -> None:
    lines = masks_text().splitlines()
    assert [line.split()[-1] for line in lines if line.startswith("mask.random")] == ["+", "1", "+"]
    assert lines[-1].startswith("  1  it compares ")

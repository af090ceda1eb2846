"""Lines of `update:` that hold calls."""

from __future__ import annotations

import torch
from conftest import MOCO, Write
from helpers import batch, fresh

from graphssl import check


def test_a_call_within_an_update_is_the_steps(write: Write) -> None:
    """It is computed with the step, and its value carried to the update."""
    nested = write(MOCO, ("  critic:", "  normal:    {use: head.normalize}\n  critic:"), ("push(k)", "push(normal(k))"))
    found = check(nested)
    assert not found.warnings
    named = write(
        MOCO, ("  critic:", "  normal:    {use: head.normalize}\n  critic:"), ("push(k)", "push(n)"),
        ("  s: critic", "  n: normal(k)\n  s: critic"), name="named.yaml",
    )  # fmt: skip
    states = []
    for checked in (found, check(named)):
        step = fresh(checked)
        step(0, [batch()])
        states.append(step.state()["model"]["queue.keys"])
    assert torch.equal(*states)
    assert torch.allclose(states[0][:16].norm(dim=1), torch.ones(16), atol=1e-5)

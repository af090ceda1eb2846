"""Clipping by parameter, against DINO's formula in float64."""

from __future__ import annotations

import torch
from torch import nn

from graphssl.graph.spec import Clip
from graphssl.train.clip import clip_gradients


def gradients() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    found = []
    for scale in (10.0, 0.1, 3.0, 0.0):
        parameter = nn.Parameter(torch.zeros(4, 5, dtype=torch.float64))
        parameter.grad = scale * torch.randn(4, 5, generator=generator, dtype=torch.float64)
        found.append(parameter)
    return [*found, nn.Parameter(torch.zeros(3))]  # and one without a gradient


def test_each_parameter_by_itself() -> None:
    parameters = gradients()
    before = [p.grad.clone() for p in parameters if p.grad is not None]
    clip_gradients(parameters, Clip(norm=3.0, per="parameter"))
    for parameter, gradient in zip(parameters, before, strict=False):
        factor = 3.0 / (float(gradient.norm()) + 1e-6)
        expected = gradient * factor if factor < 1 else gradient
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-12, atol=0)
    assert [float(p.grad.norm()) > 2.9 for p in parameters if p.grad is not None] == [True, False, True, False]


def test_the_whole_gradient() -> None:
    for clip in (3.0, Clip(norm=3.0)):
        ours, theirs = gradients(), gradients()
        clip_gradients(ours, clip)
        torch.nn.utils.clip_grad_norm_(theirs, 3.0)
        assert all(a.grad is b.grad or torch.equal(a.grad, b.grad) for a, b in zip(ours, theirs, strict=True))  # type: ignore[arg-type]


def test_nothing_to_clip() -> None:
    clip_gradients([nn.Parameter(torch.zeros(3))], Clip(norm=1.0, per="parameter"))

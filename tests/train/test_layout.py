"""Where channels come last, and where they must not."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from graphssl.train.layout import lay_out

CPU = torch.device("cpu")
LAST = torch.channels_last

BACKWARD = """
import torch
from graphssl.train.layout import lay_out
layers = torch.nn.Sequential(torch.nn.Conv2d(8, 16, 1, stride=2, bias=False))
lay_out(layers, torch.device("cpu"), channels_last=True)
for _ in range(20):
    image = torch.randn(16, 8, 64, 64).contiguous(memory_format=torch.channels_last).requires_grad_()
    layers(image).square().sum().backward()
print("whole")
"""


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.Conv2d(8, 16, 1, stride=2, bias=False),
        nn.Conv2d(16, 4, 1, stride=(1, 2), groups=2),
        nn.Conv2d(4, 4, 3, stride=2),
    )


def seen(layers: nn.Sequential, size: int) -> list[bool]:
    """Of each convolution, given channels that come last, whether it computes with them so."""
    found: list[bool] = []
    for layer in layers:
        layer.register_forward_pre_hook(lambda _, given: found.append(given[0].is_contiguous(memory_format=LAST)))
    image = torch.randn(2, 3, size, size)
    for layer in layers:
        image = layer(image.contiguous(memory_format=LAST))
    return found


@pytest.mark.parametrize(
    ("size", "last"),
    [(64, [True, False, True, True]), (130, [True, False, False, True]), (32, [True, True, True, True])],
)
def test_few_channels_of_large_maps_come_first_where_strides_are_1_x_1(size: int, last: list[bool]) -> None:
    layers = network()
    lay_out(layers, CPU, channels_last=True)
    assert seen(layers, size) == last


def test_elsewhere_all_come_last() -> None:
    layers = network()
    lay_out(layers, torch.device("cuda"), channels_last=True)  # its weights stay where they are
    assert all(layer.weight.is_contiguous(memory_format=LAST) for layer in layers)
    assert not any(layer._forward_pre_hooks for layer in layers)


def test_where_it_is_not_asked_for_nothing_is_changed() -> None:
    layers = network()
    lay_out(layers, CPU, channels_last=False)
    assert layers[0].weight.is_contiguous()
    assert not any(layer._forward_pre_hooks for layer in layers)


def test_numbers_and_gradients_are_those_of_channels_first() -> None:
    given, first, last = torch.randn(2, 3, 64, 64), network().double(), network()
    lay_out(last, CPU, channels_last=True)
    found = last(given.contiguous(memory_format=LAST))
    expected = first(given.double())
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)
    found.square().sum().backward()
    expected.square().sum().backward()
    for mine, theirs in zip(last.parameters(), first.parameters(), strict=True):
        assert mine.grad is not None
        torch.testing.assert_close(mine.grad.double(), theirs.grad, rtol=1e-3, atol=1e-4)


def test_no_memory_is_spoilt() -> None:
    """In a process of its own: it ends by a signal where torch writes beyond its memory."""
    done = subprocess.run([sys.executable, "-c", BACKWARD], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "whole\n"), done.stderr

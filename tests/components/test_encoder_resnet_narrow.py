"""ResNets of a few channels, where the library of convolutions on a CPU writes past its memory."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from graphssl.component import Sizes, build
from graphssl.components.encoder import ResNet

STEPS = """
import sys, torch
from graphssl.component import Sizes, build
from graphssl.components.encoder import ResNet
net = build(ResNet, sizes=Sizes({"c": 3, "h": 32, "w": 32}), width=int(sys.argv[1]), depth=10, stem="imagenet")
net.to(memory_format=torch.channels_last)
image = torch.randn(16, 3, 32, 32).contiguous(memory_format=torch.channels_last)
for _ in range(20):
    net(image).square().sum().backward()
print("done")
"""


@pytest.mark.parametrize("width", [2, 4])
def test_steps_in_channels_last_do_not_break_the_process(width: int) -> None:
    done = subprocess.run([sys.executable, "-c", STEPS, str(width)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_a_narrow_shortcut_is_the_same_convolution() -> None:
    net = build(ResNet, sizes=Sizes({"c": 3, "h": 32, "w": 32}), width=4, depth=10)
    ours = net.layer2[0].downsample[0]
    plain = nn.Conv2d(4, 8, 1, 2, bias=False).double()
    plain.load_state_dict(ours.state_dict())
    image = torch.randn(3, 4, 9, 8, dtype=torch.double)
    assert torch.allclose(ours.double()(image), plain(image), rtol=0, atol=1e-12)

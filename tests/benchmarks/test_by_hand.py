"""What the benchmarks compare: the step by hand computes what the graph's does, and a loop goes on by epochs."""

from __future__ import annotations

import pytest
import torch
from benchmark_scripts import METHODS, Script
from helpers import images


@pytest.mark.parametrize("method", METHODS)
def test_the_step_by_hand_is_the_graph_s(script: Script, method: str) -> None:
    """The same loss and the same gradient of the encoder, from the same weights and views."""
    methods, device = script("methods"), torch.device("cpu")
    setting = methods.Setting(method, "small", 32, 8)
    program = script("loops").step_of(setting.checked(), device, 1).program
    hand = methods.ByHand(setting, program.node("augment"), device, compiled=False)
    ours = {name: list(program.node(name).parameters()) for name in program.graph.nodes}
    pairs = [(ours["encoder"] + ours["projector"], hand.online)]
    pairs += [(ours["predictor"], hand.predictor)] if method == "byol" else []
    with torch.no_grad():
        for source, copy in [*pairs, *([(pairs[0][0], hand.target)] if method != "simclr" else [])]:
            for theirs, own in zip(source, copy.parameters(), strict=True):
                own.copy_(theirs)
    if method == "moco_v2":
        hand.queue.copy_(program.node("queue").keys)
    image = images(8)
    draws = program.draw(8, torch.Generator().manual_seed(1), device)
    loss = program.forward(image, *draws)["loss"]
    by_hand, _ = hand.loss(image, draws[0])
    torch.testing.assert_close(by_hand, loss)
    loss.backward()
    by_hand.backward()
    for theirs, own in zip(ours["encoder"], hand.online[0].parameters(), strict=True):
        torch.testing.assert_close(own.grad, theirs.grad, rtol=1e-3, atol=1e-5)


def test_the_hand_written_head_is_as_large_as_lightly_s(script: Script) -> None:
    methods = script("methods")
    heads = pytest.importorskip("lightly.models.modules")
    kinds = {
        "byol": heads.BYOLProjectionHead,
        "simclr": heads.SimCLRProjectionHead,
        "moco_v2": heads.MoCoProjectionHead,
    }
    for method, kind in kinds.items():
        setting = methods.Setting(method, "resnet18", 32, 8)
        linear = [p.numel() for p in kind(512, setting.head.hidden, setting.head.out).parameters() if p.ndim == 2]
        assert linear == [p.numel() for p in setting.mlp(512).parameters() if p.ndim == 2]


def test_each_call_of_a_loop_is_one_epoch_more(script: Script) -> None:
    loops, device = script("loops"), torch.device("cpu")
    checked = script("methods").Setting("moco_v2", "small", 32, 8).checked()
    training = loops.Training(checked, loops.noise(checked.graph.spec.data, 32, 2, device), device)
    training()
    training()
    assert training.done == 4
    assert training.images == 16
    assert int(training.step.program.node("queue").head) == 4 * 8, "the updates are part of it"

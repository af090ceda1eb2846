"""The twins of `beside`, ours and lightly's: the same weights, steps, rates, views and loss."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from benchmark_scripts import Script
from helpers import images

from graphssl.checks.checked import check


@pytest.mark.parametrize("method", ["simclr", "byol", "moco_v2", "simsiam", "barlow_twins"])
def test_both_sides_have_the_same_weights_steps_and_rates(script: Script, pictures: Path, method: str) -> None:
    pytest.importorskip("lightly")
    twins = script("twins")
    setting = twins.Setting(method, pictures, epochs=3, batch=8, queue=16, width=8)
    ours, theirs = (side(setting, 0, torch.device("cpu")) for side in (twins.Ours, twins.Lightly))
    groups = theirs.optimizer.param_groups
    sizes = [sorted(p.shape for p in parameters) for parameters in (ours.training.step.parameters, groups[0]["params"])]
    assert sizes[0] == sizes[1]
    for epoch in range(3):
        assert groups[0]["lr"] == pytest.approx(twins.rate_of_epoch(setting, epoch))
        ours()
        theirs()
        assert [g["lr"] for g in ours.training.step.optimizer.param_groups] == pytest.approx(
            len(ours.training.step.optimizer.param_groups) * [twins.rate_of_epoch(setting, epoch)]
        )
    assert ours.steps == theirs.steps == 6


def test_all_methods_have_the_same_views(script: Script, pictures: Path) -> None:
    twins = script("twins")
    settings = [twins.Setting(method, pictures, epochs=1, batch=8, queue=16) for method in twins.TWINS]
    found = [check(f"cifar10/{s.method}", s.sets()).graph.resolved() for s in settings]
    views, encoders = ([graph["nodes"][name] for graph in found] for name in ("augment", "encoder"))
    assert views == len(found) * [views[0]]
    assert encoders == len(found) * [encoders[0]]
    shown = [views[0][key] for key in ("style", "hue", "strength", "solarize", "blur")]
    assert shown == ["torchvision", 0.2, 0.5, 0, 0]


def test_both_sides_have_the_same_loss(script: Script, pictures: Path) -> None:
    """Of the same views and weights: heads, norms, temperatures and scales are alike."""
    pytest.importorskip("lightly")
    twins = script("twins")
    for method in twins.TWINS:
        setting = twins.Setting(method, pictures, epochs=1, batch=8, queue=16, width=8)
        ours, theirs = (side(setting, 0, torch.device("cpu")) for side in (twins.Ours, twins.Lightly))
        program = ours.training.step.program
        nodes = {"encoder": theirs.encoder, "projector": theirs.projection, "predictor": theirs.prediction}
        with torch.no_grad():
            for name, module in nodes.items():
                if module is not None:
                    for own, other in zip(program.node(name).parameters(), module.parameters(), strict=True):
                        own.copy_(other)
            for part in ("encoder", "projector") if theirs.slow else ():
                source = dict(program.node(part).named_parameters())
                for name, own in program.node("target").named_parameters():
                    if name.startswith(f"{part}."):
                        own.copy_(source[name.removeprefix(f"{part}.")])
        if method == "moco_v2":
            program.node("queue").keys.copy_(theirs.criterion.memory_bank.bank)
        image = images(8)
        draws = program.draw(8, torch.Generator().manual_seed(1), torch.device("cpu"))
        x0, x1 = program.node("augment")(image, draws[0])
        loss = program.forward(image, *draws)["loss"].item()
        other = theirs.loss(x0, x1).item()
        offset = 1.0 if method in ("byol", "simsiam") else 0.0  # 1 - cos, and -cos
        assert loss == pytest.approx(other + offset, rel=1e-4, abs=1e-5), method

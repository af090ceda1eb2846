"""Backbones from elsewhere, from YAML alone: trained, evaluated, exported into the plain library, embedded, resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nets
import pytest
import timm
import torch
from conftest import BYOL, Write
from helpers import images
from torch import nn
from torchvision import models

import graphssl
from graphssl.checks.checked import check
from graphssl.program.cost import predict
from graphssl.train.checkpoint import Checkpoints

NETS = Path(nets.__file__)
EPOCH = (
    ("{use: digits, batch: 16}", "{use: digits, batch: 500}"),
    ("train: {epochs: 2,", "train: {epochs: 1, channels_last: true,"),
    ("knn: {k: 5, every: 1}", "knn: {k: 5, every: 1}, logistic: {iterations: 20}"),
)
BACKBONES: dict[str, tuple[str, Any]] = {
    "convnext": ("{use: encoder.timm, name: test_convnext}", lambda: timm.create_model("test_convnext", num_classes=0)),
    "vit": (
        "{use: encoder.timm, name: test_vit, options: {patch_size: 8, depth: 2, drop_path_rate: 0.1}}",
        lambda: timm.create_model("test_vit", num_classes=0, img_size=32, patch_size=8, depth=2),
    ),
    "torchvision": ("{use: encoder.torchvision, name: shufflenet_v2_x0_5}", models.shufflenet_v2_x0_5),
    "module": (f"{{use: encoder.module, path: {NETS}:Vector, options: {{width: 12}}}}", lambda: nets.Vector(12)),
}


def graph(write: Write, name: str) -> Path:
    return write(BYOL, ("{use: encoder.resnet, depth: 10, width: 8}", BACKBONES[name][0]), *EPOCH)


SOME = [pytest.param(n, marks=pytest.mark.slow) if n == "torchvision" else n for n in BACKBONES]


@pytest.mark.parametrize("name", SOME)
def test_an_epoch_from_yaml_alone(here: Path, write: Write, name: str) -> None:
    result = graphssl.run(graph(write, name), device="cpu", name="it")
    assert result.outcome.step == 3
    assert {"knn", "logistic"} <= result.outcome.scores.keys()
    plain = BACKBONES[name][1]().eval()
    if name == "torchvision":
        plain.fc = nn.Identity()
    weights = here / "encoder.pt"
    graphssl.export("it", weights)
    plain.load_state_dict(torch.load(weights), strict=True)
    pictures = images(4)
    features = graphssl.embed("it", pictures)
    facts = check(graph(write, name)).data
    mean, std = (torch.tensor(v)[:, None, None] for v in (facts.mean, facts.std))
    torch.testing.assert_close(features, plain((pictures / 255 - mean) / std), rtol=1e-3, atol=1e-4)
    model = Checkpoints(here / "runs/it/checkpoints").latest()["model"]  # type: ignore[index]
    moved = [k for k in plain.state_dict() if not torch.equal(model[f"encoder.{k}"], model[f"target.encoder.{k}"])]
    assert moved


@pytest.mark.parametrize("name", SOME)
def test_memory_is_foreseen(write: Write, name: str) -> None:
    checked = check(graph(write, name))
    cost = predict(checked.graph, checked.shapes, torch.device("cpu"))
    trained = sum(p.nbytes for n, m in checked.shapes.modules.items() if n != "target" for p in m.parameters())
    assert cost.weights == trained
    assert cost.activations > 500 * 3 * 32 * 32 * 4  # two views of the batch, at least half of them
    assert cost.flops > 0


def test_a_run_knows_its_network_from_any_folder(
    here: Path, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "net.py").write_text(NETS.read_text())
    text = BACKBONES["module"][0].replace(str(NETS), "./net.py")
    path = write(BYOL, ("{use: encoder.resnet, depth: 10, width: 8}", text), EPOCH[0], ("epochs: 2,", "steps: 2,"))
    graphssl.run(path, device="cpu", name="it")
    assert f"path: {here / 'net.py'}:Vector" in (here / "runs/it/graph.yaml").read_text()
    (here / "else").mkdir()
    (here / "runs").rename(here / "else/runs")
    monkeypatch.chdir(here / "else")
    assert graphssl.embed("it", images(2)).shape == (2, 12)
    assert graphssl.run(resume="it", device="cpu").outcome.step == 2

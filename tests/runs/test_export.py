"""Exported weights: which of torchvision's networks takes them, and that it then gives the same features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

from graphssl.component import Sizes, build, find
from graphssl.runs.export import loading_code, twin


def built(name: str, pixels: int, config: dict[str, Any], device: str = "meta") -> nn.Module:
    with torch.device(device):
        return build(find(name), None, Sizes({"c": 3, "h": pixels, "w": pixels}), **config)


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in module.state_dict().items()}


TWINS = [
    ("encoder.resnet", 224, {"depth": 18}, "resnet18"),
    ("encoder.resnet", 224, {"depth": 50}, "resnet50"),
    ("encoder.resnet", 32, {"depth": 34, "stem": "imagenet"}, "resnet34"),
    ("encoder.resnet", 224, {"depth": 50, "norm": {"use": "split_batch", "splits": 4}}, "resnet50"),
    ("encoder.vit", 224, {"size": "base", "patch": 16}, "vit_b_16"),
    ("encoder.vit", 224, {"size": "base", "patch": 32}, "vit_b_32"),
]


@pytest.mark.parametrize(("name", "size", "config", "expected"), TWINS, ids=[t[3] for t in TWINS])
def test_networks_that_torchvision_has(name: str, size: int, config: dict[str, Any], expected: str) -> None:
    module = built(name, size, config)
    head = {"encoder.resnet": "fc", "encoder.vit": "heads"}[name]
    assert twin(module, shapes(module)) == (f"torchvision.models.{expected}()", [head])


def test_the_code_that_loads_them_needs_nothing_else(tmp_path: Path) -> None:
    module = built("encoder.resnet", 224, {"depth": 18}, "cpu")
    torch.save(module.state_dict(), tmp_path / "it.pt")
    names: dict[str, Any] = {}
    code, without = loading_code(module, "encoder", tmp_path, tmp_path / "it.pt")
    assert without == ("fc",)
    exec(code, names)
    model = names["model"]
    assert not model.training
    model.fc = nn.Identity()
    images = torch.rand(2, 3, 64, 64)
    assert torch.equal(model(images), module.eval()(images))


@pytest.mark.parametrize(
    ("name", "size", "config"),
    [
        ("encoder.resnet", 224, {"depth": 10}),
        ("encoder.resnet", 32, {"depth": 18}),
        ("encoder.resnet", 224, {"depth": 50, "width": 128}),
        ("encoder.resnet", 224, {"depth": 18, "norm": "group"}),
        ("encoder.vit", 224, {"size": "small"}),
        ("encoder.vit", 96, {"size": "base"}),
    ],
)
def test_networks_that_torchvision_has_not(name: str, size: int, config: dict[str, Any]) -> None:
    module = built(name, size, config)
    assert twin(module, shapes(module)) is None


def test_what_is_no_network_of_torchvision() -> None:
    with torch.device("meta"):
        head = build(find("head.mlp"), None, Sizes({"d": 8}))
    assert twin(head, shapes(head)) is None


@pytest.mark.parametrize(
    ("name", "size", "config", "expected"), [TWINS[0], TWINS[2], TWINS[5]], ids=["resnet18", "small images", "vit_b_32"]
)
def test_the_twin_gives_the_same_features(name: str, size: int, config: dict[str, Any], expected: str) -> None:
    module = built(name, size, config, "cpu")
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.05)
    theirs = models.get_model(expected, weights=None)
    head = "fc" if name == "encoder.resnet" else "heads"
    missing, unexpected = theirs.load_state_dict(module.state_dict(), strict=False)
    assert not unexpected
    assert {key.split(".")[0] for key in missing} == {head}
    setattr(theirs, head, nn.Identity())
    image = torch.randn(2, 3, size, size)
    with torch.no_grad():
        torch.testing.assert_close(module.eval()(image), theirs.eval()(image))

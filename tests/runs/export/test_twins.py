"""Weights that load strictly into torchvision's and timm's networks, which then give the same features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from exports import exported_run, own, pictures

import graphssl
from graphssl.errors import RunError, UsageError
from graphssl.evaluation.embedding import pooled
from graphssl.runs.export import twins
from graphssl.runs.export.subject import load_subject

SMALL = "{use: encoder.resnet, depth: 10, stem: small"
RESNET = "{use: encoder.resnet, depth: 10, stem: imagenet}"
VIT = "{use: encoder.vit, patch: 8, dim: 48, depth: 2, heads: 3"
BOTH = ("torchvision", "timm")
CASES: list[tuple[str, bool, tuple[str, ...]]] = [  # encoder, grey, libraries
    ("{use: encoder.resnet, depth: 18, stem: imagenet}", False, BOTH),
    (SMALL + "}", False, BOTH),
    (SMALL + ", norm: {use: group, groups: 8}}", True, BOTH),
    ("{use: encoder.resnet, depth: 14, stem: imagenet, norm: group}", True, BOTH),
    (VIT + "}", False, BOTH),
    (VIT + ", mlp: 100}", True, BOTH),
    (VIT + ", pool: mean}", False, ("timm",)),
    ("{use: encoder.timm, name: vit_tiny_patch16_224, options: {depth: 1, patch_size: 8}}", True, ("timm",)),
    ("{use: encoder.timm, name: resnet10t, maps: [2]}", False, ("timm",)),
    ("{use: encoder.torchvision, name: regnet_x_400mf}", False, ("torchvision",)),
    ("{use: encoder.torchvision, name: squeezenet1_1}", True, ("torchvision",)),
]
LARGE: list[tuple[str, bool, tuple[str, ...]]] = [
    ("{use: encoder.resnet, depth: 18}", True, BOTH),
    ("{use: encoder.resnet, depth: 18, norm: {use: split_batch, splits: 4}, maps: [layer3]}", False, BOTH),
    ("{use: encoder.resnet, depth: 50, zero_init_residual: true}", False, BOTH),
    ("{use: encoder.vit, size: tiny, patch: 16}", False, BOTH),
    ("{use: encoder.timm, name: convnext_atto}", False, ("timm",)),
    ("{use: encoder.torchvision, name: convnext_tiny}", False, ("torchvision",)),
    ("{use: encoder.torchvision, name: resnet18}", True, ("torchvision",)),
]
ALL = [*CASES, *(pytest.param(*case, marks=pytest.mark.slow) for case in LARGE)]


@pytest.mark.parametrize(("encoder", "grey", "libraries"), ALL, ids=[f"{c[0]}{c[1]}" for c in CASES + LARGE])
def test_they_load_strictly_and_give_the_same_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: str, grey: bool, libraries: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = exported_run(tmp_path, encoder, grey=grey)
    ours = own(run)
    images = pictures(4, 1 if grey else 3)
    for library in BOTH:
        if library not in libraries:
            with pytest.raises(
                UsageError,
                match=f"{library} has no network with the weights of 'encoder': .*can be exported to torch, ",
            ):
                graphssl.export(str(run.path), f"{library}.pt", "encoder", library)
            assert not Path(f"{library}.pt").exists()
            continue
        exported = graphssl.export(str(run.path), f"{library}.pt", "encoder", library)
        names: dict[str, Any] = {}
        exec(exported.code, names)
        model = names["model"]
        assert type(model).__module__.split(".")[0] == library
        assert not model.training
        assert set(torch.load(f"{library}.pt", weights_only=True)) == set(model.state_dict())
        with torch.inference_mode():
            torch.testing.assert_close(model(images), pooled(ours(images)), rtol=1e-5, atol=1e-5)
            assert pooled(ours(images)).std(0).max() > 1e-4, "features that say nothing"


def test_other_sizes_than_those_of_a_library(tmp_path: Path) -> None:
    run = exported_run(tmp_path, "{use: encoder.resnet, depth: 18, width: 16}")
    for library in BOTH:
        with pytest.raises(
            UsageError,
            match=f"{library} has no network with the weights of 'encoder': the first blocks have 16 channels, and there "
            "always 64; it can be exported to torch, safetensors, onnx, torch-export",
        ):
            graphssl.export(str(run.path), tmp_path / "it.pt", None, library)


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ("projector", "head.mlp is no network of theirs"),
        ("z", "it is what several nodes make, and no single network"),
    ],
)
def test_what_is_no_network(tmp_path: Path, node: str, reason: str) -> None:
    run = exported_run(tmp_path, RESNET)
    with pytest.raises(
        UsageError, match=f"torchvision has no network with the weights of '{node}': {reason}; it can be"
    ):
        graphssl.export(str(run.path), tmp_path / "it.pt", node, "torchvision")


def test_other_features_are_noticed_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from graphssl.components.twins import Twin

    run = exported_run(tmp_path, RESNET)
    plain = "model = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1])"
    fc = "model.fc = torch.nn.Identity()"
    for lines, message in (
        ((plain,), r"do not fit model = torchvision.models.ResNet\(.*Missing key.*fc.weight"),
        (
            (plain, fc, "model.relu = torch.nn.Identity()"),
            "gives other values than 'encoder', by up to .*: nothing is written",
        ),
        (
            (plain, fc, "model.avgpool = torch.nn.Identity()", "model.layer4[0].relu = torch.nn.Tanh()"),
            "gives other values|gives ",
        ),
    ):
        monkeypatch.setattr(
            twins, "twins_of", lambda subject, lines=lines: {"torchvision": Twin(("torchvision",), lines)}
        )
        with pytest.raises(RunError, match=message):
            graphssl.export(str(run.path), tmp_path / "it.pt", None, "torchvision")
        assert not [p.name for p in tmp_path.iterdir() if p.name.startswith((".", "it"))]


def test_the_generator_of_the_user_stays_where_it_is(tmp_path: Path) -> None:
    run = exported_run(tmp_path, RESNET)
    subject = load_subject(run, "encoder")
    before = torch.get_rng_state()
    twins.verify_twin(subject, twins.twin_of(subject, "torchvision"), subject.state)
    assert torch.equal(torch.get_rng_state(), before)

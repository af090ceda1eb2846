"""What no paper has: edits of packaged graphs, from YAML alone. And parts combine: each is of more than one graph."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from helpers import fresh, shuffled

import graphssl
from graphssl.component import discover
from graphssl.graph.language.load import load
from graphssl.graph.language.packaged import packaged

VARIANTS = [name for name in packaged() if name.startswith("variants/")]
# Parts that came with tokens, statistics, dense pairs, clusters and pretext tasks, and that one graph alone has.
ALONE = {
    "augment.neighbours": "where one patch lies from another is a task of its own",
    "context.nearest": "of VICRegL's matches",
    "target.colour_bins": "which colour a pixel has is a task of its own",
    "target.rarity": "of that task: rare colours count for more",
    "context.propagate": "PixPro's own module: a map smoothed by its likeness to itself",
}
BEFORE = {  # of the first graphs: parts of one method's own setting, and those that other data or libraries need
    "augment.amdim", "augment.cmc", "augment.cpc", "augment.lab", "augment.multicrop", "augment.torchvision",
    "context.entries", "context.gru", "context.masked_conv", "context.offset", "context.pick", "critic.clip",
    "critic.euclidean", "encoder.module", "encoder.timm", "encoder.torchvision", "encoder.unpadded", "head.gaussian",
    "head.residual", "head.sample", "negatives.labelled", "negatives.shuffle",
    "objective.decoupled", "objective.dv", "objective.f_divergence", "objective.margin", "objective.multi_positive",
    "objective.n_pair", "objective.nce_fixed", "objective.nce_learned", "objective.norm", "objective.nwj",
    "objective.score_penalty", "objective.triplet", "objective.uniformity", "prior.kl",
    "toy.log_ratio", "toy.noise", "toy.normal",
}  # fmt: skip


def test_there_are_ten_at_least() -> None:
    assert len(VARIANTS) >= 10


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_a_short_edit(name: str) -> None:
    source = load(name)
    lines = Path(source.files[-1]).read_text().splitlines()
    assert len(lines) <= 15
    assert lines[0].startswith("# ")
    assert lines[1] == f"# graphssl run {name}"
    assert len(source.files) > 1, "it extends another"
    assert not source.data.get("components"), "it needs no Python"


@pytest.mark.parametrize("name", VARIANTS)
def test_a_step_moves_every_weight(name: str) -> None:
    checked = graphssl.check(name, ["data.batch=64", "train.schedule={shape: constant}", "train.optimizer.lr=1e-3"])
    assert not checked.warnings
    step = fresh(checked)
    before = {k: p.detach().clone() for k, p in step.program.forward.named_parameters() if p.requires_grad}
    for number in range(2):
        outputs = step(number, [shuffled(64, seed=number)])
        assert all(v.isfinite() for v in outputs["terms"].values()), outputs["terms"]
    after = dict(step.program.forward.named_parameters())
    assert not [k for k, v in before.items() if torch.equal(v, after[k].detach())]


@cache
def graphs_of() -> dict[str, set[str]]:
    """By component the graphs that use it; the recipes of a method count as one with it."""
    found: dict[str, set[str]] = {name: set() for name in discover()}
    for name in packaged():
        method = name.split("/", 1)[1] if name.startswith(("cifar10/", "imagenet/")) else name
        for node in load(name).data["nodes"].values():
            found[node["use"]].add(method)
    return found


@pytest.mark.parametrize("name", sorted(n for n, c in discover().items() if c.cls.__module__.startswith("graphssl.")))
def test_a_component_is_a_part_of_two_graphs(name: str) -> None:
    if name not in ALONE and name not in BEFORE:
        assert len(graphs_of()[name]) > 1, f"{name}: {sorted(graphs_of()[name])}"


def test_what_is_alone_is() -> None:
    assert {*ALONE, *BEFORE} <= set(discover())
    assert not [name for name in ALONE if len(graphs_of()[name]) > 1]

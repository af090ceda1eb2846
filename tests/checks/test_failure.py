"""Calls that fail on meta tensors: the reason in the words of the graph, both sources of a size named."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import BYOL, MOCO, Write, problems_of
from own import grey

from graphssl.api import check

VIT = "encoder.vit, patch: 8, dim: 32, depth: 1, heads: 2"


@pytest.mark.parametrize("encoder", ["encoder.resnet, depth: 10, width: 8", VIT])
@pytest.mark.parametrize("pixels", ["batch.image", "stopgrad(batch.image)"])
def test_pixels_without_an_augment_node(write: Write, encoder: str, pixels: str) -> None:
    change = ("encoder.resnet, depth: 10, width: 8, norm: {use: split_batch, splits: 4}", encoder)
    (found,) = problems_of(check, write(MOCO, change, ("encoder(x[0])", f"encoder({pixels})")))
    name = encoder.split(",")[0]
    giver = pixels if pixels == "batch.image" else "stopgrad, line 13"
    assert f"graph.yaml:13:16: 'encoder' ({name}) takes floats, but gets uint8 pixels from {giver}" in found
    assert "an augment node makes floats of them; augment.plain does no more than that: encoder(plain(" in found


def test_pixels_into_a_target(write: Write) -> None:
    (found,) = problems_of(check, write(MOCO, ("target(x[1])", "target(batch.image)")))
    assert "graph.yaml:14:6: 'target' (target.ema) takes floats, but gets uint8 pixels from batch.image" in found
    assert "hint: an augment node makes floats of them" in found


def test_one_encoder_for_images_of_1_and_of_3_channels(write: Write, tmp_path: Path) -> None:
    second = [("k: target", "w: projector(encoder(grey(x[0])))\n  k: target"), ("infonce: objective(s)", "infonce: objective(s)\n  b: objective(critic(q, w, queue()))")]  # fmt: skip
    (found,) = problems_of(check, write(MOCO, *grey(tmp_path, "grey_twice"), *second))
    assert "encoder.image has c=1 (grey, line 16) but encoder.image has c=3 (augment, line 14)" in found
    assert "graph.yaml:16:16:" in found
    assert "one node has one set of weights, for one c" in found


def test_a_target_for_images_of_1_channel_where_the_encoder_has_3(write: Write, tmp_path: Path) -> None:
    (found,) = problems_of(check, write(MOCO, *grey(tmp_path, "grey_target"), ("target(x[1])", "target(grey(x[1]))")))
    assert "graph.yaml:16:6: target.image has c=1 (grey, line 16) but encoder.image has c=3 (augment, line 14)" in found


def test_a_target_of_nodes_whose_sizes_do_not_fit(write: Write) -> None:
    (found,) = problems_of(check, write(BYOL, ("of: [encoder, projector]", "of: [encoder, predictor]")))
    assert "graph.yaml:8:32: in the chain of 'target' predictor.x has d=64 (encoder) but predictor.x has d=8 (projector, line 13)" in found  # fmt: skip
    assert "'target' calls its nodes one after the other" in found


def test_batch_norm_in_a_batch_of_one_is_told_once(write: Write) -> None:
    (found,) = problems_of(check, write(BYOL, ("batch: 16", "batch: 1")))
    assert "graph.yaml:2:28: batch norm in 'projector' needs more than one sample\n" in found


def test_what_a_component_refuses_is_said_at_its_line(write: Write) -> None:
    found = problems_of(check, write(MOCO, ("critic(q, k, queue())", "critic(q, k)")))
    assert ":" in found[0]
    assert "'objective' (objective.infonce) cannot take this:" in found[0]
    assert "negatives" in found[0]

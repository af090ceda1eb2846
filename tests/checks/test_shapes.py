"""Shape inference: sizes found without being said, both sources named where they clash, nothing computed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR, Write, problems_of

from graphssl.api import check
from graphssl.checks.checked import validated
from graphssl.checks.shapes import match
from graphssl.components.encoder import ResNet


def test_sizes_follow_from_the_wires(write: Write) -> None:
    shapes = check(write(MOCO)).shapes
    assert shapes.sizes["projector"]["d"] == shapes.slots[check(write(MOCO)).graph.values["q"].slots[0].id][0][1] * 8
    assert shapes.sizes["queue"]["d"] == 8
    assert shapes.image_size("encoder") == (32, 32)
    assert shapes.image_size("projector") is None


def test_everything_stays_on_the_meta_device(write: Write) -> None:
    for text in (BYOL, SIMCLR, MOCO):
        for name, module in check(write(text)).shapes.modules.items():
            for tensor in (*module.parameters(), *module.buffers()):
                assert tensor.device.type == "meta", name


def test_inferred_shapes_are_the_real_ones(write: Write) -> None:
    from graphssl.program.program import compile_graph

    checked = check(write(MOCO))
    p = compile_graph(checked.graph, checked.shapes, torch.device("cpu"))
    image = torch.zeros(16, 3, 32, 32, dtype=torch.uint8)
    out = p.forward(image, *p.draw(16, torch.Generator(), torch.device("cpu")))
    inferred = {s.name: checked.shapes.slots[s.id] for c in checked.graph.calls for s in c.outputs}
    (query, key) = out["watch"]["s"]
    assert inferred["q"] == (tuple(query.shape),)
    assert inferred["k"] == (tuple(key.shape),)
    assert inferred["s"] == ((16,), (16, 48))


def test_a_clash_names_both_sources(write: Write) -> None:
    change = ("  target:    {use: target.ema, of: [encoder, projector]", "  narrow:    {use: head.mlp, hidden: 8, out: 4}\n  target:    {use: target.ema, of: [encoder, narrow]")  # fmt: skip
    found = problems_of(check, write(MOCO, change, ("q: projector", "w: narrow(encoder(x[0]))\n  q: projector")))
    assert len(found) == 1, found
    assert "critic.key has d=4 (target, line" in found[0]
    assert "critic.query has d=8 (projector, line" in found[0]


def test_a_queue_written_with_other_keys_than_it_is_read_with(write: Write) -> None:
    found = problems_of(check, write(MOCO, ("queue: push(k)", "queue: push(w)"), ("  k: target", "  w: wide(encoder(x[0]))\n  k: target"), ("  queue:     {use", "  wide: {use: head.mlp, hidden: 8, out: 32}\n  queue:     {use")))  # fmt: skip
    assert len(found) == 1, found
    assert "32" in found[0]
    assert "d=8" in found[0]


def test_wrong_number_of_axes(write: Write) -> None:
    found = problems_of(check, write(MOCO, ("q: projector(encoder(x[0]))", "q: projector(x[0])")))
    assert "projector.x takes [b d], but gets [16, 3, 32, 32] from augment, line" in found[0]


def test_one_node_for_two_widths(write: Write) -> None:
    found = problems_of(check, write(MOCO, ("q: projector(encoder(x[0]))", "q: projector(projector(encoder(x[0])))")))
    assert "projector.x has d=8" in found[0]
    assert "one set of weights" in found[0]


OWN = """
from typing import Annotated
from torch import Tensor, nn
from graphssl.component import NodeConfig, component

@component("augment.{name}")
class Grey(nn.Module):
    class Config(NodeConfig):
        pass
    def __init__(self, config, sizes):
        super().__init__()
        {init}
    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b 1 h w"]:
        return image.mean(1, keepdim=True)
"""


def grey(folder: Path, name: str, init: str = "") -> list[tuple[str, str]]:
    """Changes to MOCO: a node `grey` of a component of the user's own, which makes one channel of three."""
    (folder / "own.py").write_text(OWN.format(name=name, init=init))
    node = f"  grey: {{use: augment.{name}}}\n  queue:     {{use"
    return [("graph: moco", "components: [./own.py]\ngraph: moco"), ("  queue:     {use", node)]


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


def test_a_target_that_follows_a_node_that_nothing_calls(write: Write) -> None:
    changes = [("of: [encoder, projector]", "of: [encoder, other]"), ("  queue:     {use", "  other: {use: head.mlp, hidden: 4, out: 8}\n  queue:     {use")]  # fmt: skip
    (found,) = problems_of(check, write(MOCO, *changes))
    assert "graph.yaml:8:3: 'other' (head.mlp) needs the size of 'd', and no wire gives it" in found
    assert "must flow into 'other', which only 'target' names" in found


def test_a_letter_that_no_port_has(write: Write, tmp_path: Path) -> None:
    own = grey(tmp_path, "grey_letter", 'sizes["q"]')
    (found,) = problems_of(check, write(MOCO, *own, ("target(x[1])", "target(grey(x[1]))")))
    assert "'grey' (augment.grey_letter) needs the size of 'q', and no wire gives it" in found
    assert "hint: something whose 'q' is known must flow into 'grey'\n" in f"{found}\n"


def test_batch_norm_in_a_batch_of_one_is_told_once(write: Write) -> None:
    (found,) = problems_of(check, write(BYOL, ("batch: 16", "batch: 1")))
    assert "graph.yaml:2:28: batch norm in 'projector' needs more than one sample\n" in found


def test_an_update_names_its_method(write: Write) -> None:
    (found,) = problems_of(check, write(MOCO, ("queue: push(k)", "queue: push(batch.image)")))
    assert "queue.push.key takes [b d], but gets [16, 3, 32, 32] from batch.image" in found


def test_what_a_component_refuses_is_said_at_its_line(write: Write) -> None:
    found = problems_of(check, write(MOCO, ("critic(q, k, queue())", "critic(q, k)")))
    assert ":" in found[0]
    assert "'objective' (objective.infonce) cannot take this:" in found[0]
    assert "negatives" in found[0]


def test_memory_bank_needs_the_number_of_samples(write: Write) -> None:
    change = [("  queue:     {use: negatives.queue, size: 48}", "  bank: {use: negatives.memory_bank, sample: 8}"), ("queue())", "bank(batch.index))"), ("queue: push(k)", "bank: store(batch.index, k)")]  # fmt: skip
    assert check(write(MOCO, *change)).shapes.slots
    path = write(MOCO, *change, ("use: digits", "use: image_folder, root: ./nowhere"))
    (found,) = problems_of(validated, path)
    assert "needs the number of training samples" in found
    (found,) = problems_of(check, path)
    assert "there is no folder" in found


def test_flops_are_counted_per_node(write: Write) -> None:
    shapes = check(write(BYOL)).shapes
    assert shapes.flops["encoder"] == shapes.flops["target"] - 2 * shapes.flops["projector"] // 2
    assert shapes.flops["encoder"] > 100 * shapes.flops["projector"]


def test_calls_that_differ_only_in_their_data_are_run_once(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes through a large encoder are most of what `check` does; views of one size need one."""
    multicrop = "{use: augment.multicrop, wide: 2, small: 3, small_size: 16}"
    changes = [
        ("{use: augment.byol, flip: 0, blur: 0, solarize: 0}", multicrop),
        ("  x: augment(batch.image)", "  wide, small: augment(batch.image)\n  x: views(wide, small)"),
        ("z: target(x)", "z: target(wide)"),
    ]
    sizes, maps = [], ResNet.maps
    monkeypatch.setattr(ResNet, "maps", lambda self, image: (sizes.append(image.shape[-1]), maps(self, image))[1])
    shapes = validated(write(BYOL, *changes)).shapes
    assert sizes == [32, 16, 32], "the encoder with either size, and the target"
    encoder = shapes.flops["target"] - 2 * shapes.flops["projector"] // 5  # of the wide views
    assert encoder < shapes.flops["encoder"] < 5 / 2 * encoder, "all five are counted"


def test_match() -> None:
    assert match(("b", "d"), (4, 8)) == [("b", 4), ("d", 8)]
    assert match(("b", "d"), (4, 8, 1)) is None
    assert match(("b", "...", "d"), (4, 1, 2, 8)) == [("b", 4), ("d", 8)]
    assert match(("b", "...", "d"), (4,)) is None
    assert match((), ()) == []


def test_a_node_that_asks_for_no_letter_has_the_facts_of_the_data(write: Write) -> None:
    shapes = check(write(MOCO, ("batch: 16}", "batch: 16, size: 64}"), ("k: target(x[1])", "k: target(plain(batch.image))"), ("  queue:     {use", "  plain:     {use: augment.plain}\n  queue:     {use"))).shapes  # fmt: skip
    assert shapes.image_size("encoder") == (64, 64)

"""Shape inference: sizes found without being said, both sources named where they clash, nothing computed."""

from __future__ import annotations

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR, Write, problems_of
from findings import MASKED
from helpers import CPU, program_of

from graphssl.api import check
from graphssl.checks.checked import validated
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
    checked = check(write(MOCO))
    p = program_of(checked)
    image = torch.zeros(16, 3, 32, 32, dtype=torch.uint8)
    out = p.forward(image, *p.draw(16, torch.Generator(), CPU))
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
    assert "hint" not in found[0]  # nobody knows which of the two heads is right


def test_a_queue_written_with_other_keys_than_it_is_read_with(write: Write) -> None:
    found = problems_of(check, write(MOCO, ("queue: push(k)", "queue: push(w)"), ("  k: target", "  w: wide(encoder(x[0]))\n  k: target"), ("  queue:     {use", "  wide: {use: head.mlp, hidden: 8, out: 32}\n  queue:     {use")))  # fmt: skip
    assert len(found) == 1, found
    assert "32" in found[0]
    assert "d=8" in found[0]


def test_wrong_number_of_axes(write: Write) -> None:
    found = problems_of(check, write(MOCO, ("q: projector(encoder(x[0]))", "q: projector(x[0])")))
    assert "projector.x takes [b d], but gets [16, 3, 32, 32] from augment, line" in found[0]


def test_a_map_where_vectors_are_taken(write: Write) -> None:
    changes = [("width: 8, norm", "width: 8, maps: [layer4], norm"), ("encoder(x[0])", "encoder(x[0]).layer4")]
    found = problems_of(check, write(MOCO, *changes, ("of: [encoder, projector]", "of: [projector]"), ("x[1]", "q")))
    assert "projector.x takes [b d], but gets [16, 64, 4, 4] from encoder" in found[0]
    assert "hint: context.positions and then context.pool make one vector of a map" in found[0]


def test_a_map_where_a_grid_is_taken(write: Write) -> None:
    positions = [
        ("width: 8, norm", "width: 8, maps: [layer4], norm"), ("  encoder: ", "  pool:      {use: context.pool}\n  encoder: "),
        ("encoder(x[0])", "pool(encoder(x[0]).layer4)"), ("of: [encoder, projector]", "of: [projector]"), ("x[1]", "q"),
    ]  # fmt: skip
    (found,) = problems_of(check, write(MOCO, *positions))
    assert "pool.x takes [b r k d], but gets [16, 64, 4, 4] from encoder" in found
    assert "hint: context.positions makes a grid of vectors of a map" in found


def test_a_grid_of_pictures_is_no_grid_of_vectors(write: Write) -> None:
    patches = "  pool:      {use: context.pool}\n  patches:   {use: augment.patches, size: 16}\n  encoder: "
    (found,) = problems_of(check, write(MOCO, ("  encoder: ", patches), ("projector(encoder(x[0]))", "projector(pool(patches(x[0])))"), ("of: [encoder, projector]", "of: [projector]"), ("x[1]", "q")))  # fmt: skip
    assert "pool.x takes [b r k d], but gets [16, 1, 1, 3, 16, 16] from patches" in found


@pytest.mark.parametrize(
    "tokens",
    ["decoder(h.tokens, m.kept, m.hidden)", "decoder(target(x).tokens, m.kept, m.hidden)"],
    ids=["of another decoder", "of a target"],
)
def test_who_is_not_told_which_are_kept(write: Write, tokens: str) -> None:
    again = (
        "decoder(h.tokens, m.kept, m.hidden)",
        f"decoder({tokens}, m.kept, m.hidden)" if "h." in tokens else tokens,
    )
    found = problems_of(check, write(MASKED, again, ("ratio: 0.5", "ratio: 0.25")))
    assert any("decoder.kept has s=12" in one or "decoder.tokens has" in one for one in found), found
    assert not any("tell '" in one for one in found), found


def test_a_head_of_what_is_told(write: Write) -> None:
    pixels = [("target:    {use: target.ema, of: [encoder]}", "target:    {use: target.pixels, of: encoder}\n  head: {use: head.mlp, layers: 1, out: 12}"),
              ("take(t.tokens", "take(t"), ("objective(p,", "objective(head(p),"), ("update:\n  target: follow()\n", "")]  # fmt: skip
    (found,) = problems_of(check, write(MASKED, *pixels))
    assert "hint: out: 192 of 'head'" in found


def test_tokens_of_more_patches_than_are_kept(write: Write) -> None:
    (found,) = problems_of(check, write(MASKED, ("encoder(x, m.kept)", "encoder(x)")))
    assert "decoder.kept has s=8 (mask, line" in found
    assert "but decoder.tokens has s=16 (encoder, line" in found
    assert "hint: tell 'encoder' which are kept: encoder(x, m.kept)" in found


def test_one_node_for_two_widths(write: Write) -> None:
    found = problems_of(check, write(MOCO, ("q: projector(encoder(x[0]))", "q: projector(projector(encoder(x[0])))")))
    assert "projector.x has d=8" in found[0]
    assert "one set of weights" in found[0]


def test_an_update_names_its_method(write: Write) -> None:
    (found,) = problems_of(check, write(MOCO, ("queue: push(k)", "queue: push(batch.image)")))
    assert "queue.push.key takes [b d], but gets [16, 3, 32, 32] from batch.image" in found


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

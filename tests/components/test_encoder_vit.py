"""Vision transformers against torchvision's: keys, first weights, outputs, gradients; sizes, pooling, refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from masked_parts import any_vit as vit
from torch import Tensor, nn
from torchvision.models import VisionTransformer, vit_b_16, vit_l_16

from graphssl.component import Sizes, Unbound, build
from graphssl.components.encoder import ViT
from graphssl.graph.language.validation import validate
from graphssl.testing import check_component

SMALL = {"patch": 4, "dim": 24, "depth": 2, "heads": 3, "mlp": 40}


def image(b: int = 4, channels: int = 3, size: int = 16) -> Tensor:
    return torch.randn(b, channels, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("size", "theirs"), [("base", vit_b_16), ("large", vit_l_16)])
def test_keys_and_shapes_of_torchvisions(size: str, theirs: Any) -> None:
    with torch.device("meta"):
        ours, other = vit(224, size=size).state_dict(), theirs().state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in other.items() if not k.startswith("heads.")}


@pytest.mark.parametrize("training", [True, False])
def test_weights_outputs_and_gradients_are_torchvisions(training: bool) -> None:
    ours = vit(**SMALL).train(training)
    torch.manual_seed(7)
    other = VisionTransformer(16, 4, 2, 3, 24, 40).train(training)
    assert all(torch.equal(v, other.state_dict()[k]) for k, v in ours.state_dict().items())
    other.heads = nn.Identity()
    one, two = ours(image()), other(image())
    torch.testing.assert_close(one, two, rtol=0, atol=0)
    one.sin().sum().backward()
    two.sin().sum().backward()
    for (name, p), q in zip(ours.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=0, atol=0, msg=name)


def test_a_checkpoint_in_plain_torchvision() -> None:
    other = VisionTransformer(16, 4, 2, 3, 24, 40)
    loaded = other.load_state_dict(vit(**SMALL).state_dict(), strict=False)
    assert loaded.missing_keys == ["heads.head.weight", "heads.head.bias"]
    assert not loaded.unexpected_keys


@pytest.mark.parametrize(("size", "dim", "depth", "heads", "millions"), [
    ("tiny", 192, 12, 3, 5.5), ("small", 384, 12, 6, 21.7), ("base", 768, 12, 12, 85.8), ("large", 1024, 24, 16, 303.3),
])  # fmt: skip
def test_sizes(size: str, dim: int, depth: int, heads: int, millions: float) -> None:
    """Parameters as published (DeiT, table 1; ViT, table 1), less the classifier."""
    with torch.device("meta"):
        ours = vit(224, size=size)
    assert ours(torch.empty(2, 3, 224, 224, device="meta")).shape == (2, dim)
    blocks = list(ours.encoder.layers)
    assert len(blocks) == depth
    assert {b.num_heads for b in blocks} == {heads}
    assert sum(p.numel() for p in ours.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)


def test_a_size_with_changes() -> None:
    with torch.device("meta"):
        ours = vit(32, size="tiny", patch=4, depth=3, heads=12, mlp=100)
    assert len(ours.encoder.layers) == 3
    assert ours.encoder.layers[0].num_heads == 12
    assert ours.encoder.layers[0].mlp[0].weight.shape == (100, 192)
    assert ours.encoder.pos_embedding.shape == (1, 65, 192)


def test_pooling() -> None:
    given = vit(**SMALL, tokens=True)(image())
    assert given.tokens.shape == (4, 16, 24)
    torch.testing.assert_close(vit(**SMALL)(image()), given.vector, rtol=0, atol=0)
    torch.testing.assert_close(vit(pool="mean", **SMALL)(image()), given.tokens.sum(1) / 16)


def test_freeze_patch() -> None:
    frozen = vit(freeze_patch=True, **SMALL)
    frozen(image()).sum().backward()
    assert {n for n, p in frozen.named_parameters() if not p.requires_grad} == {"conv_proj.weight", "conv_proj.bias"}
    assert frozen.conv_proj.weight.grad is None
    assert frozen.class_token.grad is not None
    assert all(p.requires_grad for p in vit(**SMALL).parameters())


@pytest.mark.parametrize("channels", [1, 2])
def test_channels(channels: int) -> None:
    ours = vit(channels=channels, **{**SMALL, "dim": 96})
    assert ours(image(channels=channels)).shape == (4, 96)
    weight = ours.conv_proj.weight
    assert weight.shape == (96, channels, 4, 4)
    # A normal distribution cut at 2, in units of sqrt(1 / fan in) = 0.18 to 0.25: hardly cut at all.
    assert weight.std().item() == pytest.approx((1 / (channels * 16)) ** 0.5, rel=0.1)
    assert not ours.conv_proj.bias.any()


def test_one_image_in_either_mode() -> None:
    ours = vit(**SMALL)
    one = ours(image(1))
    torch.testing.assert_close(ours.eval()(image(1)), one)
    with torch.inference_mode():
        torch.testing.assert_close(ours(image(1)), one)


@pytest.mark.parametrize("init", ["torchvision", "moco_v3", "dino"])
def test_images_that_are_not_square(init: str) -> None:
    """Each patch has a position of its own, row by row: without blocks, tokens are patches plus positions."""
    ours = vit((8, 16), **{**SMALL, "init": init, "tokens": True})
    assert ours.encoder.pos_embedding.shape == (1, 1 + 2 * 4, 24)
    x = torch.randn(4, 3, 8, 16)
    assert ours(x).vector.shape == (4, 24)
    ours.encoder.layers, ours.encoder.ln = nn.Sequential(), nn.Identity()
    patch = ours.conv_proj(x[:, :, 4:8, 8:12]).flatten(1)  # row 1, column 2
    torch.testing.assert_close(ours(x).tokens[:, 4 + 2], patch + ours.encoder.pos_embedding[0, 1 + 4 + 2])


def test_positions_of_a_rectangle_are_interpolated_to_another() -> None:
    ours = vit((8, 16), **SMALL)
    known = ours.encoder.pos_embedding[:, 1:].reshape(1, 2, 4, 24).permute(0, 3, 1, 2)
    other = nn.functional.interpolate(known, (3, 2), mode="bicubic", align_corners=False)
    torch.testing.assert_close(ours._positions(3, 2)[:, 1:], other.permute(0, 2, 3, 1).reshape(1, 6, 24))
    assert ours(torch.randn(2, 3, 12, 8)).shape == (2, 24)


@pytest.mark.parametrize("size", [(30, 30), (32, 30), (30, 32)])
def test_images_that_are_not_whole_patches(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"images of {size[0]} x {size[1]} px do not part into patches of 4 px"):
        vit(size, **SMALL)


def test_it_waits_for_the_size_of_the_images() -> None:
    for known in ({}, {"c": 3}, {"c": 3, "h": 16}):
        with pytest.raises(Unbound):
            build(ViT, sizes=Sizes(known), **SMALL)


@pytest.mark.parametrize(
    "config",
    [
        {"pool": "mean"}, {"freeze_patch": True, "drop_path": 0.5},
        {"tokens": True, "layers": [1], "mask_token": True, "registers": 2},
        {"positions": "rotary", "init": "mae", "dim": 32, "heads": 2, "drop_path": 0.5}, {"positions": "sine"},
    ],
    ids=str,
)  # fmt: skip
def test_contract(config: dict[str, Any]) -> None:
    makers = {
        "kept": lambda shape: torch.arange(shape[1]).repeat(shape[0], 1),
        "mask": lambda shape: torch.rand(shape) < 0.5,
    }
    check_component(ViT, {**SMALL, **config}, {"p": 16}, inputs=makers)


@pytest.mark.parametrize(
    ("entries", "at", "message"),
    [
        ({"size": "huge"}, ("size",), "'size' is 'huge', which is none of the choices"),
        ({"dim": 100}, (), "6 heads do not divide a dim of 100"),
        ({"size": "tiny", "heads": 5}, (), "5 heads do not divide a dim of 192"),
        ({"patch": 0}, ("patch",), "'patch' is 0"),
        ({"pool": "cls"}, ("pool",), "'pool' is 'cls'"),
        ({"dropout": 0.1}, ("dropout",), "no key is called 'dropout'"),
    ],
)
def test_errors_in_a_file(entries: dict[str, Any], at: tuple[str, ...], message: str) -> None:
    _, wrong = validate(ViT.Config, entries)
    (one,) = wrong
    assert one.path == at
    assert message in one.message


# -- other shapes, precision, compiler, meta device ----------------------------------------------------------


def moved(module: Any) -> Any:
    """With every weight random: a new class token, for one, is zero."""
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(torch.randn(p.shape, generator=generator), alpha=0.1)
    return module


def gradients(y: Tensor, leaves: list[Tensor]) -> tuple[Tensor, ...]:
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(3)).to(y.dtype)
    return torch.autograd.grad((y * weights).sum(), leaves)


@pytest.mark.parametrize("mlp", [None, 20])
@pytest.mark.parametrize(("px", "patch"), [(12, 6), (8, 8), (5, 1)])
def test_it_is_torchvisions_of_any_patch_and_of_the_default_mlp(px: int, patch: int, mlp: int | None) -> None:
    ours = vit(px, **{**SMALL, "patch": patch, "mlp": mlp})
    torch.manual_seed(7)
    other = VisionTransformer(px, patch, 2, 3, 24, mlp or 4 * 24)
    other.heads = nn.Identity()
    assert torch.equal(ours(image(size=px)), other(image(size=px)))
    assert torch.equal(moved(ours)(image(size=px)), moved(other)(image(size=px)))


@pytest.mark.parametrize("pool", ["token", "mean"])
def test_each_image_by_itself(pool: str) -> None:
    ours = moved(vit(pool=pool, **SMALL)).double().eval()
    x = image().double()
    torch.testing.assert_close(torch.cat([ours(row[None]) for row in x]), ours(x))


@pytest.mark.parametrize("pool", ["token", "mean"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(pool: str, dtype: torch.dtype) -> None:
    ours = moved(vit(pool=pool, **SMALL))
    with torch.autocast("cpu", dtype):
        y = ours(image().to(dtype))
    torch.testing.assert_close(y.float(), ours(image()), rtol=0.1, atol=0.1)
    assert all(g.isfinite().all() for g in gradients(y.float(), list(ours.parameters())))


@pytest.mark.parametrize("pool", ["token", "mean"])
def test_compiled_it_computes_the_same(pool: str) -> None:
    torch._dynamo.reset()
    ours, x = moved(vit(pool=pool, **SMALL)).double(), image().double().requires_grad_()
    y, expected = torch.compile(ours, fullgraph=True, backend="aot_eager")(x), ours(x)
    leaves = [x, *ours.parameters()]
    torch.testing.assert_close(y, expected, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(gradients(y, leaves), gradients(expected, leaves), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("pool", ["token", "mean"])
@pytest.mark.parametrize("channels", [1, 3])
def test_on_the_meta_device_it_has_the_real_shapes(channels: int, pool: str) -> None:
    real = vit(channels=channels, pool=pool, **SMALL)
    with torch.device("meta"):
        ours = vit(channels=channels, pool=pool, **SMALL)
        y = ours(torch.empty(4, channels, 16, 16))
    assert y.is_meta
    assert y.shape == real(image(channels=channels)).shape
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in real.state_dict().items()}


def test_a_frozen_projection_of_one_channel() -> None:
    ours = vit(channels=1, freeze_patch=True, **SMALL)
    assert {n for n, p in ours.named_parameters() if not p.requires_grad} == {"conv_proj.weight", "conv_proj.bias"}


@pytest.mark.parametrize(
    ("entries", "hint"),
    [
        ({"size": "huge"}, "choices are tiny, small, base, large"),
        ({"size": "bas"}, "did you mean 'base'?"),
        ({"pool": "cls"}, "choices are token, mean"),
        ({"head": 6}, "did you mean 'heads'?"),
        ({"heads": 5}, None),
        ({"dim": 12.5}, None),
    ],
    ids=str,
)
def test_hints(entries: dict[str, Any], hint: str | None) -> None:
    assert [w.hint for w in validate(ViT.Config, entries)[1]] == [hint]


def test_images_of_another_size_get_interpolated_positions() -> None:
    """Against torchvision's own network of that size, given the embeddings resized by hand."""
    ours = vit(16, **SMALL)
    theirs = VisionTransformer(8, 4, 2, 3, 24, 40)
    theirs.heads = nn.Identity()
    state = {k: v for k, v in ours.state_dict().items() if not k.startswith("heads.")}
    known = state["encoder.pos_embedding"]
    grid = known[:, 1:].reshape(1, 4, 4, 24).permute(0, 3, 1, 2)
    small = nn.functional.interpolate(grid, (2, 2), mode="bicubic", align_corners=False)
    state["encoder.pos_embedding"] = torch.cat([known[:, :1], small.permute(0, 2, 3, 1).reshape(1, 4, 24)], 1)
    theirs.load_state_dict(state)
    x = image(size=8)
    torch.testing.assert_close(ours(x), theirs(x))
    ours(x).sum().backward()
    assert ours.encoder.pos_embedding.grad.abs().sum() > 0
    assert ours(torch.randn(2, 3, 8, 12)).shape == (2, 24)
    with pytest.raises(ValueError, match="10 x 8 px do not part into patches of 4 px"):
        ours(torch.randn(2, 3, 10, 8))

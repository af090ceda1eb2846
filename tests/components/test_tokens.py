"""Tokens: of kept patches, with a mask token, with registers, with positions that turn; and parts that take them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from masked_parts import vit
from torch import Tensor, nn

from graphssl.component import Sizes, build
from graphssl.components.context import Take, Unpatchify
from graphssl.components.head import Decoder, Standardize
from graphssl.components.objective import Distance
from graphssl.components.target import Pixels


def image(b: int = 3, px: int = 16) -> Tensor:
    return torch.randn(b, 3, px, px, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


KEPT = torch.tensor([[0, 5, 6, 15], [1, 2, 3, 4], [9, 10, 12, 14]])
HIDDEN = torch.tensor([[1, 2, 3], [0, 5, 15], [0, 1, 13]])


def layer_norm(x: Tensor, norm: Any) -> Tensor:
    x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + norm.eps).sqrt()
    return x * norm.weight + norm.bias


def attention(x: Tensor, layer: Any, turn: Any = None, seen: Tensor | None = None) -> Tensor:
    """Softmax attention of one picture's tokens, `t d`, head by head."""
    d = x.shape[1]
    e = d // layer.num_heads
    q, k, v = (x @ layer.in_proj_weight.T + layer.in_proj_bias).split(d, 1)
    out = []
    for h in range(layer.num_heads):
        cut = slice(h * e, (h + 1) * e)
        one, two = (q[:, cut], k[:, cut]) if turn is None else (turn(q[:, cut]), turn(k[:, cut]))
        scores = one @ two.T / math.sqrt(e)
        if seen is not None:
            scores = scores.masked_fill(~seen[None], -math.inf)
        out.append(scores.softmax(1) @ v[:, cut])
    return torch.cat(out, 1) @ layer.out_proj.weight.T + layer.out_proj.bias


def blocks(x: Tensor, layers: Any, turn: Any = None, seen: Tensor | None = None) -> Tensor:
    for block in layers:
        x = x + attention(layer_norm(x, block.ln_1), block.self_attention, turn, seen)
        hidden = layer_norm(x, block.ln_2) @ block.mlp[0].weight.T + block.mlp[0].bias
        hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
        x = x + hidden @ block.mlp[3].weight.T + block.mlp[3].bias
    return x


def embedded(net: Any, picture: Tensor) -> Tensor:
    """The patches of a picture with their positions, `t d`: a patch is a dot product with each filter."""
    size = picture.shape[1] // 4
    rows = [
        (net.conv_proj.weight * picture[:, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4]).sum((1, 2, 3)) + net.conv_proj.bias
        for i in range(size) for j in range(size)
    ]  # fmt: skip
    return torch.stack(rows)


# -- the encoder ---------------------------------------------------------------------------------------------------


def test_of_kept_patches_alone() -> None:
    net = vit(tokens=True, layers=[1]).double()
    found = net(image(), KEPT)
    place = net.encoder.pos_embedding[0]
    for i, picture in enumerate(image()):
        patches = embedded(net, picture) + place[1:]
        x = torch.cat((net.class_token[0] + place[:1], patches[KEPT[i]]))
        torch.testing.assert_close(found.layer1[i], blocks(x, net.encoder.layers[:1])[1:])
        expected = layer_norm(blocks(x, net.encoder.layers), net.encoder.ln)
        torch.testing.assert_close(found.tokens[i], expected[1:])
        torch.testing.assert_close(found.vector[i], expected[0])


def test_all_that_are_kept_is_the_whole_picture() -> None:
    net = vit(tokens=True).double()
    every = torch.arange(16).repeat(3, 1)
    for one, other in zip(net(image(), every), net(image()), strict=True):
        torch.testing.assert_close(one, other)


def test_what_is_not_kept_has_no_gradient() -> None:
    x = image().requires_grad_()
    vit(tokens=True).double()(x, KEPT).tokens.sum().backward()
    seen = (x.grad != 0).any(1).unflatten(2, (4, 4)).unflatten(1, (4, 4)).any(4).any(2).flatten(1)
    assert [row.nonzero().flatten().tolist() for row in seen] == KEPT.tolist()


def test_a_mask_token_stands_for_a_patch_at_its_place() -> None:
    net = vit(tokens=True, mask_token=True).double()
    mask = torch.zeros(3, 16, dtype=torch.bool).scatter(1, HIDDEN, True)
    found = net(image(), mask=mask)
    place = net.encoder.pos_embedding[0]
    for i, picture in enumerate(image()):
        patches = torch.where(mask[i, :, None], net.mask_token, embedded(net, picture)) + place[1:]
        x = torch.cat((net.class_token[0] + place[:1], patches))
        torch.testing.assert_close(found.tokens[i], layer_norm(blocks(x, net.encoder.layers), net.encoder.ln)[1:])


def test_registers_are_tokens_without_a_place_that_are_not_given() -> None:
    net = vit(tokens=True, registers=2).double()
    found, place = net(image()), net.encoder.pos_embedding[0]
    for i, picture in enumerate(image()):
        x = torch.cat((net.class_token[0] + place[:1], net.register_tokens[0], embedded(net, picture) + place[1:]))
        expected = layer_norm(blocks(x, net.encoder.layers), net.encoder.ln)
        torch.testing.assert_close(found.tokens[i], expected[3:])
        torch.testing.assert_close(found.vector[i], expected[0])


@pytest.mark.parametrize("kept", [None, KEPT])
def test_rotary_positions_turn_pairs_of_numbers(kept: Tensor | None) -> None:
    net = vit(tokens=True, positions="rotary", dim=24, heads=3).double()
    found = net(image(), kept)
    for i, picture in enumerate(image()):
        own = range(16) if kept is None else kept[i].tolist()
        place: list[tuple[int, int] | None] = [None, *((n // 4, n % 4) for n in own)]

        def turn(
            x: Tensor, place: Any = place
        ) -> Tensor:  # a pair is numbers i and i + 4 of 8: two for rows, two for columns
            rows = []
            for row, at in zip(x, place, strict=True):
                angle = [0.0] * 4 if at is None else [at[0], at[0] * 100**-0.5, at[1], at[1] * 100**-0.5]
                z = torch.complex(row[:4], row[4:]) * torch.polar(torch.ones(4).double(), torch.tensor(angle).double())
                rows.append(torch.cat((z.real, z.imag)))
            return torch.stack(rows)

        x = torch.cat((net.class_token[0], embedded(net, picture)[list(own)]))
        expected = layer_norm(blocks(x, net.encoder.layers, turn), net.encoder.ln)
        torch.testing.assert_close(found.tokens[i], expected[1:], atol=1e-6, rtol=1e-6)  # angles are float32


def test_rotary_attention_knows_differences_of_places_alone() -> None:
    from graphssl.components.encoder.vit_blocks import turned, turns

    turn = turns(8, 6, 6)
    q, k = torch.randn(2, 8)
    at = [
        (turned(q.expand(1, 1, 36, 8), turn)[0, 0, i] @ turned(k.expand(1, 1, 36, 8), turn)[0, 0, j])
        for i, j in ((0, 8), (7, 15), (14, 22))
    ]
    torch.testing.assert_close(at[0], at[1])
    torch.testing.assert_close(at[0], at[2])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"layers": [3]}, "there is no block 3: there are 2, numbered from 1"),
        ({"layers": [1, 1]}, "a block is named twice"),
        ({"positions": "rotary", "dim": 30}, "4 does not divide a head's 10 numbers"),
        ({"positions": "sine", "dim": 30}, "positions: sine has sines and cosines of two sides, and 4 does not divide"),
    ],
)
def test_options_that_do_not_go_together(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vit(**config)


# -- the decoder ---------------------------------------------------------------------------------------------------


def decoder(**config: Any) -> Any:
    torch.manual_seed(3)
    given = {"of": "encoder", "dim": 8, "depth": 2, "heads": 2, **config}
    return build(Decoder, sizes=Sizes({"d": 24}), sources={"of": vit()}, **given).double()


def maes(net: Any, tokens: Tensor, kept: Tensor, hidden: Tensor, vector: Tensor | None = None) -> Tensor:
    """MAE's decoder, of one picture: kept and mask tokens in the order of the picture, each with its position."""
    every = {int(n): tokens[i] @ net.embed.weight.T + net.embed.bias for i, n in enumerate(kept)}
    order = sorted({*every, *hidden.tolist()})
    x = torch.stack([every.get(n, net.mask_token) + net.positions[n] for n in order])
    if vector is not None:
        x = torch.cat(((vector @ net.embed.weight.T + net.embed.bias)[None], x))
    x = layer_norm(blocks(x, net.blocks), net.norm)[-len(order) :] @ net.head.weight.T + net.head.bias
    return torch.stack([x[order.index(int(n))] for n in hidden])


@pytest.mark.parametrize("positions", ["sine", "learned"])
@pytest.mark.parametrize("with_vector", [True, False])
def test_the_decoder_is_maes(positions: str, with_vector: bool) -> None:
    net = decoder(positions=positions)
    tokens, vector = (
        torch.randn(3, 4, 24).double().requires_grad_(),
        torch.randn(3, 24).double() if with_vector else None,
    )
    found = net(tokens, KEPT, HIDDEN, None, vector)
    assert found.shape == (3, 3, 48)
    expected = torch.stack(
        [maes(net, tokens[i], KEPT[i], HIDDEN[i], None if vector is None else vector[i]) for i in range(3)]
    )
    torch.testing.assert_close(found, expected)
    (one,), (other,) = (
        torch.autograd.grad(value.sin().sum(), tokens, retain_graph=True) for value in (found, expected)
    )
    torch.testing.assert_close(one, other)


def test_places_that_do_not_count_are_unseen() -> None:
    """The others are told as if they were not there."""
    net, tokens = decoder(out=5), torch.randn(3, 4, 24).double()
    valid = torch.tensor([[True, True, False]] * 3)
    found = net(tokens, KEPT, HIDDEN, valid)
    assert found.shape == (3, 3, 5)
    expected = torch.stack([maes(net, tokens[i], KEPT[i], HIDDEN[i, :2]) for i in range(3)])
    torch.testing.assert_close(found[:, :2], expected)


def test_what_the_decoder_gives() -> None:
    assert decoder(out="tokens").head.out_features == 24
    assert decoder(out="pixels").head.out_features == 3 * 16


# -- small parts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("normalize", [True, False])
def test_pixels_of_patches(normalize: bool) -> None:
    found = build(Pixels, sources={"of": vit()}, of="encoder", normalize=normalize)(image())
    for i, n in ((0, 0), (1, 6), (2, 15)):
        row, column = n // 4, n % 4
        own = [image()[i, c, 4 * row + y, 4 * column + x] for y in range(4) for x in range(4) for c in range(3)]
        expected = torch.stack(own)
        if normalize:
            mean = expected.sum() / 48
            expected = (expected - mean) / ((expected - mean).square().sum() / 47 + 1e-6).sqrt()
        torch.testing.assert_close(found[i, n], expected)


def test_a_picture_is_its_patches_again() -> None:
    net = vit()
    patches = build(Pixels, sources={"of": net}, of="encoder")(image()).requires_grad_()
    rebuilt = build(Unpatchify, sources={"of": net}, of="encoder")(patches)
    assert torch.equal(rebuilt, image())
    weights = torch.randn_like(rebuilt)
    (gradient,) = torch.autograd.grad((rebuilt * weights).sum(), patches)
    assert torch.equal(build(Unpatchify, sources={"of": net}, of="encoder")(gradient), weights)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((2, 12, 48), "12 patches are no picture: 'encoder' has 4 x 4; it takes all of them"),
        ((2, 16, 24), "24 numbers of a patch are no pixels: 'encoder' has patches of 4 x 4 px"),
    ],
)
def test_what_is_no_picture(shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build(Unpatchify, sources={"of": vit()}, of="encoder")(torch.zeros(shape))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda net, some: net(image(), KEPT >= 0),
            "'kept' takes numbers of patches, .* and these say yes or no of each",
        ),
        (
            lambda net, some: net(image(), KEPT.double()),
            "'kept' takes numbers of patches, .* and these are other numbers",
        ),
        (lambda net, some: net(image(), mask=KEPT), "'mask' takes yes or no of each patch, .* are numbers of patches"),
        (lambda net, some: build(Take)(some, HIDDEN > 1), "'index' takes numbers of patches"),
        (lambda net, some: decoder()(some, KEPT, HIDDEN > 1), "'hidden' takes numbers of patches"),
        (lambda net, some: decoder()(some, KEPT, HIDDEN, HIDDEN.double()), "'valid' takes yes or no .* other numbers"),
        (lambda net, some: build(Distance)(some, some, HIDDEN), "'where' is of numbers of patches"),
    ],
)
def test_numbers_of_patches_and_flags_are_told_apart(call: Callable[[Any, Tensor], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call(vit(tokens=True, mask_token=True).double(), torch.randn(3, 4, 24).double())


def test_standardized_numbers() -> None:
    x = torch.randn(4, 10).double() * 3 + 2
    found = build(Standardize)(x)
    for row, given in zip(found, x, strict=True):
        deviation = ((given - given.mean()).square().sum() / 10 + 1e-5).sqrt()
        torch.testing.assert_close(row, (given - given.mean()) / deviation)


def test_tokens_that_are_taken() -> None:
    tokens = torch.randn(3, 16, 5)
    found = build(Take)(tokens, HIDDEN)
    assert all(torch.equal(found[i, j], tokens[i, HIDDEN[i, j]]) for i in range(3) for j in range(3))


def test_a_linear_layer_of_names() -> None:
    """First weights of the decoder are Xavier's, of query, key and value as one matrix."""
    net = decoder(dim=64, heads=2)
    weight = net.blocks[0].self_attention.in_proj_weight
    assert float(weight.detach().abs().max()) == pytest.approx(math.sqrt(6 / (64 + 192)), rel=0.01)
    assert isinstance(net.head, nn.Linear)
    assert float(net.head.bias.detach().abs().max()) == 0

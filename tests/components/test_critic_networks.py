"""Critics with networks, pair by pair in float64 by their formulas; positions, picks, sizes of what is computed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from graphssl.component import Sizes, Unbound, build
from graphssl.components.critic import JS, Concat, Dot, Separable
from graphssl.components.head import Residual
from graphssl.components.negatives import InBatch, Shuffle
from graphssl.ports import Negatives, Scores

D, E = 5, 3
Kind = tuple[type[nn.Module], dict[str, Any]]
KINDS: dict[str, Kind] = {
    "separable": (Separable, {"hidden": 7, "out": 4}),
    "separable, linear": (Separable, {"out": 4, "layers": 1}),
    "concat": (Concat, {"hidden": 7}),
    "concat, deep": (Concat, {"hidden": 4, "layers": 5}),
    "encode and dot": (JS, {"units": 8}),
    "narrow encode and dot": (JS, {"units": 2}),
    "concat and convolve": (JS, {"units": 6, "form": "concat_and_convolve"}),
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def critic(kind: Kind, dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(5)
    cls, config = kind
    node = build(cls, sizes=Sizes({"d": D, "e": E}), **config).to(dtype)
    with torch.no_grad():
        for parameter in node.parameters():  # what starts as 0 or 1 would hide mistakes
            parameter.add_(0.3 * torch.randn_like(parameter))
    return node


def values(b: int = 4, n: int = 6, positions: tuple[int, ...] = (), seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key, entries: float64, with a gradient."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((b, D), (b, *positions, E), (n, E))
    made = (torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes)
    return tuple(made)  # type: ignore[return-value]


# -- the formulas, for one pair of vectors -------------------------------------------------------------------


def plain_mlp(state: dict[str, Tensor], prefix: str, x: Tensor) -> Tensor:
    places = sorted({int(k[len(prefix) :].split(".")[0]) for k in state if k.startswith(prefix)})
    for place in places:
        x = state[f"{prefix}{place}.weight"] @ x + state[f"{prefix}{place}.bias"]
        if place != places[-1]:
            x = x.clamp(min=0)
    return x


def plain_block(state: dict[str, Tensor], side: str, x: Tensor) -> Tensor:
    """linear - ReLU - linear, plus a linear shortcut, then layer norm with its scale and shift."""
    h = plain_mlp(state, f"{side}.block.", x) + state[f"{side}.shortcut.weight"] @ x
    h = (h - h.mean()) / (((h - h.mean()) ** 2).mean() + 1e-5).sqrt()
    return h * state[f"{side}.last_norm.weight"] + state[f"{side}.last_norm.bias"]


def plain_score(node: nn.Module, query: Tensor, key: Tensor) -> Tensor:
    state = dict(node.named_parameters())
    if "layers.0.weight" in state:
        return plain_mlp(state, "layers.", torch.cat([query, key])).squeeze()
    if isinstance(node, JS):
        return plain_block(state, "phi", query) @ plain_block(state, "psi", key)
    return plain_mlp(state, "phi.layers.", query) @ plain_mlp(state, "psi.layers.", key)


def plain_scores(node: nn.Module, query: Tensor, key: Tensor, given: Negatives) -> tuple[Tensor, Tensor]:
    flat = key.reshape(len(query), -1, E)
    positive = [plain_score(node, q, k) for q, row in zip(query, flat, strict=True) for k in row]
    rows = [range(len(given.entries))] * len(query) if given.pick is None else given.pick.tolist()
    negative = [plain_score(node, q, given.entries[j]) for q, row in zip(query, rows, strict=True) for j in row]
    return torch.stack(positive).view(key.shape[:-1]), torch.stack(negative).view(len(query), -1)


def gradients(outputs: tuple[Tensor, Tensor], leaves: list[Tensor]) -> tuple[Tensor, ...]:
    total = sum((t * torch.linspace(-1, 2, t.numel(), dtype=t.dtype).view_as(t)).sum() for t in outputs)
    assert isinstance(total, Tensor)
    return torch.autograd.grad(total, leaves)


@pytest.mark.parametrize(("n", "picked"), [(6, False), (6, True), (90, True)])
@pytest.mark.parametrize("positions", [(), (2, 3)])
@every_kind
def test_scores_and_gradients_follow_the_formula(kind: Kind, positions: tuple[int, ...], n: int, picked: bool) -> None:
    """With 90 entries and 20 picks only those that are picked go through the network."""
    node, (query, key, entries) = critic(kind), values(n=n, positions=positions)
    pick = torch.randint(n, (4, 5), generator=torch.Generator().manual_seed(1)) if picked else None
    given = Negatives(entries, pick)
    scores, expected = node(query, key, given), plain_scores(node, query, key, given)
    ours = gradients((scores.positive, scores.negative), [query, key, entries, *node.parameters()])
    theirs = gradients(expected, [query, key, entries, *node.parameters()])
    torch.testing.assert_close((scores.positive, scores.negative), expected, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-10)


@every_kind
def test_without_negatives_there_are_only_positives(kind: Kind) -> None:
    query, key, entries = values()
    node = critic(kind)
    scores = node(query, key)
    assert isinstance(scores, Scores)
    assert scores[1:] == (None, None, None)
    torch.testing.assert_close(scores.positive, node(query, key, Negatives(entries)).positive)


@pytest.mark.parametrize("picked", [False, True])
@every_kind
def test_mask_and_same_go_on_to_the_objective(kind: Kind, picked: bool) -> None:
    query, key, entries = values()
    pick = torch.zeros(4, 2, dtype=torch.int64) if picked else None
    mask, same = torch.rand(2, 4, 2 if picked else 6) < 0.5
    scores = critic(kind)(query, key, Negatives(entries, pick, mask, same))
    assert scores.mask is mask
    assert scores.same is same
    assert scores.negative.shape == mask.shape


@every_kind
def test_a_batch_of_one_with_one_negative(kind: Kind) -> None:
    query, key, entries = values(b=1, n=1)
    scores = critic(kind)(query, key, Negatives(entries))
    assert scores.positive.shape == (1,)
    assert scores.negative.shape == (1, 1)


@every_kind
def test_the_positions_of_a_key_score_alike_among_in_batch_negatives(kind: Kind) -> None:
    query, key, _ = values(positions=(2, 3))
    scores = critic(kind)(query, key, build(InBatch)((key,)))
    own = scores.negative.view(4, 4, 2, 3)[range(4), range(4)]
    torch.testing.assert_close(own, scores.positive)


@every_kind
def test_only_the_picked_entries_of_a_large_store_are_computed(kind: Kind) -> None:
    """A network on all of them would meet the one that is not finite."""
    query, key, entries = values(n=90)
    entries = entries.detach()
    entries[89] = math.nan
    node = critic(kind)
    scores = node(query, key, Negatives(entries, torch.arange(20).view(4, 5)))
    found = torch.autograd.grad(scores.negative.sum(), [query, *node.parameters()], allow_unused=True)
    assert all(g.isfinite().all() for g in found if g is not None)


@every_kind
def test_the_order_of_a_shuffled_batch_is_that_of_its_picks(kind: Kind) -> None:
    query, key, _ = values(positions=(3,))
    order = torch.tensor([2, 0, 3, 1])
    scores = critic(kind)(query, key, build(Shuffle)(key, order))
    torch.testing.assert_close(scores.negative, critic(kind)(query, key[order]).positive)


@every_kind
def test_it_waits_for_both_sizes(kind: Kind) -> None:
    for letter in "de":
        with pytest.raises(Unbound):
            build(kind[0], sizes=Sizes({letter: 4}), **kind[1])


# -- precision -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@every_kind
def test_half_precision_is_scored_in_float32(kind: Kind, dtype: torch.dtype) -> None:
    node = critic(kind, torch.float32)
    query, key, entries = (t.detach().to(dtype) for t in values())
    with torch.autocast("cpu", torch.bfloat16):
        scores = node(query, key, Negatives(entries))
    expected = node(query.float(), key.float(), Negatives(entries.float()))
    assert scores.positive.dtype == scores.negative.dtype == torch.float32
    torch.testing.assert_close(tuple(scores[:2]), tuple(expected[:2]), rtol=1e-6, atol=1e-6)


@every_kind
def test_embeddings_at_the_end_of_the_range_of_float16_are_finite(kind: Kind) -> None:
    query, key, entries = (60000 * torch.ones_like(t, dtype=torch.float16) for t in values())
    query = query.requires_grad_()
    scores = critic(kind, torch.float32)(query, key, Negatives(entries))
    assert scores.positive.isfinite().all()
    assert scores.negative.isfinite().all()
    assert torch.autograd.grad(scores.positive.sum(), query)[0].isfinite().all()


@every_kind
def test_entries_may_be_of_another_type_than_the_query(kind: Kind) -> None:
    node = critic(kind, torch.float32)
    query, key, entries = (t.detach() for t in values())
    scores = node(query.bfloat16(), key.half(), Negatives(entries.float()))
    expected = node(query.float(), key.float(), Negatives(entries.float()))
    torch.testing.assert_close(tuple(scores[:2]), tuple(expected[:2]), rtol=0.1, atol=0.2)


# -- what is computed, and how it starts -----------------------------------------------------------------------


class Largest(TorchDispatchMode):
    """Notes how many numbers the largest tensor has that is made."""

    numbers = 0

    def __torch_dispatch__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.numbers = max(self.numbers, result.numel())
        return result


def test_pairs_are_never_concatenated() -> None:
    b, n, hidden, d = 8, 30, 4, 50
    node = build(Concat, sizes=Sizes({"d": d, "e": d}), hidden=hidden)
    with torch.no_grad(), Largest() as largest:
        node(torch.randn(b, d), torch.randn(b, d), Negatives(torch.randn(n, d)))
    assert largest.numbers == n * d  # the entries themselves; b n hidden is 960, and b n 2d would be 24,000


def test_a_shuffled_batch_costs_as_many_pairs_as_the_positives() -> None:
    b, positions, hidden = 8, 9, 40
    node = build(Concat, sizes=Sizes({"d": 3, "e": 3}), hidden=hidden)
    query, key = torch.randn(b, 3), torch.randn(b, positions, 3)
    with torch.no_grad(), Largest() as largest:
        node(query, key, build(Shuffle)(key, torch.arange(b).roll(1)))
    assert largest.numbers == b * positions * hidden


def test_separable_is_the_dot_product_of_two_networks() -> None:
    node, (query, key, entries) = critic(KINDS["separable"]), values()
    scores = node(query, key, Negatives(entries))
    expected = build(Dot)(node.phi(query), node.psi(key), Negatives(node.psi(entries)))
    torch.testing.assert_close(scores[:2], expected[:2])


def test_a_linear_separable_critic_without_biases_is_bilinear() -> None:
    node, (query, key, _) = critic(KINDS["separable, linear"]), values()
    phi, psi = node.phi.layers[0], node.psi.layers[0]
    nn.init.zeros_(phi.bias)
    nn.init.zeros_(psi.bias)
    torch.testing.assert_close(
        node(query, key).positive, torch.einsum("bd,kd,ke,be->b", query, phi.weight, psi.weight, key)
    )


def test_concat_and_convolve_is_concat_with_three_layers() -> None:
    one, two = critic(KINDS["concat and convolve"]), build(Concat, sizes=Sizes({"d": D, "e": E}), hidden=6).double()
    two.load_state_dict(one.state_dict())
    query, key, entries = values(positions=(2, 2))
    torch.testing.assert_close(one(query, key, Negatives(entries))[:2], two(query, key, Negatives(entries))[:2])


def test_encode_and_dot_is_the_dot_product_of_two_residual_heads() -> None:
    node = critic(KINDS["encode and dot"])
    heads = [build(Residual, sizes=Sizes({"d": k}), out=8, norm="none", last_norm=True).double() for k in (D, E)]
    for head, side in zip(heads, (node.phi, node.psi), strict=True):
        head.load_state_dict(side.state_dict())
    query, key, _ = values()
    torch.testing.assert_close(node(query, key).positive, build(Dot)(heads[0](query), heads[1](key)).positive)


def test_the_scores_of_encode_and_dot_are_bounded_by_the_layer_norm() -> None:
    torch.manual_seed(0)
    node = build(JS, sizes=Sizes({"d": D, "e": E}), units=16)
    scores = node(1e4 * torch.randn(20, D), 1e4 * torch.randn(20, E), Negatives(1e4 * torch.randn(30, E)))
    assert scores.negative.abs().max() <= 16.01  # two vectors of length sqrt(16)


@pytest.mark.parametrize(
    ("config", "shapes"),
    [
        ({}, {"phi.shortcut.weight": (2048, 64), "psi.block.0.weight": (2048, 128), "psi.block.2.weight": (2048, 2048)}),
        ({"form": "concat_and_convolve"}, {"layers.0.weight": (512, 192), "layers.2.weight": (512, 512), "layers.4.weight": (1, 512)}),
        ({"units": 96}, {"phi.block.0.weight": (96, 64), "psi.last_norm.weight": (96,)}),
    ],
)  # fmt: skip
def test_the_discriminators_have_the_sizes_of_the_paper(
    config: dict[str, Any], shapes: dict[str, tuple[int, ...]]
) -> None:
    with torch.device("meta"):
        state = build(JS, sizes=Sizes({"d": 64, "e": 128}), **config).state_dict()
    assert shapes.items() <= {k: tuple(v.shape) for k, v in state.items()}.items()


def test_names_of_weights_are_those_of_the_formula() -> None:
    separable, concat = critic(KINDS["separable"]), critic(KINDS["concat"])
    sides = [f"{side}.layers.{i}.{what}" for side in ("phi", "psi") for i in (0, 2, 4) for what in ("weight", "bias")]
    assert list(separable.state_dict()) == sides
    assert list(concat.state_dict()) == [f"layers.{i}.{what}" for i in (0, 2, 4) for what in ("weight", "bias")]
    assert concat.state_dict()["layers.0.weight"].shape == (7, D + E)


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [
        (Separable, {"out": 0}),
        (Separable, {"layers": 0}),
        (Separable, {"temperature": 0.1}),
        (Concat, {"layers": 1}),
        (Concat, {"out": 2}),
        (JS, {"form": "dot"}),
        (JS, {"units": 0}),
    ],
)
def test_wrong_configs_are_refused(cls: type[nn.Module], wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        cls.Config(**wrong)  # type: ignore[operator]

"""The head's layers as the papers have them, and its gradient against the formula in float64."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphssl.component import Sizes, Unbound, build
from graphssl.components.head import MLP
from graphssl.components.norms import SplitBatchNorm1d
from graphssl.graph.language.validation import validate

BATCH, RELU = "BatchNorm1d", "ReLU"


def head(d: int = 6, dtype: torch.dtype = torch.float64, **config: Any) -> Any:
    torch.manual_seed(5)
    return build(MLP, sizes=Sizes({"d": d}), **config).to(dtype)


def values(b: int = 12, d: int = 6, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(b, d, generator=generator, dtype=torch.float64).mul(2).add(0.3).to(dtype)


def structure(node: nn.Module) -> list[str]:
    """The layers in a row: `6>4` a linear layer, `6>4+` one with a bias, others by name; `*` has learned scales."""
    return [
        f"{m.in_features}>{m.out_features}{'' if m.bias is None else '+'}"
        if isinstance(m, nn.Linear)
        else type(m).__name__ + ("*" if list(m.parameters()) else "")
        for m in node.get_submodule("layers").children()
    ]


# -- the heads of the papers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("d", "config", "layers"),
    [
        pytest.param(2048, {}, ["2048>2048", BATCH + "*", RELU, "2048>128+"], id="simclr"),
        pytest.param(
            2048, {"last_norm": True}, ["2048>2048", BATCH + "*", RELU, "2048>128", BATCH], id="simclr's code"
        ),
        pytest.param(2048, {"layers": 1}, ["2048>128+"], id="moco v1"),
        pytest.param(2048, {"norm": "none"}, ["2048>2048+", RELU, "2048>128+"], id="moco v2"),
        pytest.param(2048, {"hidden": 4096, "out": 256}, ["2048>4096", BATCH + "*", RELU, "4096>256+"], id="byol"),
        pytest.param(
            256, {"hidden": 4096, "out": 256}, ["256>4096", BATCH + "*", RELU, "4096>256+"], id="byol's predictor"
        ),
        pytest.param(
            2048,
            {"layers": 3, "out": 2048, "last_norm": True},
            ["2048>2048", BATCH + "*", RELU, "2048>2048", BATCH + "*", RELU, "2048>2048", BATCH],
            id="simsiam",
        ),
        pytest.param(
            2048, {"hidden": 512, "out": 2048}, ["2048>512", BATCH + "*", RELU, "512>2048+"], id="simsiam's predictor"
        ),
        pytest.param(
            384,
            {"layers": 3, "out": 256, "norm": "none", "activation": "gelu"},
            ["384>2048+", "GELU", "2048>2048+", "GELU", "2048>256+"],
            id="dino",
        ),
    ],
)
def test_the_heads_of_the_papers(d: int, config: dict[str, Any], layers: list[str]) -> None:
    with torch.device("meta"):
        node = build(MLP, sizes=Sizes({"d": d}), **config)
        assert structure(node) == layers
        assert node(torch.empty(4, d)).shape == (4, config.get("out", 128))


@pytest.mark.parametrize(
    ("config", "layers"),
    [
        ({"norm": "layer"}, ["6>5", "LayerNorm*", RELU, "5>4+"]),
        ({"norm": "layer", "last_norm": True}, ["6>5", "LayerNorm*", RELU, "5>4", "LayerNorm"]),
        ({"norm": "split_batch"}, ["6>5", "SplitBatchNorm1d*", RELU, "5>4+"]),
        ({"norm": {"use": "batch"}}, ["6>5", BATCH + "*", RELU, "5>4+"]),
        ({"norm": {"use": "none"}, "layers": 3}, ["6>5+", RELU, "5>5+", RELU, "5>4+"]),
        ({"layers": 1, "last_norm": True}, ["6>4", BATCH]),
        ({"layers": 1, "norm": "none"}, ["6>4+"]),
    ],
)
def test_the_other_norms_and_numbers_of_layers(config: dict[str, Any], layers: list[str]) -> None:
    assert structure(head(hidden=5, out=4, **config)) == layers


@pytest.mark.parametrize("layers", [1, 2, 3, 5])
@pytest.mark.parametrize("norm", ["batch", "split_batch", "layer"])
@pytest.mark.parametrize("last_norm", [True, False])
def test_no_layer_before_a_norm_has_a_bias(layers: int, norm: str, last_norm: bool) -> None:
    row = list(head(hidden=5, out=4, layers=layers, norm=norm, last_norm=last_norm).layers)
    for layer, after in zip(row, [*row[1:], None], strict=True):
        if isinstance(layer, nn.Linear):
            assert (layer.bias is None) == (after is not None)
            assert layer.out_features == (4 if layer is [m for m in row if isinstance(m, nn.Linear)][-1] else 5)


def test_splits_reach_every_norm() -> None:
    node = head(hidden=5, out=4, layers=3, norm={"use": "split_batch", "splits": 4}, last_norm=True)
    norms = [m for m in node.modules() if isinstance(m, SplitBatchNorm1d)]
    assert [(m.num_features, m.splits, m.affine) for m in norms] == [(5, 4, True), (5, 4, True), (4, 4, False)]


# -- the formula ---------------------------------------------------------------------------------------------


def batch_norm(x: Tensor, splits: int) -> Tensor:
    parts = [(p - p.mean(0)) / (((p - p.mean(0)) ** 2).mean(0) + 1e-5).sqrt() for p in x.chunk(splits)]
    return torch.cat(parts)


def layer_norm(x: Tensor) -> Tensor:
    centred = x - x.sum(1, keepdim=True) / x.shape[1]
    return centred / ((centred**2).mean(1, keepdim=True) + 1e-5).sqrt()


def plain(node: nn.Module, x: Tensor, config: dict[str, Any]) -> Tensor:
    """The head by its docstring, from its parameters in their order."""
    splits = config["norm"]["splits"] if isinstance(config["norm"], dict) else 1
    norm = layer_norm if config["norm"] == "layer" else partial(batch_norm, splits=splits)
    rest = iter(node.parameters())
    for _ in range(config.get("layers", 2) - 1):
        x = torch.einsum("bd,ed->be", x, next(rest))
        x = x + next(rest) if config["norm"] == "none" else norm(x) * next(rest) + next(rest)
        if config.get("activation") == "gelu":
            x = x * (1 + torch.erf(x / 2**0.5)) / 2
        else:
            x = torch.where(x > 0, x, torch.zeros_like(x))
    x = torch.einsum("bd,ed->be", x, next(rest))
    x = norm(x) if config.get("last_norm") else x + next(rest)
    assert next(rest, None) is None
    return x


def gradients(y: Tensor, leaves: list[Tensor]) -> tuple[Tensor, ...]:
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(3), dtype=y.dtype)
    return torch.autograd.grad((y * weights).sum(), leaves)


CONFIGS: list[dict[str, Any]] = [
    {"norm": "batch"},
    {"norm": "batch", "last_norm": True},
    {"norm": "batch", "layers": 3, "last_norm": True},
    {"norm": "batch", "layers": 1},
    {"norm": {"use": "split_batch", "splits": 3}},
    {"norm": {"use": "split_batch", "splits": 4}, "layers": 3, "last_norm": True},
    {"norm": "layer", "last_norm": True},
    {"norm": "none"},
    {"norm": "none", "layers": 3},
    {"norm": "none", "layers": 3, "activation": "gelu"},
    {"norm": "batch", "activation": "gelu"},
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_outputs_and_gradients_follow_the_formula(config: dict[str, Any]) -> None:
    node, x = head(hidden=7, out=4, **config), values().requires_grad_()
    for parameter in node.parameters():  # not the ones and zeros of new norms
        nn.init.normal_(parameter)
    y, expected = node(x), plain(node, x, config)
    leaves = [x, *node.parameters()]
    torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(gradients(y, leaves), gradients(expected, leaves), rtol=1e-8, atol=1e-10)


def test_batch_norm_by_hand_through_every_layer() -> None:
    """The backward pass of linear, batch norm, ReLU, linear, written out without autograd."""
    node, x = head(hidden=7, out=4), values().requires_grad_()
    first, norm, _, last = node.layers
    nn.init.uniform_(norm.weight, 0.5, 2)
    nn.init.normal_(norm.bias)
    grown = torch.randn(12, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    node(x).backward(grown)
    with torch.no_grad():
        h = x @ first.weight.T
        scale = (h.var(0, correction=0) + 1e-5).rsqrt()
        unit = (h - h.mean(0)) * scale
        z = unit * norm.weight + norm.bias
        dz = grown @ last.weight * (z > 0)
        du = dz * norm.weight
        dh = scale * (du - du.mean(0) - unit * (du * unit).mean(0))
        expected = {
            "x": dh @ first.weight,
            "first.weight": dh.T @ x,
            "norm.weight": (dz * unit).sum(0),
            "norm.bias": dz.sum(0),
            "last.weight": grown.T @ z.clamp(min=0),
            "last.bias": grown.sum(0),
        }
    ours = (x, first.weight, norm.weight, norm.bias, last.weight, last.bias)
    for (name, gradient), tensor in zip(expected.items(), ours, strict=True):
        torch.testing.assert_close(tensor.grad, gradient, rtol=1e-9, atol=1e-11, msg=name)


def test_a_head_with_a_last_norm_gives_standardised_features() -> None:
    y = head(hidden=7, out=4, last_norm=True)(values(64))
    torch.testing.assert_close(y.mean(0), torch.zeros(4, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(y.var(0, correction=0), torch.ones(4, dtype=torch.float64), atol=1e-2, rtol=0)


def test_the_input_is_not_changed() -> None:
    """The ReLUs work in place, on values of the head's own."""
    for config in CONFIGS:
        x = values()
        head(hidden=7, out=4, **config)(x)
        assert torch.equal(x, values())


def test_the_activation_changes_no_name_and_no_initial_weight() -> None:
    one, two = (head(hidden=7, out=4, activation=activation).state_dict() for activation in ("relu", "gelu"))
    assert list(one) == list(two)
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_initial_weights_are_those_of_torch() -> None:
    node = head(hidden=7, out=4, norm="none", dtype=torch.float32)
    torch.manual_seed(5)
    theirs = nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 4))
    assert list(node.layers.state_dict()) == list(theirs.state_dict())
    x = values(dtype=torch.float32)
    assert torch.equal(node(x), theirs(x))


# -- boundaries, precision, compiler, meta device ------------------------------------------------------------


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_batch_of_one_in_eval_mode(config: dict[str, Any]) -> None:
    node = head(hidden=7, out=4, **config)
    node(values())
    rows = node.eval()(values())
    torch.testing.assert_close(torch.cat([node(row[None]) for row in values()]), rows)


def test_a_batch_of_one_in_training_needs_a_norm_without_statistics() -> None:
    assert head(hidden=7, out=4, norm="layer")(values(1)).shape == (1, 4)
    assert head(hidden=7, out=4, norm="none")(values(1)).shape == (1, 4)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        head(hidden=7, out=4)(values(1))
    with pytest.raises(ValueError, match="a batch of 1 does not part into 8 equal splits"):
        head(hidden=7, out=4, norm="split_batch")(values(1))


def test_sizes_of_one() -> None:
    assert head(d=1, hidden=1, out=1)(values(d=1)).shape == (12, 1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_half_precision_under_autocast(config: dict[str, Any], dtype: torch.dtype) -> None:
    node = head(hidden=7, out=4, dtype=torch.float32, **config)
    x = values(dtype=torch.float32).requires_grad_()
    expected = node(x)
    with torch.autocast("cpu", dtype):
        y = node(x)
    assert y.dtype in (dtype, torch.float32)
    torch.testing.assert_close(y.float(), expected, rtol=0.05, atol=0.1)
    assert all(g.isfinite().all() for g in gradients(y.float(), [x, *node.parameters()]))


@pytest.mark.parametrize("config", [CONFIGS[2], CONFIGS[5], CONFIGS[6], CONFIGS[7]], ids=str)
def test_compiled_it_computes_the_same(config: dict[str, Any]) -> None:
    torch._dynamo.reset()
    ours, theirs, x = (*(head(hidden=7, out=4, **config) for _ in range(2)), values().requires_grad_())
    y = torch.compile(ours, fullgraph=True, backend="aot_eager")(x)
    expected = theirs(x)
    torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(
        gradients(y, [x, *ours.parameters()]), gradients(expected, [x, *theirs.parameters()]), rtol=1e-8, atol=1e-10
    )
    torch.testing.assert_close(dict(ours.named_buffers()), dict(theirs.named_buffers()), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_on_the_meta_device(config: dict[str, Any]) -> None:
    with torch.device("meta"):
        y = build(MLP, sizes=Sizes({"d": 6}), hidden=7, out=4, **config)(torch.empty(12, 6))
    assert y.shape == (12, 4)
    assert y.device.type == "meta"


# -- configuration -------------------------------------------------------------------------------------------


def test_a_size_that_is_not_known_yet() -> None:
    with pytest.raises(Unbound, match="d"):
        build(MLP, sizes=Sizes({"e": 4}))


@pytest.mark.parametrize(
    ("config", "path", "message", "hint"),
    [
        ({"hiden": 4}, ("hiden",), "no key is called 'hiden' here", "did you mean 'hidden'?"),
        ({"hidden": 0}, ("hidden",), "'hidden' is 0; it should be greater than 0", None),
        ({"out": -1}, ("out",), "'out' is -1; it should be greater than 0", None),
        ({"out": "128"}, ("out",), "'out' is '128'; it should be a whole number", "write it without quotes: 128"),
        ({"layers": 0}, ("layers",), "'layers' is 0; it should be greater than 0", None),
        ({"norm": "batchnorm"}, ("norm",), "'norm' is 'batchnorm', which is none of the choices", "did you mean 'batch'?"),
        ({"norm": "group"}, ("norm",), "'norm' is 'group', which is none of the choices", "choices are batch, split_batch, layer, none"),
        ({"norm": {"use": "group"}}, ("norm", "use"), "'group' is none of the choices", "choices are batch, split_batch, layer, none"),
        ({"norm": {"use": "layr"}}, ("norm", "use"), "'layr' is none of the choices", "did you mean 'layer'?"),
        ({"activation": "gelo"}, ("activation",), "'activation' is 'gelo', which is none of the choices", "did you mean 'gelu'?"),
        ({"norm": {"use": "split_batch", "split": 4}}, ("norm", "split"), "no key is called 'split' here", "did you mean 'splits'?"),
        ({"norm": {"use": "split_batch", "splits": 0}}, ("norm", "splits"), "'splits' is 0; it should be greater than 0", None),
        ({"norm": "none", "last_norm": True}, (), "last_norm: true needs a norm, and this head has norm: none", None),
        ({"norm": {"use": "none"}, "last_norm": True}, (), "last_norm: true needs a norm, and this head has norm: none", None),
    ],
)  # fmt: skip
def test_wrong_configs_are_refused_with_a_hint(
    config: dict[str, Any], path: tuple[str, ...], message: str, hint: str | None
) -> None:
    node, problems = validate(MLP.Config, config)
    assert node is None
    assert [(p.path, p.message, p.hint) for p in problems] == [(path, message, hint)]


@pytest.mark.parametrize("config", [{}, *CONFIGS], ids=str)
def test_right_configs_are_taken(config: dict[str, Any]) -> None:
    node, problems = validate(MLP.Config, config)
    assert problems == []
    assert node == MLP.Config(**config)


def test_every_field_is_described() -> None:
    assert all(field.description for field in MLP.Config.model_fields.values())


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_a_last_layer_without_bias(norm: str) -> None:
    """BYOL's code: neither of its heads has one there."""
    head = build(MLP, sizes=Sizes({"d": 5}), hidden=7, out=4, norm=norm, last_bias=False)
    *inner, last = (m for m in head.modules() if isinstance(m, torch.nn.Linear))
    assert last.bias is None
    assert [m.bias is None for m in inner] == [norm == "batch"]


def test_first_weights_of_dinos_head() -> None:
    torch.manual_seed(0)
    head = build(MLP, sizes=Sizes({"d": 50}), hidden=70, out=40, layers=3, norm="none", init="dino")
    for layer in (m for m in head.modules() if isinstance(m, torch.nn.Linear)):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)
        assert not layer.bias.any()

"""What calls draw by themselves is found: by which module, whether it is a mask, and what only looks like chance."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import timm
import torch
from conftest import BYOL, SIMCLR, Write
from processes import DROPPING
from torch import Tensor, nn
from torch.nn import functional
from torchvision import ops

from graphssl.checks.chance import Watch, axes_of_mask
from graphssl.checks.checked import check
from graphssl.graph.language.packaged import packaged

SHAPE = (16, 3, 8, 8)


class Own(nn.Module):
    """A function as a module, without anything that it holds."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


MASKS: dict[str, tuple[nn.Module, int]] = {
    "dropout": (nn.Dropout(0.5), 4),
    "of channels": (nn.Dropout2d(0.5), 2),
    "in place": (nn.Dropout(0.1, inplace=True), 4),
    "next to nothing": (nn.Dropout(1e-3), 4),
    "torchvision's": (ops.StochasticDepth(0.5, "row"), 1),
    "torchvision's blocks": (ops.DropBlock2d(0.5, 3), 4),
    "timm's": (timm.layers.DropPath(0.5), 1),
    "functional": (Own(lambda x: functional.dropout(x, 0.3)), 4),
    "noise that multiplies": (Own(lambda x: x * (1 + torch.randn_like(x))), 4),
}
OTHERS: dict[str, nn.Module] = {
    "alpha dropout": nn.AlphaDropout(0.5),
    "alpha dropout of next to nothing": nn.AlphaDropout(1e-5),
    "noise": Own(lambda x: x + 1e-4 * torch.randn_like(x)),
    "a slope by chance": nn.RReLU(),
    "noise and an activation": Own(lambda x: functional.dropout(x.relu() + 1, 0.5)),
    "pooling by chance": nn.FractionalMaxPool2d(2, output_size=4),
    "with weights": nn.Sequential(nn.Conv2d(3, 3, 1), nn.Dropout(0.5)),
}


def drawn(function: Callable[[], object]) -> list[str]:
    watch = Watch()
    with torch.no_grad(), watch.call():
        function()
    return [draw.operation for draw in watch.draws]


@pytest.mark.parametrize("name", MASKS)
def test_what_multiplies_by_chance_is_a_mask(name: str) -> None:
    module, axes = MASKS[name]
    state = torch.get_rng_state()
    assert axes_of_mask(module, SHAPE) == axes
    assert torch.equal(state, torch.get_rng_state())
    assert drawn(lambda: module(torch.empty(SHAPE, device="meta")))


@pytest.mark.parametrize("name", OTHERS)
def test_what_does_anything_else_is_none(name: str) -> None:
    assert axes_of_mask(OTHERS[name], SHAPE) == 0
    if name != "with weights":
        assert drawn(lambda: OTHERS[name](torch.empty(SHAPE, device="meta")))


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_what_draws_nothing_is_not_random(device: str) -> None:
    x = torch.zeros(SHAPE, device=device)
    for module in (nn.Dropout(0.0), nn.Dropout(0.5).eval(), ops.StochasticDepth(0.0, "row"), nn.RReLU().eval()):
        assert not drawn(lambda module=module: module(x))  # type: ignore[misc]
    assert not drawn(lambda: functional.scaled_dot_product_attention(x, x, x, dropout_p=0.0))
    with torch.inference_mode():
        inner = torch.zeros(SHAPE, device=device)
        assert not drawn(lambda: functional.dropout(inner, 0.0))
        assert drawn(lambda: functional.dropout(inner, 0.5))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: functional.scaled_dot_product_attention(x, x, x, dropout_p=0.1),
        lambda x: nn.MultiheadAttention(8, 2, dropout=0.1, device="meta")(x[0], x[0], x[0]),
        lambda x: torch.rand_like(x),
        lambda x: torch.empty_like(x).bernoulli_(0.5),
        lambda x: functional.gumbel_softmax(x),
        lambda x: torch.randperm(len(x)),
        lambda x: torch.multinomial(x[0, 0], 2),
    ],
)
def test_all_of_pytorchs_chance_is_seen(function: Callable[[Tensor], object]) -> None:
    assert drawn(lambda: function(torch.empty(SHAPE, device="meta")))


def test_operations_that_are_known_already_are_seen_too() -> None:
    watch, x = Watch(), torch.empty(SHAPE, device="meta")
    for _ in range(2):
        with torch.no_grad(), watch.call():
            torch.bernoulli(x)
        assert [draw.operation for draw in watch.draws] == ["bernoulli"]


def test_a_module_that_fails_leaves_nothing_under_way() -> None:
    watch = Watch()
    with pytest.raises(ZeroDivisionError), watch.call():
        Own(lambda x: x / (1 // 0))(torch.zeros(1))
    before = nn.modules.module._global_forward_pre_hooks.copy()
    assert not before
    with torch.no_grad(), watch.call():
        torch.rand(1)
    assert [draw.module for draw in watch.draws] == [None]


def test_a_node_says_where_it_draws(write: Write) -> None:
    path = write(
        SIMCLR, ("graph: simclr\n", "graph: simclr\ncomponents: [./dropping.py]\n"),
        ("head.mlp, hidden: 16, out: 8", "head.dropping, layer: noise"),
    )  # fmt: skip
    path.with_name("dropping.py").write_text(DROPPING)
    shapes = check(path).shapes
    found = {chance.others for chance in shapes.chance.values()}
    assert found == {("randn_like in 'projector.layers.1' (Noise)",)}
    assert not any(chance.masks for chance in shapes.chance.values())


def test_a_target_draws_nothing_that_its_encoder_draws(write: Write) -> None:
    network = "{use: encoder.timm, name: test_vit, options: {patch_size: 16, depth: 1, proj_drop_rate: 0.1}}"
    checked = check(write(BYOL, ("{use: encoder.resnet, depth: 10, width: 8}", network)))
    nodes = {call.node for call in checked.graph.step_calls() if call.id in checked.shapes.chance}
    assert nodes == {"encoder"}


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in packaged() if "/" not in n])
def test_methods_draw_by_draw_alone(name: str) -> None:
    assert not check(name).shapes.chance

"""What several processes leave out by chance, each of its own rows, is what one leaves out of the whole batch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torchvision import ops

from graphssl import world
from graphssl.program.masks import draw_for_all, draw_rows
from graphssl.world import World

B, PROCESSES = 12, 3
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "dropout": lambda: nn.Dropout(0.5),
    "in place": lambda: nn.Dropout(0.5, inplace=True),
    "of channels": lambda: nn.Dropout2d(0.5),
    "stochastic depth": lambda: ops.StochasticDepth(0.5, "row"),
    "one for all": lambda: ops.StochasticDepth(0.5, "batch"),
    "blocks": lambda: ops.DropBlock2d(0.3, 3),
}


def image(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(B, 3, 6, 5, generator=torch.Generator().manual_seed(0)).to(dtype)


def drawn(layer: nn.Module, x: Tensor) -> tuple[Tensor, float]:
    """What a layer gives, and what comes next of the generator."""
    torch.manual_seed(7)
    made: Tensor = layer(x * 1)  # a copy, which may be written into
    return made, float(torch.rand(1))


def parted(monkeypatch: pytest.MonkeyPatch, layer: nn.Module, x: Tensor, views: int = 1) -> tuple[Tensor, float]:
    """What all processes give, one after the other, put together; what comes next, which is the same for all."""
    made, following = [], set()
    (part,) = draw_for_all({"node": nn.Sequential(layer)}, {"node.0": {tuple(x.shape): views}})
    whole = x.unflatten(0, (views, PROCESSES, -1))
    for rank in range(PROCESSES):
        monkeypatch.setattr(world, "_world", World(rank, PROCESSES))
        own, after = drawn(part, whole[:, rank].flatten(0, 1))
        made.append(own.unflatten(0, (views, -1)))
        following.add(after)
    (after,) = following
    return torch.stack(made, 1).flatten(0, 2), after


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("name", LAYERS)
def test_each_takes_its_rows_of_the_mask(monkeypatch: pytest.MonkeyPatch, name: str, views: int) -> None:
    layer = LAYERS[name]().train()
    whole, after = drawn(layer, image())
    assert 0 < (whole == 0).sum() < whole.numel() or name == "one for all"
    found, next_of_all = parted(monkeypatch, layer, image(), views)
    assert torch.equal(found, whole)
    assert next_of_all == after


@pytest.mark.parametrize(
    "order",
    [
        lambda x: x.contiguous(memory_format=torch.channels_last),
        lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
        lambda x: x.movedim(0, 2).contiguous().movedim(2, 0),
        lambda x: x[:, :, ::2],
    ],
    ids=["channels last", "rows first", "samples not first", "with gaps"],
)
@pytest.mark.parametrize("name", ["dropout", "of channels"])
def test_a_mask_lies_in_memory_as_what_it_multiplies(
    monkeypatch: pytest.MonkeyPatch, name: str, order: Callable[[Tensor], Tensor]
) -> None:
    layer, x = LAYERS[name]().train(), order(image())
    torch.manual_seed(7)
    whole = layer(x)
    (part,) = draw_for_all({"node": nn.Sequential(layer)}, {"node.0": {tuple(x.shape): 1}})
    for rank in range(PROCESSES):
        monkeypatch.setattr(world, "_world", World(rank, PROCESSES))
        own = world.current().part(B)
        torch.manual_seed(7)
        assert torch.equal(part(order(image()[own])), whole[own])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_in_other_types(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    layer = nn.Dropout(0.3).train()
    whole, _ = drawn(layer, image(dtype))
    found, _ = parted(monkeypatch, layer, image(dtype))
    assert found.dtype == dtype
    assert torch.equal(found, whole)


def test_what_is_whole_or_judged_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "_world", World(1, PROCESSES))
    layer = nn.Dropout(0.5)
    torch.manual_seed(7)
    plain = layer(image())
    net = nn.Sequential(layer, nn.Dropout(0.5))
    keys = list(net.state_dict())
    parts = draw_for_all({"node": net}, {"node.0": {(B * PROCESSES, 3, 6, 5): 1}})
    assert parts == [net[0]]
    assert type(net[1]) is nn.Dropout
    assert isinstance(net[0], nn.Dropout)
    assert list(net.state_dict()) == keys
    draw_rows(parts, False)
    torch.manual_seed(7)
    assert torch.equal(net[0](image()), plain)
    draw_rows(parts, True)
    assert not torch.equal(net[0](image()), plain)
    assert torch.equal(net[0].eval()(image()), image())


def test_the_gradient_is_of_the_same_rows_and_no_more_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "_world", World(1, PROCESSES))
    (part,) = draw_for_all({"node": nn.Sequential(nn.Dropout(0.5))}, {"node.0": {(B, 3, 6, 5): 1}})
    x = image()[: B // PROCESSES].requires_grad_()
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: (kept.append(t.untyped_storage().nbytes()), t)[1], lambda t: t
    ):
        made = part(x)
    made.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad * x.detach(), made.detach())
    assert kept == [x.numel() * x.element_size()], "of the mask the own rows"


@pytest.mark.parametrize("name", ["dropout", "stochastic depth", "of channels"])
def test_it_is_compiled_without_a_break(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(world, "_world", World(1, PROCESSES))
    x = image()[: B // PROCESSES]
    (part,) = draw_for_all({"node": nn.Sequential(LAYERS[name]().train())}, {"node.0": {(B, 3, 6, 5): 1}})
    torch._dynamo.reset()
    torch.manual_seed(7)
    eager = part(x.clone())
    torch.manual_seed(7)
    compiled = torch.compile(part, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x.clone()), eager)

"""The EMA target: a copy that follows its formula, holds its own state, and never learns."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend

from graphssl.component import REGISTRY, Sizes, build
from graphssl.components.encoder import ResNet
from graphssl.components.target import EMA
from graphssl.ports import signature_of


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)
        self.bn = nn.BatchNorm2d(5)

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b d"]:
        return self.bn(self.conv(image)).mean((2, 3))


class Projector(nn.Module):
    """Has a value that the training loop writes, as a scheduled field of a component is."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 4)
        self.register_buffer("gain", torch.tensor(1.0), persistent=False)
        self.linear.bias.requires_grad_(False)

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b e"]:
        return self.linear(x) * self.gain


class Random(nn.Module):
    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        return torch.rand(b, generator=generator, device=device)

    def forward(self, x: Annotated[Tensor, "b d"], draws: Tensor) -> Annotated[Tensor, "b d"]:
        return x * draws[:, None]


class Two(nn.Module):
    def forward(self, x: Annotated[Tensor, "b d"], y: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b d"]:
        return x - y


class Parts(NamedTuple):
    map: Annotated[Tensor, "b d r k"]
    vector: Annotated[Tensor, "b d"]


class Split(nn.Module):
    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Parts:
        return Parts(image, image.mean((2, 3)))


def online() -> list[nn.Module]:
    torch.manual_seed(0)
    return [Encoder(), Projector()]


def target(nodes: Sequence[nn.Module] | None = None, **config: Any) -> tuple[EMA, list[nn.Module]]:
    nodes = list(nodes or online())
    config.setdefault("of", ["encoder", "projector", "third"][: len(nodes)])
    node = build(EMA, sources={"of": nodes}, **config)
    assert isinstance(node, EMA)
    return node, nodes


def move(nodes: Sequence[nn.Module], seed: int) -> None:
    """What an optimizer's step does to the online nodes."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in (p for node in nodes for p in node.parameters()):
            weight.add_(torch.randn(weight.shape, generator=generator).to(weight.dtype))


def weights(nodes: Sequence[nn.Module]) -> list[Tensor]:
    return [p.detach() for node in nodes for p in node.parameters()]


@torch.no_grad()
def follow(node: EMA) -> None:
    node.follow()


IMAGES = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(1))


# -- a copy --------------------------------------------------------------------------------------------------


def test_it_starts_as_a_copy_under_the_names_of_the_nodes() -> None:
    node, (encoder, projector) = target()
    names = {f"encoder.{k}": v for k, v in encoder.state_dict().items()}
    names |= {f"projector.{k}": v for k, v in projector.state_dict().items()}
    assert node.state_dict().keys() == names.keys()
    for key, value in node.state_dict().items():
        assert torch.equal(value, names[key])
        assert value.data_ptr() != names[key].data_ptr()


def test_nothing_of_it_is_trained() -> None:
    node, nodes = target()
    assert not any(p.requires_grad for p in node.parameters())
    assert sum(p.requires_grad for n in nodes for p in n.parameters()) == 5  # all but the frozen bias


def test_the_online_nodes_are_no_part_of_it() -> None:
    node, nodes = target()
    assert not set(map(id, nodes)) & set(map(id, node.modules()))
    assert len(list(node.children())) == 2


def test_it_is_called_as_the_chain_without_a_gradient() -> None:
    node, (encoder, projector) = target()
    given = IMAGES.clone().requires_grad_()
    out = node(given)
    assert not out.requires_grad
    torch.testing.assert_close(out, projector(encoder(IMAGES)))


def test_its_batch_norm_counts_its_own_inputs() -> None:
    node, (encoder, _) = target()
    for _ in range(3):
        node(IMAGES)
    ours: Any = node.get_submodule("encoder.bn")
    assert int(ours.num_batches_tracked) == 3
    assert int(encoder.bn.num_batches_tracked) == 0  # type: ignore[arg-type, union-attr]
    follow(node)
    assert int(ours.num_batches_tracked) == 3


def test_it_is_built_on_the_meta_device() -> None:
    with torch.device("meta"):
        node, _ = target()
        node(torch.empty(2, 3, 6, 6))
        follow(node)
    assert all(t.is_meta for t in (*node.parameters(), *node.buffers()))


# -- following -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.5, 0.9, 0.996, 1.0])
def test_weights_follow_the_formula(momentum: float, scheduled: bool) -> None:
    node, nodes = target(momentum={"from": momentum, "to": momentum} if scheduled else momentum)
    expected = [w.double() for w in weights([node])]
    for step in range(4):
        move(nodes, step)
        expected = [momentum * t + (1 - momentum) * o.double() for t, o in zip(expected, weights(nodes), strict=True)]
        follow(node)
    assert isinstance(node.momentum, Tensor) == scheduled
    for ours, plain in zip(weights([node]), expected, strict=True):
        torch.testing.assert_close(ours.double(), plain, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("scheduled", [False, True])
def test_a_momentum_of_one_changes_no_bit_and_of_zero_copies_every_bit(scheduled: bool) -> None:
    for momentum in (1.0, 0.0):
        node, nodes = target(momentum={"from": momentum, "to": momentum} if scheduled else momentum)
        before = [w.clone() for w in weights([node])]
        move(nodes, 3)
        follow(node)
        same = before if momentum else weights(nodes)
        assert all(torch.equal(a, b) for a, b in zip(weights([node]), same, strict=True))


def test_the_online_nodes_stay_as_they_are() -> None:
    node, nodes = target(momentum=0.5)
    move(nodes, 0)
    before = [copy.deepcopy(n.state_dict()) for n in nodes]
    follow(node)
    for state, n in zip(before, nodes, strict=True):
        assert all(torch.equal(state[k], v) for k, v in n.state_dict().items())


def test_all_weights_move_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    plain = torch._foreach_lerp_
    monkeypatch.setattr(torch, "_foreach_lerp_", lambda a, b, w: calls.append(len(a)) or plain(a, b, w))
    node, _ = target()
    follow(node)
    assert calls == [6]


def test_buffers_are_averaged_when_they_follow() -> None:
    node, nodes = target(momentum=0.75, buffers="follow")
    encoder: Any = nodes[0]
    encoder(IMAGES)
    encoder(IMAGES)
    ours: Any = node.get_submodule("encoder.bn")
    before = ours.running_mean.clone()
    follow(node)
    torch.testing.assert_close(ours.running_mean, 0.75 * before + 0.25 * encoder.bn.running_mean)
    assert int(ours.num_batches_tracked) == 2


def test_half_precision_weights_follow_a_scheduled_momentum() -> None:
    nodes = [n.bfloat16() for n in online()]
    node, _ = target(nodes, momentum={"from": 0.5, "to": 0.5})
    before = weights([node])[0].clone()
    move(nodes, 0)
    follow(node)
    expected = (before.float() + weights(nodes)[0].float()) / 2
    torch.testing.assert_close(weights([node])[0].float(), expected, rtol=1e-2, atol=1e-2)


def test_a_schedule_neither_recompiles_nor_reads_from_the_device() -> None:
    torch._dynamo.reset()
    node, nodes = target(momentum={"from": 0.9, "to": 1.0}, buffers="follow")
    twin, others = copy.deepcopy((node, nodes))
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(node.follow, fullgraph=True, backend=counter)
    for step, momentum in enumerate((0.9, 0.95, 1.0)):
        for n, o in ((node, nodes), (twin, others)):
            assert isinstance(n.momentum, Tensor)
            n.momentum.fill_(momentum)
            move(o, step)
        with torch.no_grad():
            compiled()
        follow(twin)
    assert counter.frame_count == 1
    for a, b in zip(node.state_dict().values(), twin.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b)


# -- what it follows -----------------------------------------------------------------------------------------


def test_a_copy_of_both_follows_the_copied_nodes() -> None:
    node, nodes = target(momentum=0.0)
    twin, others = copy.deepcopy((node, nodes))
    move(others, 0)
    follow(node)
    follow(twin)
    assert all(torch.equal(a, b) for a, b in zip(weights([twin]), weights(others), strict=True))
    assert not torch.equal(weights([node])[0], weights([twin])[0])


def test_it_still_follows_after_both_moved() -> None:
    """A program is moved to its device after it was built."""
    node, nodes = target(momentum=0.0)
    root = nn.ModuleDict({"target": node, "encoder": nodes[0], "projector": nodes[1]})
    root.to(torch.float64)
    move(nodes, 0)
    follow(node)
    assert all(torch.equal(a, b) for a, b in zip(weights([node]), weights(nodes), strict=True))
    assert weights([node])[0].dtype == torch.float64


def test_schedules_of_the_online_nodes_hold_for_the_copies() -> None:
    node, nodes = target()
    plain = node(IMAGES)
    nodes[1].gain.fill_(3.0)  # type: ignore[operator, union-attr]
    torch.testing.assert_close(node(IMAGES), 3 * plain)
    root = nn.ModuleDict({"target": node, "projector": nodes[1]}).to(torch.float64)
    nodes[1].gain.fill_(5.0)  # type: ignore[operator, union-attr]
    torch.testing.assert_close(node(IMAGES.double()), 5 * plain.double(), rtol=1e-5, atol=1e-5)
    assert not any("gain" in k for k in root.state_dict())


def test_an_average_of_an_average() -> None:
    first, nodes = target(momentum=0.0)
    second, _ = target([first], of=["target"], momentum=0.5)
    before = weights([second])[0].clone()
    move(nodes, 0)
    follow(first)
    follow(second)
    torch.testing.assert_close(weights([second])[0], (before + weights(nodes)[0]) / 2)
    assert {id(m) for m in second.get_submodule("target")._online} == {id(n) for n in nodes}  # type: ignore[union-attr]
    torch.testing.assert_close(second(IMAGES).shape, first(IMAGES).shape)


# -- ports and mistakes --------------------------------------------------------------------------------------


def ports_of(*nodes: type[nn.Module]) -> Any:
    names = ["a", "b", "c"][: len(nodes)]
    of = {name: signature_of(n.forward) for name, n in zip(names, nodes, strict=True)}
    return REGISTRY["target.ema"].signature(EMA.Config(of=names), of)


def test_it_takes_what_the_first_takes_and_gives_what_the_last_gives() -> None:
    ports = ports_of(Encoder, Projector)
    assert [str(p) for p in ports.inputs] == ["[b c h w]"]
    assert [str(p) for p in ports.outputs] == ["[b e]"]
    assert [p.name for p in ports_of(Two, Projector).inputs] == ["x", "y"]
    assert [p.name for p in ports_of(Split).outputs] == ["map", "vector"]


def test_the_first_node_may_take_several_values_and_the_last_may_give_several() -> None:
    node, _ = target([Two()])
    a, b = torch.randn(2, 3, 5)
    assert torch.equal(node(a, b), a - b)
    assert torch.equal(node(a, y=b), a - b), "by its name, where one before it is left out"
    node, _ = target([Split()])
    assert torch.equal(node(IMAGES).vector, IMAGES.mean((2, 3)))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([Random()], "'encoder' is random"),
        ([Encoder(), Random()], "'projector' is random"),
        ([Encoder(), Two()], r"in a chain 'projector' takes \[b d\], \[b d\], but 'encoder' gives \[b d\]"),
        ([Split(), Projector()], r"'encoder' gives \[b d r k\], \[b d\]"),
        ([Encoder(), Encoder()], r"'projector' takes \[b c h w\], but 'encoder' gives \[b d\]"),
    ],
)
def test_what_is_no_chain_is_refused(nodes: list[nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        target(nodes)


@pytest.mark.parametrize("names", [["momentum", "b"], ["follow", "b"], ["of", "b"], ["a", "a"]])
def test_names_that_it_needs_itself_are_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a node that a target follows, or is named twice"):
        target(of=names)


@pytest.mark.parametrize("wrong", [{"of": []}, {"momentum": 1.01}, {"momentum": -0.1}, {"buffers": "copy"}, {"m": 0.9}])
def test_wrong_configs_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EMA.Config(**{"of": ["a"], **wrong})


def test_what_it_follows_must_be_said() -> None:
    with pytest.raises(ValidationError):
        EMA.Config()  # type: ignore[call-arg]


def test_split_batch_norm_gets_a_dealt_batch_and_the_order_comes_back() -> None:
    """MoCo, section 3.3: keys are normalised with other samples than their queries."""
    encoder = build(
        ResNet, sizes=Sizes({"c": 3, "h": 16, "w": 16}), depth=10, width=8, norm={"use": "split_batch", "splits": 4}
    )
    target = build(EMA, sources={"of": [encoder]}, of=["encoder"])
    image = torch.randn(16, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    order = [part + 4 * i for part in range(4) for i in range(4)]  # one sample of each old part in every new one
    expected = torch.empty(16, 64)
    with torch.no_grad():
        expected[order] = target.encoder(image[order])
        plain = target.encoder(image)
    torch.testing.assert_close(target(image), expected)
    assert not torch.allclose(expected, plain, atol=1e-3)
    target.eval()
    torch.testing.assert_close(target(image), target.encoder(image))


def test_a_batch_that_does_not_part_is_refused() -> None:
    encoder = build(
        ResNet, sizes=Sizes({"c": 3, "h": 16, "w": 16}), depth=10, width=8, norm={"use": "split_batch", "splits": 4}
    )
    target = build(EMA, sources={"of": [encoder]}, of=["encoder"])
    with pytest.raises(ValueError, match="a batch of 6 does not part into 4 equal splits"):
        target(torch.zeros(6, 3, 16, 16))

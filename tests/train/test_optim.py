"""Parameter groups: what is decayed, what each node's factor is, and that every parameter is in once."""

from __future__ import annotations

import copy
import re
from collections import OrderedDict
from typing import Any

import pytest
import torch
from helpers import CPU
from torch import Tensor, nn

from graphssl.component import Sizes, build, find
from graphssl.errors import RunError
from graphssl.graph.spec import Adam, AdamW, Larc, Lars, Optimizer, PerNode, Sgd, Timm, Train
from graphssl.train.larc import LARC
from graphssl.train.lars import LARS
from graphssl.train.optim import build_optimizer, is_regularised
from graphssl.train.rates import set_rates

SGD = Sgd(use="sgd", lr=0.5, momentum=0.8, nesterov=True, weight_decay=0.01)
ADAMW = AdamW(use="adamw", lr=0.25, betas=[0.8, 0.95], eps=1e-6, weight_decay=0.02)
LARS_CONFIG = Lars(use="lars", lr=2.0, momentum=0.7, eta=0.005, weight_decay=1e-3)


class Encoder(nn.Module):
    """A small transformer's kinds of parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 4))
        self.pos_embed = nn.Parameter(torch.zeros(1, 5, 4))
        self.relative_position_bias_table = nn.Parameter(torch.zeros(9, 2))
        self.position_embeddings = nn.Embedding(5, 4)
        self.words = nn.Embedding(5, 4)
        self.conv = nn.Conv2d(3, 4, 2)
        self.batch = nn.BatchNorm2d(4)
        self.layer = nn.LayerNorm((4, 2))
        self.bare = nn.LayerNorm(4, elementwise_affine=False)
        self.attention = nn.MultiheadAttention(4, 2)
        self.scale = nn.Parameter(torch.ones(()))


DECAYED = {
    "encoder.words.weight", "encoder.conv.weight", "encoder.attention.in_proj_weight",
    "encoder.attention.out_proj.weight",
}  # fmt: skip


def graph_like() -> nn.Module:
    head = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2, bias=False))
    target = nn.Linear(4, 4).requires_grad_(False)
    nodes = OrderedDict(encoder=Encoder(), head=head, predictor=nn.Linear(2, 2), target=target)
    return nn.Sequential(nodes)


def named(root: nn.Module, optimizer: torch.optim.Optimizer) -> list[tuple[str, dict[str, Any]]]:
    names = {parameter: name for name, parameter in root.named_parameters()}
    return [(names[p], group) for group in optimizer.param_groups for p in group["params"]]


def groups_by_name(root: nn.Module, train: Train) -> dict[str, dict[str, Any]]:
    return dict(named(root, build_optimizer(root, train, CPU)))


@pytest.mark.parametrize("config", [SGD, ADAMW, LARS_CONFIG], ids=lambda c: c.use)
def test_every_trainable_parameter_is_in_once(config: Optimizer) -> None:
    root = graph_like()
    found = [name for name, _ in named(root, build_optimizer(root, Train(optimizer=config), CPU))]
    expected = [name for name, p in root.named_parameters() if p.requires_grad]
    assert sorted(found) == sorted(expected)
    assert not any(name.startswith("target") for name in found)


@pytest.mark.parametrize("config", [SGD, ADAMW, LARS_CONFIG], ids=lambda c: c.use)
def test_what_is_decayed(config: Optimizer) -> None:
    root = graph_like()
    groups = groups_by_name(root, Train(optimizer=config))
    decayed = {name for name, group in groups.items() if group["weight_decay"] == config.weight_decay}
    assert decayed == DECAYED | {"head.0.weight", "head.2.weight", "predictor.weight"}
    assert {group["weight_decay"] for name, group in groups.items() if name not in decayed} == {0.0}


def test_lars_adapts_what_is_decayed() -> None:
    groups = groups_by_name(graph_like(), Train(optimizer=LARS_CONFIG))
    assert all(group["adapted"] == (group["weight_decay"] > 0) for group in groups.values())


def test_lars_still_adapts_weights_whose_decay_is_0() -> None:
    train = Train(optimizer=LARS_CONFIG, nodes={"predictor": PerNode(weight_decay=0.0)})
    groups = groups_by_name(graph_like(), train)
    assert groups["predictor.weight"]["adapted"] is True
    assert groups["predictor.bias"]["adapted"] is False
    assert groups["predictor.weight"]["weight_decay"] == 0.0


@pytest.mark.parametrize(
    "module",
    [
        nn.GroupNorm(2, 4), nn.SyncBatchNorm(4), nn.InstanceNorm1d(4, affine=True), nn.RMSNorm((4, 2)),
        nn.LayerNorm((2, 3)),
    ],
    ids=lambda m: type(m).__name__,
)  # fmt: skip
def test_norms_are_not_decayed(module: nn.Module) -> None:
    parameters = dict(module.named_parameters())
    assert parameters
    assert not any(is_regularised(module, name, p) for name, p in parameters.items())


def test_a_bias_with_two_axes_is_not_decayed() -> None:
    module = nn.Module()
    assert not is_regularised(module, "bias", nn.Parameter(torch.zeros(2, 2)))
    assert is_regularised(module, "weight", nn.Parameter(torch.zeros(2, 2)))


def test_factors_and_schedules_of_nodes() -> None:
    train = Train(optimizer=SGD, nodes={"head": PerNode(lr=10), "predictor": PerNode(schedule="constant", lr=2)})
    groups = groups_by_name(graph_like(), train)
    facts = {name: (g["factor"], g["follows"], g["lr"]) for name, g in groups.items()}
    assert {facts[n] for n in facts if n.startswith("encoder")} == {(1.0, True, 0.5)}
    assert {facts[n] for n in facts if n.startswith("head")} == {(10, True, 5.0)}
    assert {facts[n] for n in facts if n.startswith("predictor")} == {(2, False, 1.0)}


def test_nodes_alike_share_a_group_and_are_named() -> None:
    root = graph_like()
    optimizer = build_optimizer(root, Train(optimizer=SGD, nodes={"predictor": PerNode(lr=3)}), CPU)
    nodes = sorted((g["factor"], g["weight_decay"], g["nodes"]) for g in optimizer.param_groups)
    assert nodes == [
        (1.0, 0.0, ["encoder", "head"]), (1.0, 0.01, ["encoder", "head"]),
        (3.0, 0.0, ["predictor"]), (3.0, 0.01, ["predictor"]),
    ]  # fmt: skip


def test_a_nodes_own_decay_leaves_its_biases_alone() -> None:
    groups = groups_by_name(graph_like(), Train(optimizer=SGD, nodes={"predictor": PerNode(weight_decay=0.3)}))
    assert groups["predictor.weight"]["weight_decay"] == 0.3
    assert groups["predictor.bias"]["weight_decay"] == 0.0
    assert groups["head.0.weight"]["weight_decay"] == 0.01


def test_a_shared_parameter_belongs_to_the_first_node() -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    root = nn.Sequential(OrderedDict(first=first, second=second, third=first))
    train = Train(optimizer=SGD, nodes={"second": PerNode(lr=7), "third": PerNode(lr=9)})
    optimizer = build_optimizer(root, train, CPU)
    factors = {p: g["factor"] for g in optimizer.param_groups for p in g["params"]}
    assert factors == {first.weight: 1.0, first.bias: 1.0, second.bias: 7.0}
    assert sum(len(g["params"]) for g in optimizer.param_groups) == 3


def test_the_configs_reach_the_optimizers() -> None:
    root = graph_like()
    sgd = build_optimizer(root, Train(optimizer=SGD), CPU)
    adamw = build_optimizer(root, Train(optimizer=ADAMW), CPU)
    lars = build_optimizer(root, Train(optimizer=LARS_CONFIG), CPU)
    assert type(sgd) is torch.optim.SGD
    assert type(adamw) is torch.optim.AdamW
    assert type(lars) is LARS
    for group in sgd.param_groups:
        assert (group["lr"], group["momentum"], group["nesterov"], group["fused"]) == (0.5, 0.8, True, True)
    for group in adamw.param_groups:
        assert (group["lr"], group["betas"], group["eps"], group["fused"]) == (0.25, (0.8, 0.95), 1e-6, True)
    for group in lars.param_groups:
        assert (group["lr"], group["momentum"], group["eta"]) == (2.0, 0.7, 0.005)


def test_the_decay_of_adam_is_added_to_the_gradient() -> None:
    """Kingma and Ba 2015, algorithm 1, with g + weight_decay w for g; in float64."""
    root = nn.Sequential(OrderedDict(encoder=nn.Linear(3, 2))).double()
    config = Adam(use="adam", lr=0.1, betas=[0.8, 0.95], eps=1e-3, weight_decay=0.3, decay="all")
    optimizer = build_optimizer(root, Train(optimizer=config), CPU)
    generator = torch.Generator().manual_seed(0)
    for parameter in root.parameters():
        w = parameter.detach().clone()
        m, v = torch.zeros_like(w), torch.zeros_like(w)
        for t in range(1, 4):
            gradient = torch.randn(w.shape, generator=generator, dtype=torch.float64)
            root.zero_grad()
            parameter.grad = gradient.clone()
            optimizer.step()
            g = gradient + 0.3 * w
            m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g**2
            w = w - 0.1 * (m / (1 - 0.8**t)) / ((v / (1 - 0.95**t)).sqrt() + 1e-3)
        torch.testing.assert_close(parameter.detach(), w, rtol=1e-12, atol=1e-12)


def test_nothing_to_train() -> None:
    root = nn.Sequential(OrderedDict(target=nn.Linear(2, 2).requires_grad_(False)))
    with pytest.raises(RunError, match="nothing to train"):
        build_optimizer(root, Train(), CPU)


def loss_of(root: nn.Module, x: Tensor) -> Tensor:
    out: Tensor = root(x)
    return out.square().mean()


@pytest.mark.parametrize("config", [SGD, ADAMW, LARS_CONFIG], ids=lambda c: c.use)
def test_a_step_moves_every_node(config: Optimizer) -> None:
    torch.manual_seed(0)
    root = nn.Sequential(OrderedDict(encoder=nn.Linear(3, 4), head=nn.Linear(4, 2)))
    optimizer = build_optimizer(root, Train(optimizer=config), CPU)
    before = [p.detach().clone() for p in root.parameters()]
    loss_of(root, torch.randn(5, 3)).backward()
    optimizer.step()
    assert all(not torch.equal(a, b) for a, b in zip(before, root.parameters(), strict=True))


@pytest.mark.parametrize("config", [SGD, ADAMW, LARS_CONFIG], ids=lambda c: c.use)
def test_a_resumed_optimizer_goes_on_bit_for_bit(config: Optimizer) -> None:
    torch.manual_seed(0)
    train = Train(optimizer=config, nodes={"head": PerNode(lr=3, schedule="constant")})
    root = nn.Sequential(OrderedDict(encoder=nn.Linear(3, 4), head=nn.Linear(4, 2)))
    optimizer = build_optimizer(root, train, CPU)
    xs = torch.randn(6, 5, 3)

    def run(module: nn.Module, with_: torch.optim.Optimizer, batches: Tensor) -> None:
        for x in batches:
            with_.zero_grad()
            loss_of(module, x).backward()
            with_.step()

    run(root, optimizer, xs[:3])
    twin = nn.Sequential(OrderedDict(encoder=nn.Linear(3, 4), head=nn.Linear(4, 2)))
    twin.load_state_dict(root.state_dict())
    resumed = build_optimizer(twin, train, CPU)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))  # it keeps the tensors that it is given
    run(root, optimizer, xs[3:])
    run(twin, resumed, xs[3:])
    assert all(torch.equal(a, b) for a, b in zip(root.parameters(), twin.parameters(), strict=True))
    assert [g["nodes"] for g in resumed.param_groups] == [g["nodes"] for g in optimizer.param_groups]


def test_only_what_is_recorded_is_capturable() -> None:
    root = nn.Sequential(OrderedDict(encoder=nn.Linear(3, 4)))
    optimizer = build_optimizer(root, Train(optimizer=ADAMW), torch.device("cuda"))
    assert not any(g["capturable"] for g in optimizer.param_groups)


@pytest.mark.gpu
@pytest.mark.filterwarnings("error")  # torch warns of a capturable step that is not captured, as where one warms up
@pytest.mark.parametrize("recorded", [False, True])
def test_fused_on_a_gpu(recorded: bool) -> None:
    device = torch.device("cuda")
    root = nn.Sequential(OrderedDict(encoder=nn.Linear(3, 4))).to(device)
    optimizer = build_optimizer(root, Train(optimizer=ADAMW), device, recorded=recorded)
    assert all(g["fused"] and g["capturable"] is recorded for g in optimizer.param_groups)
    loss_of(root, torch.randn(5, 3, device=device)).backward()
    optimizer.step()
    assert all(torch.isfinite(p).all() for p in root.parameters())


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_momentum_that_starts_at_zero_is_the_momentum_of_plain_sgd(momentum: float) -> None:
    config = SGD.model_copy(update={"momentum": momentum, "nesterov": momentum > 0, "weight_decay": 0.0})
    ours, theirs = nn.Sequential(nn.Linear(4, 3)), nn.Sequential(nn.Linear(4, 3))
    theirs.load_state_dict(ours.state_dict())
    one = build_optimizer(ours, Train(optimizer=config), CPU)
    two = torch.optim.SGD(theirs.parameters(), lr=0.5, momentum=momentum, nesterov=momentum > 0, fused=True)
    assert len(one.state) == (2 if momentum else 0)
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        x = torch.randn(5, 4, generator=generator)
        for root, optimizer in ((ours, one), (theirs, two)):
            optimizer.zero_grad()
            root(x).square().mean().backward()
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize("config", [SGD, ADAMW, LARS_CONFIG], ids=lambda c: c.use)
def test_decay_of_all(config: Optimizer) -> None:
    root = graph_like()
    groups = groups_by_name(root, Train(optimizer=config.model_copy(update={"decay": "all"})))
    assert {group["weight_decay"] for group in groups.values()} == {config.weight_decay}
    if config.use == "lars":
        assert {name for name, group in groups.items() if group["adapted"]} == DECAYED | {
            "head.0.weight", "head.2.weight", "predictor.weight",
        }  # fmt: skip


def test_larc_adapts_and_decays_all() -> None:
    root = graph_like()
    optimizer = build_optimizer(root, Train(optimizer=Larc(use="larc", weight_decay=1e-6)), CPU)
    assert isinstance(optimizer, LARC)
    assert {group["weight_decay"] for group in optimizer.param_groups} == {1e-6}
    assert not any("adapted" in group and not group["adapted"] for group in optimizer.param_groups)


# -- layers ----------------------------------------------------------------------------------------------------------


def scales(node: nn.Module, decay: float = 0.5) -> dict[str, float]:
    root = nn.Sequential(OrderedDict(encoder=node, head=nn.Linear(2, 2)))
    train = Train(optimizer=ADAMW, nodes={"encoder": PerNode(lr=2.0, layer_decay=decay)})
    groups = groups_by_name(root, train)
    assert groups["head.weight"]["lr"] == ADAMW.lr
    set_rates(build_optimizer(root, train, CPU), train, 0, 1, 1)
    inner = {name.removeprefix("encoder."): g for name, g in groups.items() if name.startswith("encoder.")}
    assert all(g["lr"] == ADAMW.lr * 2.0 * g.get("scale", 1.0) for g in inner.values())
    return {name: group.get("scale", 1.0) for name, group in inner.items()}


def test_layers_of_a_vit_are_beits_and_maes() -> None:
    """decay^(L + 1 - i) for block i from 1, the embeddings' is decay^(L + 1), the last norm's 1."""
    vit = build(find("encoder.vit"), None, Sizes({"c": 3, "h": 16, "w": 16}), patch=8, dim=24, depth=3, heads=3)
    found = scales(vit)
    expected = {
        "class_token": 0.5**4,
        "encoder.pos_embedding": 0.5**4,
        "conv_proj.weight": 0.5**4,
        "encoder.ln.bias": 1.0,
    }
    expected |= {f"encoder.layers.encoder_layer_{i}.mlp.0.weight": 0.5 ** (3 - i) for i in range(3)}
    assert {name: found[name] for name in expected} == expected
    assert set(found.values()) == {1.0, 0.5, 0.25, 0.125, 0.0625}


def test_layers_of_a_resnet_are_its_stages() -> None:
    resnet = build(find("encoder.resnet"), None, Sizes({"c": 3, "h": 32, "w": 32}), depth=18, width=8)
    by_stage: dict[str, set[float]] = {}
    for name, scale in scales(resnet).items():
        by_stage.setdefault(name.split(".")[0], set()).add(scale)
    assert by_stage == {
        "conv1": {0.0625}, "bn1": {0.0625}, "layer1": {0.125}, "layer2": {0.25}, "layer3": {0.5}, "layer4": {1.0},
    }  # fmt: skip


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "convnext_atto"])
def test_layers_of_timms_networks_are_by_its_own_groups(name: str) -> None:
    timm = pytest.importorskip("timm")
    from timm.optim import param_groups_layer_decay

    with torch.device("meta"):
        net = timm.create_model(name, num_classes=0)
    found = scales(net, 0.75)
    names = {id(p): n for n, p in net.named_parameters()}
    for group in param_groups_layer_decay(net, layer_decay=0.75, verbose=False):
        for parameter in group["params"]:
            assert found[names[id(parameter)]] == pytest.approx(group["lr_scale"])


def test_all_layers_alike_are_one_group() -> None:
    resnet = build(find("encoder.resnet"), None, Sizes({"c": 3, "h": 32, "w": 32}), depth=10, width=8)
    assert set(scales(resnet, 1.0).values()) == {1.0}


# -- timm's ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kept"), [("lamb", 2), ("lion", 1), ("sgd", 1), ("adamw", 2)])
def test_timms_optimizers(name: str, kept: int) -> None:
    pytest.importorskip("timm")
    from timm.optim import create_optimizer_v2

    config = Timm(use="timm", name=name, lr=0.01, weight_decay=0.1)
    assert config.moments == kept
    ours, theirs = nn.Linear(4, 4, bias=False).double(), nn.Linear(4, 4, bias=False).double()
    theirs.load_state_dict(ours.state_dict())
    optimizer = build_optimizer(nn.Sequential(OrderedDict(head=ours)), Train(optimizer=config), CPU)
    plain = create_optimizer_v2(theirs.parameters(), opt=name, lr=0.01, weight_decay=0.1)
    for _ in range(3):
        gradient = torch.randn(4, 4, dtype=torch.float64)
        ours.weight.grad, theirs.weight.grad = gradient.clone(), gradient.clone()
        optimizer.step()
        plain.step()
    assert torch.equal(ours.weight, theirs.weight)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "lambb"}, "did you mean 'lamb'?"), ({"name": "lamb", "options": {"beetas": [0.9, 0.9]}}, "beetas"),
        ({"name": "lamb", "options": {"lr": 3.0}}, "'lr' is no option"),
    ],
)  # fmt: skip
def test_what_timm_has_not(options: dict[str, Any], said: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match=re.escape(said)):
        Timm.model_validate({"use": "timm", **options})

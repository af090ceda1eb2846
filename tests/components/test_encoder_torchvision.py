"""Networks of torchvision against plain torchvision: keys, features, channels, sizes; refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conftest import SIMCLR, Write, problems_of
from torch import Tensor, nn
from torchvision import models

from graphssl.checks.checked import check
from graphssl.component import Sizes, build
from graphssl.components.encoder import Torchvision
from graphssl.components.norms import splits_of

# Of each family a network, its last layer, and d.
FAMILIES = [
    ("resnet18", "fc", 512), ("convnext_tiny", "classifier.2", 768), ("vit_b_32", "heads.head", 768),
    ("swin_t", "head", 768), ("efficientnet_b0", "classifier.1", 1280), ("regnet_x_400mf", "fc", 400),
    ("densenet121", "classifier", 1024), ("mobilenet_v2", "classifier.1", 1280),
    ("mobilenet_v3_small", "classifier.3", 1024), ("maxvit_t", "classifier.5", 512), ("vgg11", "classifier.6", 4096),
    ("alexnet", "classifier.6", 4096), ("inception_v3", "fc", 2048), ("googlenet", "fc", 1024),
    ("squeezenet1_1", "classifier.1", 512), ("shufflenet_v2_x0_5", "fc", 1024), ("mnasnet0_5", "classifier.1", 1280),
]  # fmt: skip


def net(name: str, px: tuple[int, int] = (224, 224), channels: int = 3, **config: Any) -> Any:
    torch.manual_seed(7)
    return build(Torchvision, sizes=Sizes({"c": channels, "h": px[0], "w": px[1]}), name=name, **config)


def image(channels: int = 3, h: int = 64, w: int = 64) -> Tensor:
    return torch.randn(2, channels, h, w, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("name", "last", "d"), FAMILIES, ids=[f[0] for f in FAMILIES])
def test_keys_are_torchvisions_and_the_last_layer_is_an_identity(name: str, last: str, d: int) -> None:
    options = {"aux_logits": False, "init_weights": False} if name in ("inception_v3", "googlenet") else {}
    with torch.device("meta"):
        ours = net(name)
    plain = models.get_model(name, weights=None, **options)
    assert isinstance(ours, type(plain))
    plain.set_submodule(last, nn.Identity())
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in plain.state_dict().items()}
    assert ours(torch.empty(2, 3, 224, 224, device="meta")).shape == (2, d)


@pytest.mark.parametrize(("name", "last"), [("resnet18", "fc"), ("mobilenet_v3_small", "classifier.3")])
def test_weights_load_strictly_and_give_the_same_features(name: str, last: str) -> None:
    ours, plain = net(name).eval(), models.get_model(name, weights=None)
    plain.set_submodule(last, nn.Identity())
    plain.load_state_dict(ours.state_dict(), strict=True)
    assert torch.equal(ours(image()), plain.eval()(image()))


def test_first_weights_are_torchvisions() -> None:
    ours = net("resnet18")
    torch.manual_seed(7)
    plain = models.resnet18(weights=None).state_dict()
    assert all(torch.equal(v, plain[k]) for k, v in ours.state_dict().items())


def test_features_are_not_random() -> None:
    """The classifier's dropout goes with it."""
    ours = net("vgg11").train()
    assert torch.equal(ours(image()), ours(image()))


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channels(channels: int) -> None:
    ours = net("resnet18", channels=channels)
    assert ours.conv1.weight.shape == (64, channels, 7, 7)
    assert (ours.conv1.stride, ours.conv1.bias) == ((2, 2), None)
    spread = net("resnet18").conv1.weight.std().item() * (3 / channels) ** 0.5
    assert ours.conv1.weight.std().item() == pytest.approx(spread, rel=0.03)
    assert ours(image(channels)).shape == (2, 512)


@pytest.mark.parametrize("name", ["resnet18", "convnext_tiny", "swin_t", "efficientnet_b0"])
def test_images_that_are_not_square(name: str) -> None:
    with torch.device("meta"):
        assert net(name, (64, 96))(torch.empty(2, 3, 64, 96)).ndim == 2


def test_options_are_the_networks() -> None:
    assert not net("resnet18", options={"zero_init_residual": True}).layer1[0].bn2.weight.any()
    assert splits_of(net("resnet18", norm="split_batch")) == 8


@pytest.mark.parametrize(
    ("entry", "message", "hint"),
    [
        ("name: resnet81", "torchvision has no classification network 'resnet81'", "did you mean 'resnet18'"),
        ("name: fcn_resnet50", "torchvision has no classification network 'fcn_resnet50'", "did you mean"),
        ("name: raft_large", "torchvision has no classification network 'raft_large'", "^"),
        ("name: resnet18, options: {weights: DEFAULT}", "'weights' is no option here", "^"),
        ("name: resnet18, options: {num_classes: 10}", "'num_classes' is no option here", "^"),
        ("name: resnet18, options: {dropuot: 0.1}", "unexpected keyword argument 'dropuot'", "^"),
        ("name: alexnet", "Output size is too small", "^"),
        ("name: maxvit_t", "is not divisible by partition size", "^"),
        ("name: vit_h_14", "indivisible by patch size", "^"),
    ],
)
def test_refusals(write: Write, entry: str, message: str, hint: str) -> None:
    network = ("{use: encoder.resnet, depth: 10, width: 8}", f"{{use: encoder.torchvision, {entry}}}")
    (found,) = problems_of(check, write(SIMCLR, network))
    assert message in found
    assert hint in found


def test_a_vision_transformer_of_torchvisions_is_square() -> None:
    with pytest.raises(ValueError, match="vit_b_16 takes square images, and these are 32 x 48 px"):
        net("vit_b_16", (32, 48))

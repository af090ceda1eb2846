"""Which networks have stages, and that their maps are the encoder's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from graphssl.component import discover
from graphssl.components.encoder.resnet import ResNet
from graphssl.components.encoder.torchvision import Torchvision
from graphssl.components.encoder.vit import ViT
from graphssl.evaluation.detection.detector import Backbone, build_detector
from graphssl.evaluation.detection.stages import Stages, stages_of

SIZES = {"c": 3, "h": 32, "w": 32}
MEAN, STD = (0.5,) * 3, (0.25,) * 3


def resnet(**options: Any) -> ResNet:
    discover()
    torch.manual_seed(0)
    return ResNet(ResNet.Config(depth=10, width=8, **options), SIZES)


def moved(network: nn.Module) -> nn.Module:
    """With batch norms that are as after a training."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)
    return network.eval()


def stages(network: nn.Module, channels: int = 3) -> Stages:
    found = stages_of(network, channels)
    assert isinstance(found, Stages), found
    return found


@pytest.mark.parametrize(("stem", "strides"), [("imagenet", (4, 8, 16, 32)), ("small", (1, 2, 4, 8))])
@pytest.mark.parametrize("pyramid", [True, False])
def test_maps_are_the_encoders(stem: str, strides: tuple[int, ...], pyramid: bool) -> None:
    network = moved(resnet(stem=stem))
    found = stages(network)
    assert found.strides == strides
    assert (found.channels, found.residual) == ((8, 16, 32, 64), True)
    image = torch.randn(2, 3, 96, 64)
    backbone = Backbone(found, pyramid, "batch", 0).eval()
    with torch.no_grad():
        ours, theirs = backbone.maps(image), list(network.maps(image).values())
    assert len(ours) == (4 if pyramid else 3)
    for one, other in zip(ours, theirs, strict=False):
        torch.testing.assert_close(one, other)


def test_of_torchvisions_network_with_the_exported_weights() -> None:
    """The maps of torchvision's own network, given the same state dict."""
    torch.manual_seed(0)
    network = moved(Torchvision(Torchvision.Config(name="resnet18"), {**SIZES, "h": 96, "w": 96}))
    theirs = models.resnet18(weights=None)
    theirs.fc = nn.Identity()
    theirs.load_state_dict(network.state_dict())
    plain = models.detection.backbone_utils._resnet_fpn_extractor(theirs.eval(), 5)
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        ours, expected = stages(network).maps(image), list(plain.body(image).values())
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", ["convnext_tiny", "vgg11_bn", "densenet121", "mobilenet_v3_small", "efficientnet_b0"])
def test_torchvisions_convolutional_networks_have_four_maps(name: str) -> None:
    with torch.device("meta"):
        found = stages(models.get_model(name, weights=None))
    assert (found.strides, found.residual) == ((4, 8, 16, 32), False)


@pytest.mark.parametrize("name", ["resnet50", "convnext_atto", "efficientnet_b0", "vgg11", "regnetx_002"])
def test_timms_convolutional_networks_have_four_maps(name: str) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=0).eval()
    found = stages(network)
    assert found.strides == (4, 8, 16, 32)
    assert found.residual == (name == "resnet50")
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = network.forward_intermediates(image, intermediates_only=True)[-4:]
        for one, other in zip(found.maps(image), expected, strict=True):
            torch.testing.assert_close(one, other)


def test_a_network_of_ones_own_with_a_method_that_gives_maps() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = (nn.Conv2d(c, 4, 3, 2, 1) for c in (1, 4))

        def maps(self, image: Tensor) -> dict[str, Tensor]:
            first = self.first(image)
            return {"fine": first, "coarse": self.second(first)}

    found = stages(Own(), 1)
    assert (found.channels, found.strides, found.residual) == ((4, 4), (2, 4), False)


def test_networks_without_maps_say_so() -> None:
    discover()
    vit = ViT(ViT.Config(patch=8, dim=32, depth=2, heads=2), SIZES)
    for network in (vit, nn.Sequential(nn.Flatten(), nn.Linear(3072, 8)), models.swin_t(weights=None)):
        why = stages_of(network, 3)
        assert isinstance(why, str)
        assert "encoder.resnet" in why
    assert "value of the flow" in str(stages_of(torch.fx.symbolic_trace(nn.Conv2d(3, 4, 3)), 3))


def built(norm: Any = "batch", trainable: int = 5, **more: Any) -> Any:
    options = {"masks": False, "pyramid": True, "min_size": [64], "max_size": 128, "mean": MEAN, "std": STD, **more}
    return build_detector(stages(resnet(stem="small")), 3, norm=norm, trainable=trainable, **options)


def test_frozen_batch_norms_stay_as_they_are_and_others_train() -> None:
    frozen, batch = built("frozen"), built("batch")
    norms = [m for m in frozen.train().modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert not any(m.training or m.weight.requires_grad for m in norms)
    ours = [m for m in batch.train().modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(ours) == len(norms) + 8, "two in each level of the pyramid"
    assert all(m.training and m.weight.requires_grad for m in ours)


@pytest.mark.parametrize("pyramid", [True, False])
def test_layers_that_do_not_train(pyramid: bool) -> None:
    still = {
        layers: sum(p.numel() for p in built(trainable=layers, pyramid=pyramid).parameters() if not p.requires_grad)
        for layers in range(6)
    }
    encoder = sum(p.numel() for p in resnet(stem="small").parameters())
    assert still[5] == 0
    assert sorted(still.values(), reverse=True) == list(still.values())
    assert still[0] == encoder
    stem = resnet(stem="small")
    assert still[4] == sum(p.numel() for part in (stem.conv1, stem.bn1) for p in part.parameters())


def test_the_last_stage_is_the_head_of_c4_of_boxes_and_of_masks() -> None:
    detector = built(pyramid=False, masks=True)
    last = detector.roi_heads.box_head.last
    assert sum(p is last.stage[0].conv1.weight for p in detector.parameters()) == 1
    assert detector.backbone.out_channels == 32
    assert detector.rpn.anchor_generator.sizes == ((8, 16, 32, 64, 128),), "2 to 32 strides of 4"
    assert built().rpn.anchor_generator.sizes == ((8,), (16,), (32,), (64,), (128,))
    assert isinstance(last.norm, nn.BatchNorm2d)
    features, boxes = {"0": torch.randn(2, 32, 16, 16)}, [torch.rand(5, 4) * 20 + torch.tensor([0.0, 0, 30, 30])] * 2
    shapes, heads = [(64, 64)] * 2, detector.train().roi_heads
    heads.box_head(heads.box_roi_pool(features, boxes, shapes))
    steps = int(last.norm.num_batches_tracked)
    some = [boxes[0][[3, 1]], boxes[1][[4]]]
    in_training = heads.mask_head(heads.mask_roi_pool(features, some, shapes))
    assert int(last.norm.num_batches_tracked) == steps, "masks have some of what was made for boxes"
    expected = last(last.pool(features, boxes, shapes))
    torch.testing.assert_close(in_training, expected[[3, 1, 9]])
    heads.eval()
    alone = heads.mask_head(heads.mask_roi_pool(features, some, shapes))
    torch.testing.assert_close(alone, last(last.pool(features, some, shapes)))


def test_the_encoder_itself_stays_as_it_was() -> None:
    network = resnet(stem="small", norm={"use": "split_batch", "splits": 8}).requires_grad_(False)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    detector = build_detector(
        stages(network), 3, masks=False, pyramid=True, norm="batch", trainable=5, min_size=[64], max_size=64,
        mean=MEAN, std=STD,
    )  # fmt: skip
    detector.train()(
        [torch.rand(3, 64, 64)], [{"boxes": torch.tensor([[1.0, 1, 30, 30]]), "labels": torch.tensor([1])}]
    )
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not any(p.requires_grad for p in network.parameters())
    assert network.bn1.splits == 8

"""Features of a frozen module: what it sees, what is taken of its outputs, and how it is given back."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphssl.data import Batch
from graphssl.errors import RunError
from graphssl.evaluation.embedding import embed, pooled, prepare

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


class Both(NamedTuple):
    map: Tensor
    vector: Tensor


class Odd(NamedTuple):
    first: Tensor
    second: Tensor


class Probe(nn.Module):
    """Gives the image's means by channel; remembers what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3, affine=False)
        self.frozen = nn.Dropout(0.5).eval()
        self.seen: list[Tensor] = []
        self.inference = False

    def forward(self, image: Tensor) -> Any:
        self.seen.append(image)
        self.inference = torch.is_inference_mode_enabled()
        return self.frozen(self.norm(image)).mean(dim=(2, 3))


def batches(n: int, b: int, h: int = 8, w: int = 8, seed: int = 0) -> list[Batch]:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (n, 3, h, w), dtype=torch.uint8, generator=generator)
    label = torch.arange(n) % 3 - 1
    return [Batch(image[i], i, label[i]) for i in torch.arange(n).split(b)]


def test_normalises_as_written_and_keeps_the_order() -> None:
    given = batches(11, 4)
    features, labels = embed(nn.Flatten(), given, MEAN, STD)
    raw = torch.cat([b.image for b in given]).double() / 255
    expected = (raw - torch.tensor(MEAN).double()[:, None, None]) / torch.tensor(STD).double()[:, None, None]
    assert features.dtype == torch.float32
    torch.testing.assert_close(features.double(), expected.flatten(1), atol=1e-5, rtol=1e-5)
    assert labels.tolist() == (torch.arange(11) % 3 - 1).tolist()


def test_float_images_are_taken_as_zero_to_one() -> None:
    image = torch.rand(2, 3, 4, 4)
    assert torch.allclose(prepare(image, (0.0,) * 3, (1.0,) * 3), image)


def test_images_come_channels_last_and_without_gradient() -> None:
    probe = Probe()
    features, _ = embed(probe, batches(5, 5), MEAN, STD)
    assert probe.seen[0].is_contiguous(memory_format=torch.channels_last)
    assert probe.inference
    assert not features.is_inference(), "a probe could not be trained on these"
    weight = torch.zeros(3, 2, requires_grad=True)
    (features @ weight).sum().backward()
    assert weight.grad is not None


def test_eval_mode_within_and_every_mode_back() -> None:
    probe = Probe().train()
    probe.frozen.eval()
    before = {k: v.clone() for k, v in probe.state_dict().items()}
    features, _ = embed(probe, batches(6, 2), MEAN, STD)
    again, _ = embed(probe, batches(6, 3), MEAN, STD)
    torch.testing.assert_close(features, again)  # batches do not matter, so these were no batch statistics
    assert all(torch.equal(before[k], v) for k, v in probe.state_dict().items())
    assert probe.training
    assert probe.norm.training
    assert not probe.frozen.training


def test_modes_come_back_after_an_error() -> None:
    class Broken(Probe):
        def forward(self, image: Tensor) -> Any:
            raise ValueError("broken")

    probe = Broken().train()
    with pytest.raises(RunError, match="the network fails on plain images, 2 x 3 x 8 x 8: broken"):
        embed(probe, batches(2, 2), MEAN, STD)
    assert probe.training


def test_square_images_are_scaled_antialiased() -> None:
    image = batches(3, 3, 32, 32)[0].image
    expected = functional.interpolate(image.double() / 255, (8, 8), mode="bilinear", antialias=True)
    found = prepare(image, (0.0,) * 3, (1.0,) * 3, (8, 8))
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=0)
    assert not torch.allclose(found.double(), image[..., ::4, ::4].double() / 255, atol=0.05)


@pytest.mark.parametrize("given", [(30, 48), (48, 30), (30, 47), (13, 12), (9, 20), (12, 12)])
def test_torchvision_agrees_on_scaling_and_cutting(given: tuple[int, int]) -> None:
    from torchvision.transforms import v2

    image = batches(2, 2, *given)[0].image
    both = v2.Compose([v2.Lambda(lambda x: x.float() / 255), v2.Resize(12, antialias=True), v2.CenterCrop(12)])
    torch.testing.assert_close(prepare(image, (0.0,) * 3, (1.0,) * 3, (12, 12)), both(image), atol=1e-5, rtol=0)


@pytest.mark.parametrize("given", [(8, 8), (5, 17), (17, 5), (3, 3), (33, 31)])
@pytest.mark.parametrize("size", [(8, 8), (6, 9), (1, 1)])
def test_the_module_gets_the_size_it_takes(given: tuple[int, int], size: tuple[int, int]) -> None:
    image = torch.full((1, 3, *given), 51, dtype=torch.uint8)
    found = prepare(image, (0.0,) * 3, (1.0,) * 3, size)
    assert found.shape == (1, 3, *size)
    torch.testing.assert_close(found, torch.full_like(found, 0.2))


def test_the_centre_stays_when_the_long_side_is_cut() -> None:
    image = torch.zeros(1, 3, 4, 12, dtype=torch.uint8)
    image[..., 4:8] = 255
    assert torch.equal(prepare(image, (0.0,) * 3, (1.0,) * 3, (4, 4)), torch.ones(1, 3, 4, 4))


def test_which_output_is_taken() -> None:
    feature_map, vector = torch.randn(2, 5, 3, 3), torch.randn(2, 7)
    assert pooled(vector) is vector
    assert pooled(Both(feature_map, vector)) is vector
    assert pooled(Odd(feature_map, vector)) is vector
    assert pooled(Odd(vector, vector + 1)) is vector
    torch.testing.assert_close(pooled(feature_map), feature_map.flatten(2).mean(dim=2))
    torch.testing.assert_close(pooled(Odd(feature_map, feature_map[0])), feature_map.flatten(2).mean(dim=2))


@pytest.mark.parametrize("output", [torch.randn(2, 5, 3), None, Odd(torch.randn(2), torch.randn(2, 3, 4))])
def test_other_outputs_are_refused(output: Any) -> None:
    with pytest.raises(RunError, match=r"evaluate\.features"):
        pooled(output)


def test_no_samples_are_refused() -> None:
    with pytest.raises(RunError, match="no samples"):
        embed(Probe(), [], MEAN, STD)


def test_autocast_is_used_and_the_result_is_float32() -> None:
    linear = nn.Sequential(nn.Flatten(), nn.Linear(192, 16))
    plain, _ = embed(linear, batches(4, 2), MEAN, STD, dtype=torch.float32)
    low, _ = embed(linear, batches(4, 2), MEAN, STD, dtype=torch.bfloat16)
    assert low.dtype == torch.float32
    assert not torch.equal(plain, low)
    torch.testing.assert_close(plain, low, atol=0.05, rtol=0.05)

"""torchvision's own transforms as a node: the same pictures for the same seed, and what is said of wrong ones."""

from __future__ import annotations

import pickle
import re
from contextlib import closing
from typing import Any

import pytest
import torch
from helpers import CPU
from torch import Tensor
from torchvision.transforms import v2

from graphssl.component import DataFacts, Sizes, build, find
from graphssl.components.augment.transforms import TransformedPictures, Transforms
from graphssl.data import open_data
from graphssl.graph import spec

CHAIN = (
    {"use": "RandomResizedCrop", "size": [24, 16], "scale": [0.3, 1.0]},
    "RandomHorizontalFlip",
    {"use": "RandomApply", "p": 0.5, "transforms": [{"use": "GaussianBlur", "kernel_size": 5}]},
    "RandAugment",
)
THEIRS = v2.Compose([
    v2.RandomResizedCrop([24, 16], scale=[0.3, 1.0]), v2.RandomHorizontalFlip(),
    v2.RandomApply([v2.GaussianBlur(kernel_size=5)], p=0.5), v2.RandAugment(),
])  # fmt: skip
FACTS = DataFacts(height=40, width=48, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))


def picture(seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (3, 40, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def node(*transforms: Any, **values: Any) -> Any:
    config = Transforms.Config.model_validate({"transforms": transforms, **values})
    return build(find("augment.torchvision"), config, Sizes({"h": 40, "w": 48, "c": 3}, FACTS))


def test_views_are_what_torchvision_makes_with_the_same_seed() -> None:
    (cut,) = node(*CHAIN, views=3).cuts
    assert (cut.views, cut.size) == (3, (24, 16))
    uniform = torch.rand((3, cut.numbers), generator=torch.Generator().manual_seed(1))
    before = torch.get_rng_state()
    views = cut(picture(), uniform)
    assert torch.equal(before, torch.get_rng_state())
    for view, (high, low) in zip(views, (uniform.double() * 2**24).long().tolist(), strict=True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(high << 24 | low)
            assert torch.equal(view, THEIRS(picture()))
    assert not torch.equal(views[0], views[1])


def test_it_goes_to_a_worker_with_and_without_having_been_used() -> None:
    cut = TransformedPictures(CHAIN, 2, (24, 16))
    uniform = torch.rand(2, 2)
    for _ in range(2):
        assert torch.equal(pickle.loads(pickle.dumps(cut))(picture(), uniform), cut(picture(), uniform))


def test_what_was_cut_is_normalised() -> None:
    module = node(*CHAIN)
    cut = torch.stack([module.cuts[0](picture(i), torch.rand(2, 2)) for i in range(5)], 1).flatten(0, 1)
    views = module((cut,))
    mean, std = torch.tensor(FACTS.mean)[:, None, None], torch.tensor(FACTS.std)[:, None, None]
    for view, own in zip(views, cut.chunk(2), strict=True):
        torch.testing.assert_close(view, (own / 255 - mean) / std, rtol=0, atol=1e-6)


def test_floats_stay_floats() -> None:
    module = node({"use": "Resize", "size": [8, 8]}, {"use": "ToDtype", "dtype": "float32", "scale": True})
    cut = module.cuts[0](picture(), torch.rand(2, 2))
    assert cut.dtype == torch.float32
    theirs = v2.functional.resize(picture(), [8, 8], antialias=True) / 255
    torch.testing.assert_close(cut[0], theirs, rtol=0, atol=1e-6)


def test_images_that_came_as_an_array_are_made_one_by_one_too() -> None:
    module = node({"use": "RandomResizedCrop", "size": [32, 32]})
    data = open_data(spec.Data(batch=8), CPU, 0)
    data.train.cut((module.cuts,), False)
    plain = open_data(spec.Data(batch=8), CPU, 0)
    with closing(data), closing(plain):
        batch, first = next(data.train.epoch(0)), next(plain.train.epoch(0))
    assert torch.equal(batch.index, first.index)
    assert torch.equal(batch.label, first.label)
    (views,) = batch.cuts[0]
    assert views.shape == (16, 3, 32, 32)


@pytest.mark.parametrize(
    ("transforms", "message"),
    [
        (["RandomRotaton"], "has no 'RandomRotaton'; did you mean 'RandomRotation'?"),
        ([{"use": "RandomRotation", "degree": 4}], "RandomRotation has no argument 'degree'; did you mean 'degrees'?"),
        ([{"use": "RandomRotation"}], "RandomRotation: "),
        ([{"use": "RandomApply", "p": 0.3, "transforms": ["Blurr"]}], "has no 'Blurr'"),
        ([{"degrees": 4}], "a transform is its name, or {use: name} with its arguments"),
        (["Transform"], "has no 'Transform'"),
        ([{"use": "Normalize", "mean": [0.5], "std": [0.5]}], "leave Normalize out"),
        ([{"use": "FiveCrop", "size": [8, 8]}], "FiveCrop makes no view of a picture here: it gives several pictures"),
        ([{"use": "Lambda", "lambd": "x"}], "a component of your own"),
        (["ToPILImage"], "leave it out"),
        ([{"use": "MixUp", "num_classes": 10}], "without its label"),
        ([{"use": "RandomApply", "transforms": [{"use": "CutMix", "num_classes": 10}]}], "without its label"),
        ([{"use": "ToDtype", "dtype": "float33"}], "no type of numbers called 'float33'"),
        ([{"use": "Resize", "size": [8, 8], "interpolation": "bilinar"}], "Resize: 'bilinar' is not a valid Interpol"),
    ],
)
def test_what_is_wrong_is_said(transforms: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Transforms.Config.model_validate({"transforms": transforms})


@pytest.mark.parametrize("transforms", [["RandomHorizontalFlip"], [{"use": "Resize", "size": 32}]])
def test_one_of_them_must_say_the_size(transforms: list[Any]) -> None:
    with pytest.raises(ValueError, match="views of different sizes"):
        node(*transforms)


SIZED = {"use": "RandomResizedCrop", "size": [16, 16]}
CROP = {"use": "RandomCrop", "size": [44, 44]}


@pytest.mark.parametrize(
    ("transforms", "message"),
    [
        ([SIZED, "Grayscale"], "the transforms give 1 channel, and the data have 3; num_output_channels"),
        (
            [SIZED, {"use": "ToDtype", "dtype": "float32"}],
            "float32 of values up to 188, where white is 1: {use: ToDtype, dtype: float32, scale: true}",
        ),
        ([SIZED, {"use": "ToDtype", "dtype": "int32"}], "the transforms give int32, and a view is of uint8"),
        ([SIZED, {"use": "ToDtype", "dtype": "int32", "scale": True}], "the transforms give int32"),
        ([SIZED, {"use": "ToDtype", "dtype": "float64", "scale": True}], "the transforms give float64"),
        ([SIZED, {"use": "ToDtype", "dtype": "uint16"}], "uint16 of values up to 188, where white is 65535"),
        (
            [SIZED, {"use": "RandomApply", "p": 0.01, "transforms": [{"use": "Resize", "size": [8, 8]}]}],
            "views of different sizes by chance, 16 x 16 and 8 x 8",
        ),
        (
            [SIZED, {"use": "RandomApply", "transforms": [{"use": "ToDtype", "dtype": "float32", "scale": True}]}],
            "views of different types by chance, float32 and uint8",
        ),
        ([CROP], "cannot take a picture of 40 x 90 pixels: "),
        ([{"use": "CenterCrop", "size": [48, 48]}, {"use": "RandomCrop", "size": [49, 49]}], "pad_if_needed: true"),
    ],
)
def test_what_no_view_can_be_is_refused_when_it_is_built(transforms: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        node(*transforms)


def test_a_crop_is_larger_than_the_datas_pictures() -> None:
    sizes = Sizes({"h": 32, "w": 32, "c": 3}, DataFacts(height=32, width=32))
    config = Transforms.Config.model_validate({"transforms": [{"use": "RandomCrop", "size": [36, 36]}]})
    with pytest.raises(ValueError, match="cannot take a picture of 32 x 32 pixels"):
        build(find("augment.torchvision"), config, sizes)


def test_what_is_made_right_is_taken() -> None:
    padded = {**CROP, "pad_if_needed": True}
    assert node(padded).cuts[0].size == (44, 44)
    assert node(SIZED, {"use": "Grayscale", "num_output_channels": 3}).cuts[0].size == (16, 16)
    assert node(SIZED, {"use": "ToDtype", "dtype": "uint16", "scale": True}).cuts[0].size == (16, 16)

"""Chains of operations against torchvision's functional transforms, image by image, with the numbers that were drawn."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_map
from torchvision.transforms import RandomErasing
from torchvision.transforms.v2 import functional as tv

from graphssl.component import DataFacts, Sizes, build, find
from graphssl.components.augment.chain import Chain
from graphssl.components.augment.view import render

MEAN, STD = (0.49, 0.48, 0.44, 0.3), (0.25, 0.24, 0.26, 0.2)
H, W, B = 40, 28, 24


def images(b: int = B, c: int = 3, seed: int = 0) -> Tensor:
    """Smooth enough for a histogram that is not flat."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((b, c, 7, 6), generator=generator)
    return (tv.resize(coarse, [H, W], antialias=True) * 230 + 20).to(torch.uint8)


def chain(*operations: Any, channels: int = 3, **values: Any) -> Any:
    facts = DataFacts(channels=channels, height=H, width=W, mean=MEAN[:channels], std=STD[:channels])
    if operations:
        values = {"operations": list(operations), "views": 1, **values}
    config = Chain.Config.model_validate(values)
    return build(find("augment.chain"), config, Sizes({"h": H, "w": W, "c": channels}, facts))


def drawn(module: Any, b: int = B, seed: int = 1) -> Any:
    return module.draw(b, torch.Generator().manual_seed(seed), torch.device("cpu"))


def plain(view: Tensor) -> Tensor:
    c = view.shape[1]
    return view * torch.tensor(STD[:c])[:, None, None] + torch.tensor(MEAN[:c])[:, None, None]


def one(expected: Callable[[Tensor, list[Any]], Tensor], options: Any, channels: int = 3, atol: float = 1e-5) -> None:
    """A single operation: what was drawn is given to torchvision; the others of the batch stay as they are."""
    module, image = chain(options, channels=channels), images(c=channels)
    draws = drawn(module)
    (view,) = module(image, draws=draws)
    (same,) = [render(image, draws[0], module.groups[0][0])]
    torch.testing.assert_close(view, same, rtol=0, atol=2e-5)
    chosen = draws[0].drawn[0][0]
    for i in range(B):
        own = [entry[i] for entry in draws[0].drawn[0][1:]]
        theirs = expected(image[i] / 255, own) if chosen[i] else image[i] / 255
        torch.testing.assert_close(plain(view)[i], theirs, rtol=0, atol=atol)
    assert options.get("p", 1) == 1 or 0 < chosen.sum() < B


def each(operation: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Channel by channel: torchvision knows one or three."""
    return torch.cat([operation(channel[None]) for channel in x])


@pytest.mark.parametrize("p", [1, 0.5])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_operations_of_any_channels(p: float, channels: int) -> None:
    one(lambda x, _: each(lambda y: tv.solarize(y, 0.3), x), {"use": "solarize", "threshold": 0.3, "p": p}, channels)
    one(lambda x, _: each(lambda y: tv.posterize(y, 3), x), {"use": "posterize", "bits": 3, "p": p}, channels)
    one(lambda x, _: each(tv.invert, x), {"use": "invert", "p": p}, channels)
    one(lambda x, _: each(tv.autocontrast, x), {"use": "autocontrast", "p": p}, channels)
    one(lambda x, _: each(tv.equalize, x), {"use": "equalize", "p": p}, channels)
    one(
        lambda x, _: each(lambda y: tv.adjust_sharpness(y, 2.5), x), {"use": "sharpen", "factor": 2.5, "p": p}, channels
    )
    one(lambda x, _: tv.vertical_flip(x), {"use": "flip", "axis": "vertical", "p": p}, channels)
    one(lambda x, own: tv.rotate(x, own[0].item(), tv.InterpolationMode.BILINEAR), {"use": "rotate", "p": p}, channels)
    one(lambda x, own: tv.gaussian_blur(x, [7, 7], [own[0].item()] * 2), {"use": "blur", "kernel": 7, "p": p}, channels)
    one(lambda x, own: (x + own[0] * own[1]).clamp(0, 1), {"use": "noise", "sigma": [0.05, 0.2], "p": p}, channels)


def test_a_rotation_to_the_nearest_pixel() -> None:
    options = {"use": "rotate", "degrees": [10, 80], "interpolation": "nearest"}
    module, image = chain(options), images()
    draws = drawn(module)
    made = plain(module(image, draws=draws)[0])
    for i in range(B):
        theirs = tv.rotate(image[i] / 255, draws[0].drawn[0][1][i].item())
        assert ((made[i] - theirs).abs() > 1e-4).float().mean() < 0.01, "but where two pixels are as near"


@pytest.mark.parametrize("padding", ["reflect", "edge", "black"])
def test_moves_are_crops_of_a_padded_image(padding: str) -> None:
    mode = {"reflect": "reflect", "edge": "edge", "black": "constant"}[padding]

    def expected(x: Tensor, own: list[Any]) -> Tensor:
        down, right = (int(v) for v in own[0])
        return tv.crop(tv.pad(x, [4] * 4, padding_mode=mode), 4 - down, 4 - right, H, W)

    one(expected, {"use": "translate", "padding": padding, "p": 0.7})
    move = drawn(chain({"use": "translate", "padding": padding}), 5000)[0].drawn[0][1]
    assert (move.amin(), move.amax()) == (-4, 4)
    assert (torch.bincount((move[:, 0] + 4).long()) / 5000 - 1 / 9).abs().max() < 0.02


@pytest.mark.parametrize("value", ["mean", 0.25, "noise"])
def test_rectangles_are_erased(value: Any) -> None:
    def expected(x: Tensor, own: list[Any]) -> Tensor:
        (top, left, height, width), noise = (int(v) for v in own[0]), own[1]
        mean, std = torch.tensor(MEAN[:3])[:, None, None], torch.tensor(STD[:3])[:, None, None]
        fill = {"mean": mean, "noise": noise * std + mean}.get(value, torch.tensor(value) if value == 0.25 else None)
        fill = fill[:, top : top + height, left : left + width] if value == "noise" else fill
        return tv.erase(x, top, left, height, width, fill)

    one(expected, {"use": "erase", "value": value, "p": 0.6})


def test_rectangles_are_drawn_as_torchvision_draws_them() -> None:
    from scipy import stats

    box = drawn(chain("erase"), 3000)[0].drawn[0][1]
    torch.manual_seed(0)
    theirs = [RandomErasing.get_params(torch.empty(3, H, W), (0.02, 0.33), (0.3, 3.3), [0.0])[:4] for _ in range(3000)]
    for column in range(4):
        assert stats.ks_2samp(box[:, column], torch.tensor(theirs)[:, column]).pvalue > 1e-3


def test_operations_come_in_the_order_of_the_list() -> None:
    steps: list[Any] = ["invert", {"use": "solarize", "threshold": 0.3}, {"use": "posterize", "bits": 2}, "equalize"]
    image = images()
    for order in (steps, steps[::-1]):
        module = chain(*order)
        x = image / 255
        for step in order:
            name = step if isinstance(step, str) else step["use"]
            x = {
                "invert": tv.invert,
                "solarize": lambda x: tv.solarize(x, 0.3),
                "posterize": lambda x: tv.posterize(x, 2),
                "equalize": tv.equalize,
            }[name](x)
        made = plain(module(image, draws=drawn(module))[0])
        assert ((made - x).abs() > 1e-4).float().mean() < 1e-3, "but where rounding passes a threshold"


def test_a_flip_after_a_rotation_is_not_moved_before_it() -> None:
    module, image = chain({"use": "rotate", "degrees": [20, 20]}, {"use": "flip", "p": 1}), images()
    made = plain(module(image, draws=drawn(module))[0])
    theirs = tv.horizontal_flip(tv.rotate(image / 255, 20.0, tv.InterpolationMode.BILINEAR))
    torch.testing.assert_close(made, theirs, rtol=0, atol=1e-5)


def test_without_a_crop_the_whole_picture_is_taken() -> None:
    module, image = chain({"use": "invert"}, size=16), images()
    assert module.cuts == ()
    made = plain(module(image, draws=drawn(module))[0])
    torch.testing.assert_close(made, 1 - tv.resize(image / 255, [16, 16], antialias=True), rtol=0, atol=1e-5)


def test_each_view_has_its_own_list() -> None:
    module, image = chain(views=[["crop", "flip"], ["invert"], ["crop", {"use": "grey"}]]), images()
    assert find("augment.chain").views(Chain.Config(views=(("crop",), ("crop",)))) == {"": 2}
    first, second, third = module(image, draws=drawn(module))
    torch.testing.assert_close(plain(second), 1 - image / 255, rtol=0, atol=1e-5)
    assert (plain(third)[:, 0] - plain(third)[:, 1]).abs().max() < 1e-5
    assert not torch.equal(first, third)


@pytest.mark.parametrize("recipe", ["simclr", "byol"])
def test_a_recipe_is_a_chain(recipe: str) -> None:
    """Written out, it draws the same numbers and makes the same views."""
    jitter = {"simclr": (0.8, 0.8, 0.8, 0.2), "byol": (0.4, 0.4, 0.2, 0.1)}[recipe]
    amounts = dict(zip(("brightness", "contrast", "saturation", "hue"), jitter, strict=True))
    views = [
        ["crop", "flip", {"use": "jitter", "p": 0.8, **amounts}, {"use": "grey", "p": 0.2}, {"use": "blur", "p": blur}, {"use": "solarize", "p": sun}]
        for blur, sun in {"simclr": [(0.5, 0), (0.5, 0)], "byol": [(1, 0), (0.1, 0.2)]}[recipe]
    ]  # fmt: skip
    facts = DataFacts(height=H, width=W, mean=MEAN[:3], std=STD[:3])
    theirs: Any = build(find(f"augment.{recipe}"), None, Sizes({"h": H, "w": W}, facts))
    ours = chain(views=views)
    assert ours.groups == theirs.groups
    for a, b in zip(ours(images(), draws=drawn(ours)), theirs(images(), draws=drawn(theirs)), strict=True):
        assert torch.equal(a, b)


def test_cut_pictures_take_the_same_operations() -> None:
    """Where crops come from whole pictures they are as they were drawn there, and what follows is the same."""
    module = chain(
        "crop", {"use": "rotate", "p": 0.5}, {"use": "noise", "p": 0.5}, {"use": "jitter", "brightness": 0.4}
    )
    crops, draws = images(), drawn(module)
    (made,) = module((crops,), draws=draws)
    view = module.groups[0][0]
    torch.testing.assert_close(made, render(crops, draws[0], view, cut=True), rtol=0, atol=2e-5)
    whole = draws[0]._replace(
        box=type(draws[0].box)(*(torch.full((B,), v) for v in (0.0, 0.0, float(H), float(W)))),
        flip=draws[0].flip & False,
    )
    torch.testing.assert_close(made, render(crops, whole, view), rtol=0, atol=2e-5)


@pytest.mark.parametrize("dtype", [torch.uint16, torch.float32])
def test_other_depths(dtype: torch.dtype) -> None:
    """White is 65,535, or 1."""
    module, image = chain("crop", "flip", "blur"), images()
    draws = drawn(module)
    expected = module(image, draws=draws)[0]
    deep = (image.int() * 257).to(dtype) if dtype == torch.uint16 else image / 255
    with pytest.raises(ValueError, match="uint8"):
        module(deep, draws=draws)
    module.dtype = dtype
    torch.testing.assert_close(module(deep, draws=draws)[0], expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(render(deep, draws[0], module.groups[0][0]), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("operation", ["grey", {"use": "jitter", "hue": 0.1}, {"use": "jitter", "saturation": 0.1}])
@pytest.mark.parametrize("channels", [1, 4])
def test_operations_on_colours_are_refused_where_there_are_none(operation: Any, channels: int) -> None:
    with pytest.raises(
        ValueError, match=rf"for red, green and blue, and these images have {channels} channels?: .*augment\.chain"
    ):
        chain("crop", operation, channels=channels)
    chain("crop", {"use": "jitter", "brightness": 0.4, "contrast": 0.4}, channels=channels)


@pytest.mark.parametrize("channels", [1, 4])
def test_brightness_and_contrast_of_any_channels(channels: int) -> None:
    module, image = chain({"use": "jitter", "contrast": 0.4}, channels=channels), images(c=channels)
    draws = drawn(module)
    made = plain(module(image, draws=draws)[0])
    factor = 1 + draws[0].drawn[0][0].sum(1)[:, 1]
    for i in range(B):
        x = (image[i] / 255).double()
        theirs = (factor[i] * x + (1 - factor[i]) * x.mean()).clamp(0, 1)
        torch.testing.assert_close(made[i].double(), theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("compiled", [False, True])
def test_gradients_and_generators_are_left_alone(compiled: bool) -> None:
    module, image = chain("crop", "flip", "rotate", "erase", "noise", "equalize"), images()
    draws = drawn(module)
    forward = torch.compile(module, fullgraph=True, dynamic=False, backend="aot_eager") if compiled else module
    before = torch.get_rng_state()
    (view,) = forward(image, draws=draws)
    assert torch.equal(before, torch.get_rng_state())
    assert not view.requires_grad
    torch.testing.assert_close(view, module(image, draws=draws)[0], rtol=0, atol=2e-5)


def test_a_view_does_not_depend_on_the_batch() -> None:
    module, image = chain("crop", "rotate", "erase", "noise", "equalize", {"use": "translate", "p": 0.5}), images()
    draws = drawn(module)
    together = module(image, draws=draws)[0]
    for i in range(4):
        own = tree_map(lambda t, i=i: t[i : i + 1], draws)
        torch.testing.assert_close(module(image[i : i + 1], draws=own)[0][0], together[i], rtol=0, atol=1e-5)


@pytest.mark.parametrize("style", ["simclr", "byol"])
def test_jitter_of_the_authors_code(style: str) -> None:
    """In float64, by colorsys: each image's operations one after the other, each cut to 0 to 1."""
    amounts = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
    module, image = chain({"use": "jitter", "style": style, "p": 0.8, **amounts}), images(12)[:, :, :9, :7]
    module.image = (9, 7)
    view = module.groups[0][0].model_copy(update={"size": (9, 7)})
    module.groups, module.settings = [(view, 1)], [view.model_dump_json()]
    draws = drawn(module, 12)
    made = plain(module(image, draws=draws)[0])
    torch.testing.assert_close(made, plain(render(image, draws[0], view)), rtol=0, atol=2e-5)
    slots, turns = draws[0].drawn[0]
    for i, turn in enumerate(turns.tolist()):
        x = (image[i].double() / 255).flatten(1)
        for place, changes in enumerate(slots[i].tolist()):
            if place == 3:
                x = in_hsv(x, lambda h, s, v, turn=turn: ((h + turn) % 1, s, v))
            for name, change in zip(("brightness", "contrast", "saturation"), changes, strict=True):
                x = adjusted(x, name, change, style) if change else x
        torch.testing.assert_close(made[i].double().flatten(1), x, rtol=0, atol=1e-5)


def adjusted(x: Tensor, name: str, change: float, style: str) -> Tensor:
    if name == "brightness":
        x = x + change if style == "byol" else x * (1 + change)
    elif name == "contrast":
        mean = x.mean(1, keepdim=True)
        x = (x - mean) * (1 + change) + mean
    else:
        return in_hsv(x, lambda h, s, v: (h, min(max(s * (1 + change), 0), 1), v))
    return x.clamp(0, 1)


def in_hsv(x: Tensor, change: Callable[[float, float, float], tuple[float, float, float]]) -> Tensor:
    pixels = [colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*pixel))) for pixel in x.T.tolist()]
    return torch.tensor(pixels, dtype=torch.float64).T


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ({"use": "blur", "kernel": 4}, "its width is odd: 3 or 5, not 4"),
        ({"use": "blur", "kernel": 57}, "a kernel of 57 pixels is too wide for a view of 40 x 28: at most 55"),
        ({"use": "blur", "sigma": [2.0, 0.1]}, "2 is above 0.1"),
        ({"use": "rotate", "degrees": [10, -10]}, "10 is above -10"),
        ({"use": "rotate", "degrees": [10, 20, 30]}, "and not 3"),
        ({"use": "translate", "pixels": 28}, "a move by 28 pixels leaves nothing of a view of 40 x 28: at most 27"),
        ({"use": "noise", "sigma": [0.2, 0.1]}, "0.2 is above 0.1"),
        ({"use": "erase", "area": [0.3, 0.1]}, "0.3 is above 0.1"),
        ({"use": "erase", "ratio": [3, 0.1]}, "3 is above 0.1"),
        ({"use": "crop", "area": [1.0, 0.1]}, "1 is above 0.1"),
    ],
)
def test_ranges_turned_round_and_what_is_larger_than_the_view(operation: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        chain(operation)


def test_the_largest_that_a_view_can_take() -> None:
    module = chain({"use": "blur", "kernel": 55}, {"use": "translate", "pixels": 27})
    (view,) = module(images(), draws=drawn(module))
    assert view.isfinite().all()

"""The recipes: whole views against torchvision's functional transforms, what is drawn, and how they run."""

from __future__ import annotations

import itertools
import math
import re
from ast import literal_eval
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from augment_parts import Said, told
from helpers import CPU, images
from scipy import stats
from torch import Tensor, nn
from torch._inductor.utils import run_and_get_code
from torch.utils._pytree import tree_leaves, tree_map
from torchvision.transforms.v2 import functional as tv

from graphssl.component import DataFacts, Sizes, Unbound, build, find
from graphssl.components.augment import blocks
from graphssl.components.augment.colour import BLENDS
from graphssl.components.augment.operations import Blur
from graphssl.components.augment.view import Parameters, View

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
RECIPES = ("augment.simclr", "augment.byol", "augment.moco_v1", "augment.moco_v2", "augment.multicrop")
# The same code with other defaults, of one view, two and ten.
OTHERS = ("augment.npid", "augment.cmc", "augment.cpc", "augment.amdim", "augment.dino")


def facts(h: int, w: int) -> DataFacts:
    return DataFacts(height=h, width=w, mean=MEAN, std=STD)


def node(name: str, h: int = 32, w: int = 32, **values: Any) -> Any:
    return build(find(name), None, Sizes({"h": h, "w": w}, facts(h, w)), **values)


def drawn(module: Any, b: int, seed: int = 0) -> tuple[Parameters, ...]:
    draws: tuple[Parameters, ...] = module.draw(b, torch.Generator().manual_seed(seed), CPU)
    return draws


def heard(module: Any, b: int) -> list[Said]:
    return told(module, drawn(module, b))


def flat(views: Any) -> list[Tensor]:
    """The views of all families."""
    return [v for family in views for v in family] if hasattr(views, "_fields") else list(views)


def leaves(draws: Sequence[Parameters]) -> list[Tensor]:
    return tree_leaves(list(draws))


def denormalised(view: Tensor) -> Tensor:
    return view * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]


def reference(image: Tensor, own: Said, i: int, view: View) -> Tensor:
    """The view of one image by torchvision, with the parameters of row i, before the normalisation."""
    rectangle = [int(entry[i]) for entry in own.box]
    x = tv.resized_crop(image / 255, *rectangle, list(view.size), antialias=True)
    x = tv.horizontal_flip(x) if own.flip[i] else x
    if own.grey_first and own.grey[i]:
        x = tv.rgb_to_grayscale(x, 3)
    for place, change in enumerate(own.slots[i].tolist()):
        if place == BLENDS:
            x = tv.adjust_hue(x, own.turns[i].item())
        for operation, amount in zip(
            (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation), change, strict=True
        ):
            x = operation(x, 1 + amount) if amount else x
    if not own.grey_first and own.grey[i]:
        x = tv.rgb_to_grayscale(x, 3)
    if own.blur[i]:
        (radius,) = (step.radius(view.size[0]) for step in view.operations if isinstance(step, Blur))
        x = tv.gaussian_blur(x, [2 * radius + 1] * 2, [own.sigma[i].item()] * 2)
    return tv.solarize(x, 0.5) if own.solarize[i] else x


def check_against_torchvision(module: Any, image: Tensor, seed: int = 0) -> None:
    b, draws = len(image), drawn(module, len(image), seed)
    made = iter(flat(module(image, draws=draws)))
    for (view, count), own in zip(module.groups, told(module, draws), strict=True):
        for number in range(count):
            ours = denormalised(next(made))
            for i in range(b):
                theirs = reference(image[i], own, number * b + i, view)
                torch.testing.assert_close(ours[i], theirs, rtol=0, atol=1e-5)


# -- whole views ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*RECIPES, *OTHERS])
@pytest.mark.parametrize(("h", "w"), [(32, 32), (40, 28)])
def test_views_equal_torchvision(name: str, h: int, w: int) -> None:
    check_against_torchvision(node(name, h, w), images(24, h, w))


@pytest.mark.parametrize("name", ["augment.simclr", "augment.byol", "augment.moco_v1"])
def test_views_equal_torchvision_at_224_pixels(name: str) -> None:
    check_against_torchvision(node(name, 256, 300, size=224), images(3, 256, 300))


def test_cifar_setting_of_simclr() -> None:
    check_against_torchvision(node("augment.simclr", size=32, strength=0.5, blur=0), images(32))


def test_everything_at_once() -> None:
    values = {"flip": 1, "jitter": 1, "grey": 0.5, "blur": 1, "solarize": 1, "strength": 1.2}
    check_against_torchvision(node("augment.simclr", **values), images(16))


def test_nothing_but_the_crop() -> None:
    module = node("augment.simclr", flip=0, jitter=0, grey=0, blur=0)
    image = images(8)
    (own,) = drawn(module, 8)
    first, second = module(image, draws=(own,))
    for i in range(8):
        for number, view in ((0, first), (1, second)):
            rectangle = [int(entry[8 * number + i]) for entry in own.box]
            expected = tv.resized_crop(image[i] / 255, *rectangle, [32, 32], antialias=True)
            torch.testing.assert_close(denormalised(view[i]), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("augment.byol", {"flip": 0, "blur": 0, "solarize": 0}),
        ("augment.simclr", {"strength": 0.5, "flip": 0, "blur": 0}),
        ("augment.moco_v2", {"flip": 0, "blur": 0}),
        ("augment.simclr", {"hue": 0}),
        ("augment.simclr", {"brightness": 0, "contrast": 0, "saturation": 0}),
        ("augment.simclr", {"strength": 0}),
        ("augment.moco_v1", {"views": 3}),
        ("augment.byol", {"views": 3, "blur": [1, 0.5, 0], "solarize": 0.1}),
        ("augment.multicrop", {"wide": 1, "small": 2, "size": 24, "small_size": 12}),
    ],
)
def test_settings(name: str, values: dict[str, Any]) -> None:
    check_against_torchvision(node(name, **values), images(12))


def test_normalised_with_the_statistics_of_the_data() -> None:
    white = torch.full((2, 3, 32, 32), 255, dtype=torch.uint8)
    module = node("augment.simclr", jitter=0, grey=0, blur=0)
    expected = ((1 - torch.tensor(MEAN)) / torch.tensor(STD))[None, :, None, None].expand(2, 3, 32, 32)
    for view in module(white, draws=drawn(module, 2)):
        torch.testing.assert_close(view, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [*RECIPES, *OTHERS])
def test_form_of_the_output(name: str) -> None:
    module = node(name, 40, 28, size=20)
    views = flat(module(images(5, 40, 28), draws=drawn(module, 5)))
    lengths = find(name).views(config_of(name, size=20))
    assert len(views) == sum(lengths.values())
    for view in views:
        assert view.dtype == torch.float32
        assert view.shape[:2] == (5, 3)
        assert view.is_contiguous(memory_format=torch.channels_last)
    assert all(v.shape[2:] == (20, 20) for v in views[:2])


def config_of(name: str, **values: Any) -> Any:
    return find(name).config(**values)


def test_size_is_that_of_the_data_unless_said() -> None:
    assert [v.shape[2:] for v in flat(views_of("augment.simclr", 40, 28))] == [(40, 28)] * 2
    assert [v.shape[2:] for v in flat(views_of("augment.simclr", 40, 28, size=9))] == [(9, 9)] * 2
    assert [v.shape[2:] for v in flat(views_of("augment.byol", 40, 28, size=(9, 30)))] == [(9, 30)] * 2


def test_multicrop_gives_two_families() -> None:
    made = views_of("augment.multicrop", 224, 224, b=1)
    assert [v.shape[2:] for v in made.wide] == [(224, 224)] * 2
    assert [v.shape[2:] for v in made.small] == [(96, 96)] * 6
    assert find("augment.multicrop").views(config_of("augment.multicrop")) == {"wide": 2, "small": 6}
    own = config_of("augment.multicrop", wide=3, small=1)
    assert find("augment.multicrop").views(own) == {"wide": 3, "small": 1}


def views_of(name: str, h: int, w: int, b: int = 2, **values: Any) -> Any:
    module = node(name, h, w, **values)
    return module(images(b, h, w), draws=drawn(module, b))


def test_small_views_show_less() -> None:
    wide, small = drawn(node("augment.multicrop", 224, 224), 500)
    share = [own.box.height * own.box.width / 224**2 for own in (wide, small)]
    assert 0.13 < share[0].min() < 0.16
    assert share[0].max() > 0.95
    assert 0.045 < share[1].min() < 0.055
    assert 0.13 < share[1].max() < 0.15


def test_cpc_cuts_256_of_300_pixels_and_shows_grey() -> None:
    """So at the paper's sizes nothing is resized: a view is its box, without its colours."""
    module, image = node("augment.cpc", 300, 300, size=256, flip=0), images(2, 300, 300)
    (own,) = drawn(module, 2)
    (view,) = module(image, draws=(own,))
    for i in range(2):
        top, left, height, width = (int(entry[i]) for entry in own.box)
        assert (height, width) == (256, 256)
        expected = tv.rgb_to_grayscale(image[i, :, top : top + 256, left : left + 256] / 255, 3)
        torch.testing.assert_close(denormalised(view[i]), expected, rtol=0, atol=1e-5)
    assert own.box.top.max() <= 44


def test_dino_gives_two_families() -> None:
    made = views_of("augment.dino", 224, 224, b=1)
    assert [v.shape[2:] for v in made.wide] == [(224, 224)] * 2
    assert [v.shape[2:] for v in made.small] == [(96, 96)] * 8


# -- what is drawn -------------------------------------------------------------------------------------------

MANY = 20_000


def share_is(chosen: Tensor, probability: float) -> None:
    """Within five standard deviations."""
    deviation = math.sqrt(probability * (1 - probability) / len(chosen))
    assert abs(chosen.double().mean().item() - probability) <= 5 * deviation


def test_simclr_probabilities() -> None:
    (own,) = heard(node("augment.simclr"), MANY // 2)
    share_is(own.flip, 0.5)
    share_is(own.slots.flatten(1).any(1), 0.8)
    share_is(own.turns != 0, 0.8)
    share_is(own.grey, 0.2)
    share_is(own.blur, 0.5)
    share_is(own.solarize, 0.0)


def test_byol_has_probabilities_for_each_view() -> None:
    first, second = heard(node("augment.byol"), MANY)
    share_is(first.blur, 1.0)
    share_is(second.blur, 0.1)
    share_is(first.solarize, 0.0)
    share_is(second.solarize, 0.2)
    for own in (first, second):
        share_is(own.flip, 0.5)
        share_is(own.grey, 0.2)


def test_moco_v1_jitters_every_image() -> None:
    (own,) = heard(node("augment.moco_v1"), 1000)
    share_is(own.slots.flatten(1).any(1), 1.0)
    share_is(own.blur, 0.0)
    assert own.turns.abs().max() <= 0.4


def uniform_over(values: Tensor, low: float, high: float) -> None:
    assert stats.kstest(values.double().numpy(), stats.uniform(low, high - low).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    ("name", "values", "amounts"),
    [
        ("augment.simclr", {}, (0.8, 0.8, 0.8, 0.2)),
        ("augment.simclr", {"strength": 0.5}, (0.4, 0.4, 0.4, 0.1)),
        ("augment.byol", {"blur": 0, "solarize": 0}, (0.4, 0.4, 0.2, 0.1)),
        ("augment.moco_v2", {}, (0.4, 0.4, 0.4, 0.1)),
    ],
)
def test_factors_are_uniform(name: str, values: dict[str, Any], amounts: tuple[float, ...]) -> None:
    (own,) = heard(node(name, jitter=1, **values), MANY // 2)
    changes = own.slots.sum(1)
    for k in range(3):
        uniform_over(changes[:, k], -amounts[k], amounts[k])
    uniform_over(own.turns, -amounts[3], amounts[3])


def test_an_amount_above_one_is_cut_at_zero() -> None:
    """As in ColorJitter: factors from 0, not below."""
    (own,) = heard(node("augment.simclr", jitter=1, strength=2), MANY // 2)
    uniform_over(own.slots.sum(1)[:, 0], -1.0, 1.6)


def test_sigma_is_uniform() -> None:
    (own,) = heard(node("augment.simclr", sigma=[0.5, 1.5]), MANY // 2)
    uniform_over(own.sigma, 0.5, 1.5)


def test_all_orders_are_equally_likely() -> None:
    """The slot of a blend tells its place among the blends and its side of the hue: 24 orders."""
    (own,) = heard(node("augment.simclr", jitter=1), MANY // 2)
    place = own.slots.abs().argmax(1)
    codes, counts = torch.unique(place @ torch.tensor([36, 6, 1]), return_counts=True)
    assert len(codes) == 24
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3


def test_parameters_do_not_depend_on_each_other() -> None:
    (own,) = heard(node("augment.simclr", jitter=1), MANY // 2)
    change = own.slots.sum(1)
    columns = [own.box.top, own.box.height, own.flip, *change.unbind(1), own.turns, own.grey, own.blur, own.sigma]
    correlation = torch.corrcoef(torch.stack([c.double() for c in columns]))
    assert (correlation - torch.eye(len(columns)) * correlation.diagonal()).abs()[2:, 2:].max() < 0.05


@pytest.mark.parametrize("name", RECIPES)
def test_draws_depend_on_the_generator_alone(name: str) -> None:
    module = node(name)
    first, second, other = (leaves(drawn(module, 16, seed)) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    torch.manual_seed(0)
    assert all(torch.equal(a, b) for a, b in zip(first, leaves(drawn(module, 16, 3)), strict=True))


def test_a_setting_does_not_change_what_else_is_drawn() -> None:
    """BYOL's views are drawn apart or together, by their settings: the crops are the same."""
    apart, together = heard(node("augment.byol"), 10), heard(node("augment.byol", blur=0, solarize=0), 10)
    assert (len(apart), len(together)) == (2, 1)
    assert torch.equal(torch.cat([own.box.left for own in apart]), together[0].box.left)
    assert torch.equal(torch.cat([own.turns for own in apart]), together[0].turns)


@pytest.mark.parametrize("name", RECIPES)
def test_views_of_one_image_differ(name: str) -> None:
    image = images(1).expand(6, -1, -1, -1)
    module = node(name, size=32)
    views = flat(module(image, draws=drawn(module, 6)))
    for one, two in itertools.combinations(views, 2):
        assert one.shape != two.shape or (one != two).flatten(1).any(1).all()
    for view in views:
        assert all(not torch.equal(a, b) for a, b in itertools.combinations(view, 2))


# -- how they run --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_the_same_draws_give_the_same_views(name: str) -> None:
    module, image = node(name), images(6)
    draws = drawn(module, 6)
    before, state = image.clone(), torch.get_rng_state()
    first, second = flat(module(image, draws=draws)), flat(module(image, draws=draws))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(image, before)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", RECIPES)
def test_compiled_views_are_the_eager_ones(name: str) -> None:
    module, image = node(name), images(4)
    draws = drawn(module, 4)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager", dynamic=False)
    for ours, eager in zip(flat(compiled(image, draws=draws)), flat(module(image, draws=draws)), strict=True):
        torch.testing.assert_close(ours, eager, rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["augment.byol", "augment.moco_v1", "augment.multicrop"])
def test_generated_code_gives_the_eager_views(name: str) -> None:
    module, image = node(name, 40, 28), images(4, 40, 28)
    compiled = torch.compile(module, fullgraph=True, dynamic=False)
    for seed in range(3):
        draws = drawn(module, 4, seed)
        made = flat(compiled(image, draws=draws))
        for ours, eager in zip(made, flat(module(image, draws=draws)), strict=True):
            torch.testing.assert_close(ours, eager, rtol=0, atol=1e-5)
            assert ours.is_contiguous(memory_format=torch.channels_last)
        for one, two in itertools.combinations(made, 2):
            assert one.shape != two.shape or (one != two).flatten(1).any(1).all()


@pytest.mark.slow
def test_generated_code_stores_no_colours_but_the_views() -> None:
    """Crops need five pieces of memory, the largest of the views' size; the jitter is made image by image."""
    module, image = node("augment.simclr", blur=0), images(4)
    _, (code,) = run_and_get_code(torch.compile(module, fullgraph=True, dynamic=False), image, draws=drawn(module, 4))
    shapes = [literal_eval(shape) for shape in re.findall(r"empty_strided_cpu\((\([^)]*\))", code)]
    assert sum(math.prod(shape) >= 8 * 32 * 32 for shape in shapes) <= 5


@pytest.mark.parametrize("name", RECIPES)
def test_shapes_on_the_meta_device(name: str) -> None:
    with torch.device("meta"):
        module = node(name, 40, 28)
    real = node(name, 40, 28)
    image = torch.empty(3, 3, 40, 28, dtype=torch.uint8, device="meta")
    made = flat(module(image, draws=module.draw(3, None, torch.device("meta"))))
    expected = flat(real(images(3, 40, 28), draws=drawn(real, 3)))
    assert all(m.is_meta for m in made)
    assert [(m.shape, m.dtype, m.stride()) for m in made] == [(e.shape, e.dtype, e.stride()) for e in expected]


@pytest.mark.parametrize("name", RECIPES)
def test_autocast_changes_nothing(name: str) -> None:
    module, image = node(name), images(6)
    draws = drawn(module, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halves = flat(module(image, draws=draws))
    for half, full in zip(halves, flat(module(image, draws=draws)), strict=True):
        assert half.dtype == torch.float32
        assert torch.equal(half, full)


def test_compiled_under_autocast() -> None:
    module, image = node("augment.simclr"), images(4)
    draws = drawn(module, 4)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager", dynamic=False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = compiled(image, draws=draws)
    for ours, eager in zip(made, module(image, draws=draws), strict=True):
        torch.testing.assert_close(ours, eager, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("value", [0, 100, 255])
def test_flat_images_stay_finite(name: str, value: int) -> None:
    module = node(name)
    image = torch.full((32, 3, 32, 32), value, dtype=torch.uint8)
    assert all(view.isfinite().all() for view in flat(module(image, draws=drawn(module, 32))))


@pytest.mark.parametrize("name", RECIPES)
def test_a_batch_of_one(name: str) -> None:
    check_against_torchvision(node(name), images(1))


@pytest.mark.parametrize("pixels", [1, 3 * 32 * 32, 10**9])
def test_chunks_do_not_change_the_views(monkeypatch: pytest.MonkeyPatch, pixels: int) -> None:
    """On a CPU a few images are rendered at a time: one, three (which leaves a rest), all."""
    module, image = node("augment.byol"), images(7)
    draws = drawn(module, 7)
    expected = module(image, draws=draws)
    monkeypatch.setattr(blocks, "PIXELS", pixels)
    for ours, whole in zip(module(image, draws=draws), expected, strict=True):
        torch.testing.assert_close(ours, whole, rtol=0, atol=1e-6)
        assert ours.is_contiguous(memory_format=torch.channels_last)


def test_images_of_another_size_are_refused() -> None:
    module = node("augment.simclr")
    with pytest.raises(ValueError, match="the images are 40 x 28, and were to be 32 x 32 pixels"):
        module(images(2, 40, 28), draws=drawn(module, 2))


def test_the_size_of_the_images_must_be_known() -> None:
    with pytest.raises(Unbound, match="h"):
        build(find("augment.simclr"), None, Sizes({}, facts(32, 32)))


def test_nodes_hold_no_state() -> None:
    for name in (*RECIPES, "augment.plain"):
        module: nn.Module = node(name)
        assert not list(module.parameters())
        assert not list(module.buffers())


@pytest.mark.parametrize("name", [*RECIPES, *OTHERS])
def test_declared_as_makers_of_views(name: str) -> None:
    entry = find(name)
    assert entry.traits == {"view"}
    assert entry.forward.draws
    assert all(port.family for port in entry.forward.outputs)


# -- plain ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("values", "size"), [({}, 32), ({"size": 20}, 20), ({"size": 64}, 64)])
def test_plain_resizes_and_normalises(values: dict[str, int], size: int) -> None:
    image = images(3)
    view = node("augment.plain", **values)(image)
    assert view.is_contiguous(memory_format=torch.channels_last)
    expected = tv.resize(image / 255, [size, size], antialias=True)
    torch.testing.assert_close(denormalised(view), expected, rtol=0, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", RECIPES)
def test_on_a_gpu_without_synchronisation(name: str) -> None:
    module, image = node(name), images(8)
    draws = drawn(module, 8)
    there = tree_map(torch.Tensor.cuda, draws)
    on_device, generator = image.cuda(), torch.Generator("cuda").manual_seed(0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        module.draw(8, generator, torch.device("cuda"))
        made = flat(module(on_device, draws=there))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for ours, expected in zip(made, flat(module(image, draws=draws)), strict=True):
        torch.testing.assert_close(ours.cpu(), expected, rtol=0, atol=1e-4)

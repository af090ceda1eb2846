"""Views on a CPU, block by block: their parts against torchvision and in float64, the whole against `view.render`."""

from __future__ import annotations

import itertools
from operator import itemgetter
from typing import Any

import pytest
import torch
from helpers import images
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map
from torchvision.transforms.v2 import functional as tv

from graphssl.component import DataFacts, Sizes, build, find
from graphssl.components.augment import blocks, pixels
from graphssl.components.augment.blur import blur_taps
from graphssl.components.augment.colour import PLACES, arrange, jitter, jitter_sorted, places
from graphssl.components.augment.crop import Box, crop_taps, cut
from graphssl.components.augment.taps import Taps, along_both
from graphssl.components.augment.view import Parameters, render

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
ORDERS = torch.tensor(list(itertools.permutations(range(4))))
RECIPES = ("augment.simclr", "augment.byol", "augment.moco_v1", "augment.cpc", "augment.cmc", "augment.dino")


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def node(name: str, h: int = 32, w: int = 32, **values: Any) -> Any:
    facts = DataFacts(height=h, width=w, mean=MEAN, std=STD)
    return build(find(name), None, Sizes({"h": h, "w": w}, facts), **values)


def drawn(module: Any, b: int, seed: int = 0) -> tuple[Parameters, ...]:
    draws: tuple[Parameters, ...] = module.draw(b, torch.Generator().manual_seed(seed), torch.device("cpu"))
    return draws


def flat(views: Any) -> list[Tensor]:
    return [v for family in views for v in family] if hasattr(views, "_fields") else list(views)


def whole(module: Any, image: Tensor, draws: tuple[Parameters, ...]) -> list[Tensor]:
    """The views as a GPU makes them."""
    made: list[Tensor] = []
    for (view, count), own in zip(module.groups, draws, strict=True):
        made.extend(render(image.repeat(count, 1, 1, 1), own, view).chunk(count))
    return made


def close(ours: Tensor, theirs: Tensor, atol: float = 1e-5) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)


# -- sums of pixels ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("b", [1, 3])
def test_sums_along_both_axes_equal_matrix_products(b: int) -> None:
    h, w, o, p, k = 7, 5, 6, 4, 3
    generator = torch.Generator().manual_seed(0)
    image, matrices, taps = rand(3, b, h, w), [], []
    for inside, out in ((h, o), (w, p)):
        pixel = torch.randint(0, inside, (b, out, k), generator=generator)  # some twice: their weights add up
        weight = torch.rand((b, out, k), generator=generator)
        matrices.append(torch.zeros(b, out, inside).double().scatter_add_(2, pixel, weight.double()))
        taps.append(Taps(pixel.int(), weight))
    expected = torch.einsum("boh,cbhw,bpw->cbpo", matrices[0], image.double(), matrices[1])
    close(along_both(image, *taps).double(), expected, 1e-6)


def cropped(image: Tensor, box: Box, flip: Tensor, size: int) -> Tensor:
    return along_both(image.transpose(0, 1).float().contiguous(), *crop_taps(box, flip, (size, size))).permute(
        1, 0, 3, 2
    )


BOXES = {
    "larger": ((40, 28), 32, [(3, 2, 20, 24), (0, 0, 40, 28), (20, 27, 20, 1)]),
    "smaller": ((64, 96), 14, [(0, 0, 64, 96), (63, 95, 1, 1), (5, 7, 40, 80)]),
    "as it is": ((32, 32), 32, [(0, 0, 32, 32)]),
    "hardly smaller": ((33, 47), 32, [(0, 0, 33, 33), (0, 14, 33, 33), (1, 3, 31, 37)]),
    "tiny": ((9, 5), 4, [(0, 0, 9, 5), (8, 4, 1, 1), (2, 0, 3, 5)]),
    "large": ((427, 640), 224, [(0, 0, 427, 640), (13, 101, 400, 533)]),
}


@pytest.mark.parametrize("name", BOXES)
def test_crops_equal_torchvision(name: str) -> None:
    (h, w), size, rectangles = BOXES[name]
    image, n = images(len(rectangles), h, w), len(rectangles)
    box, flip = Box(*torch.tensor(rectangles).float().unbind(1)), torch.arange(n) % 2 == 1
    ours = cropped(image, box, flip, size)
    for i, rectangle in enumerate(rectangles):
        theirs = tv.resized_crop(image[i] / 255, *rectangle, [size, size], antialias=True)
        close(ours[i], tv.horizontal_flip(theirs) if flip[i] else theirs)


@pytest.mark.parametrize("name", BOXES)
def test_the_box_alone_gives_the_same_crop(name: str) -> None:
    (h, w), size, rectangles = BOXES[name]
    box, image = Box(*torch.tensor(rectangles).float().unbind(1)), images(1, h, w)
    rows, columns = crop_taps(box, torch.zeros(len(rectangles), dtype=torch.bool), (size, size))
    for i, (top, left, height, width) in enumerate(rectangles):
        own = [Taps(t.pixel[i : i + 1], t.weight[i : i + 1]) for t in (rows, columns)]
        part = image[:, :, top : top + height, left : left + width].transpose(0, 1).float().contiguous()
        short = cut(own[0], top, height), cut(own[1], left, width)
        close(along_both(part, *short), along_both(image.transpose(0, 1).float().contiguous(), *own), 1e-6)


@pytest.mark.parametrize(("size", "radius"), [(4, 3), (32, 1), (41, 2), (96, 4), (224, 11)])
def test_blurs_equal_torchvision(size: int, radius: int) -> None:
    n = 2 if size > 200 else 6
    image, sigma = rand(n, 3, size, size), torch.linspace(0.1, 2.0, n)
    taps = blur_taps(sigma, radius, size)
    ours = along_both(image.transpose(0, 1).contiguous(), taps, taps).permute(1, 0, 3, 2)
    for i in range(n):
        close(ours[i], tv.gaussian_blur(image[i], [2 * radius + 1] * 2, [sigma[i].item()] * 2))


# -- jitter of sorted images ---------------------------------------------------------------------------------


def test_places_are_those_of_the_hue() -> None:
    slots = arrange(torch.full((24, 3), 1.5), ORDERS)
    assert torch.equal(places(slots, torch.full((24,), 0.1)), ORDERS[:, 3])
    assert torch.equal(places(torch.zeros(2, 6, 3), torch.tensor([0.0, 0.1])), torch.tensor([PLACES - 1, 0]))


@pytest.mark.parametrize("hue", [True, False])
@pytest.mark.parametrize("which", [range(30), range(24, 30), range(1), range(5)])
def test_sorted_images_are_jittered_as_in_any_order(hue: bool, which: range) -> None:
    """All orders, and six images without jitter; those alone; one; few, so that some places are empty."""
    factors, turns = 0.3 + 1.4 * rand(30, 3), 0.1 + 0.3 * rand(30)
    factors[24:], turns[24:] = 1, 0
    factors[3, 1] = 1  # a slot in the middle that changes nothing
    slots = arrange(factors, torch.cat([ORDERS, ORDERS[:6]]), hue)[list(which)]
    turns = turns[list(which)] if hue else torch.zeros(len(which))
    image = rand(len(which), 3, 8, 6)
    expected = torch.stack(jitter(tuple(image.unbind(1)), slots, turns), 1)  # type: ignore[arg-type]
    place = places(slots, turns)
    order = place.argsort(stable=True)
    ours = image[order].transpose(0, 1).contiguous()
    ends = place.bincount(minlength=PLACES).cumsum(0).tolist()
    jitter_sorted(tuple(ours.unbind(0)), slots[order], turns[order], ends)  # type: ignore[arg-type]
    close(ours.transpose(0, 1), expected[order], 1e-6)


# -- whole views ---------------------------------------------------------------------------------------------


SHAPES = [("augment.byol", 5, 40, 28, 20), ("augment.simclr", 1, 32, 32, 32), ("augment.byol", 2, 96, 80, 64)]


@pytest.mark.parametrize(("name", "b", "h", "w", "size"), [*((name, 9, 32, 32, 32) for name in RECIPES), *SHAPES])
def test_blocks_equal_the_whole_batch(name: str, b: int, h: int, w: int, size: int) -> None:
    module, image = node(name, h, w, size=size), images(b, h, w)
    draws = drawn(module, b)
    for ours, theirs in zip(flat(module(image, draws=draws)), whole(module, image, draws), strict=True):
        close(ours, theirs, 2e-5)  # normalised: four times the pixel's
        assert ours.shape == theirs.shape
        assert ours.stride() == theirs.stride()


@pytest.mark.parametrize(
    "values", [{"hue": 0}, {"jitter": 0}, {"strength": 0}, {"flip": 0}, {"views": 1}, {"views": 3}]
)
def test_blocks_equal_the_whole_batch_with_settings(values: dict[str, Any]) -> None:
    module, image = node("augment.simclr", solarize=0.3, **values), images(13)
    draws = drawn(module, 13)
    for ours, theirs in zip(module(image, draws=draws), whole(module, image, draws), strict=True):
        close(ours, theirs, 2e-5)


def test_a_view_does_not_depend_on_the_batch() -> None:
    module, image = node("augment.byol", 96, 80, size=40), images(9, 96, 80)
    draws = drawn(module, 9)
    together = module(image, draws=draws)
    for i in range(9):
        own = tree_map(itemgetter(slice(i, i + 1)), draws)
        for alone, view in zip(module(image[i : i + 1], draws=own), together, strict=True):
            close(alone[0], view[i], 1e-5)


def test_what_was_not_drawn_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blur and solarisation are possible, and no image has them."""
    module, image = node("augment.simclr", blur=0.5, solarize=0.5), images(6)
    (own,) = drawn(module, 6)
    nothing = torch.zeros_like(own.flip)

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(blocks, "blur_taps", refuse)
    monkeypatch.setattr(pixels, "solarise", refuse)
    with pytest.raises(AssertionError):
        module(image, draws=(own,))
    jitter, grey, (_, sigma), _ = own.drawn
    views = module(image, draws=(own._replace(drawn=(jitter, grey, (nothing, sigma), (nothing,))),))
    assert all(view.isfinite().all() for view in views)


def test_images_of_channels_last_memory() -> None:
    module, image = node("augment.byol", 40, 28), images(5, 40, 28)
    draws = drawn(module, 5)
    last = module(image.contiguous(memory_format=torch.channels_last), draws=draws)
    assert all(torch.equal(a, b) for a, b in zip(last, module(image, draws=draws), strict=True))


def test_no_gradient_is_recorded() -> None:
    module, image = node("augment.byol"), images(4)
    with torch.enable_grad():
        views = module(image, draws=drawn(module, 4))
    assert not any(view.requires_grad for view in views)


@pytest.mark.parametrize("name", RECIPES)
def test_settings_survive_their_text(name: str) -> None:
    module = node(name)
    for (view, _), text in zip(module.groups, module.settings, strict=True):
        assert blocks._view(text) == view


# -- compiled ------------------------------------------------------------------------------------------------


def test_the_operation_keeps_its_promises() -> None:
    """Its schema, its shapes without values, and what is traced of it."""
    module, image = node("augment.byol", 40, 28, size=24), images(3, 40, 28)
    own = drawn(module, 3)[1]
    torch.library.opcheck(blocks._views, (image, tree_leaves(own), module.settings[1], False))
    torch.library.opcheck(blocks._views, (images(3, 24, 24), tree_leaves(own), module.settings[1], True))


def test_compiled_large_views_are_made_in_blocks() -> None:
    module, image = node("augment.byol", 96, 96), images(3, 96, 96)
    draws = drawn(module, 3)
    graphs = []

    def keep(graph: Any, _: object) -> Any:
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(module, fullgraph=True, backend=keep, dynamic=False)
    for ours, eager in zip(compiled(image, draws=draws), module(image, draws=draws), strict=True):
        assert torch.equal(ours, eager)
    (graph,) = graphs
    assert [str(n.target) for n in graph.graph.nodes if "graphssl" in str(n.target)] == ["graphssl.views.default"] * 2

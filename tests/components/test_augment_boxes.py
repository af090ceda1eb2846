"""The boxes of views: what a view shows lies in the picture where its box says."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from conftest import Write, problems_of
from helpers import CPU
from torch import Tensor

from graphssl.api import check
from graphssl.component import DataFacts, Sizes, build, find
from graphssl.components.augment import Chain, MultiCrop, SimCLR
from graphssl.graph.read import load
from graphssl.testing import check_component

SIDE, STEP = 32, 8  # of the pictures in pixels; between neighbouring pixels, in grey levels
WHITE = 255


def slopes(b: int) -> Tensor:
    """Pictures whose red grows from top to bottom and whose green grows from left to right."""
    line = torch.arange(SIDE) * STEP
    rows, columns = torch.meshgrid(line, line, indexing="ij")
    return torch.stack((rows, columns, torch.zeros_like(rows))).to(torch.uint8)[None].repeat(b, 1, 1, 1)


def views_of(name: str, whole: bool, b: int = 16, **config: Any) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Views without colours and their boxes, of pictures of one size, or cut where pictures are decoded."""
    source = None if whole else (SIDE, SIDE)
    facts = DataFacts(height=SIDE, width=SIDE, source=source, mean=(0.0,) * 3, std=(1.0,) * 3)
    node: Any = build(find(name), None, Sizes({"h": SIDE, "w": SIDE}, facts), boxes=True, **config)
    generator, image = torch.Generator().manual_seed(0), slopes(b)
    draws = node.draw(b, generator, CPU)
    made = node(cut(node, image, generator) if whole else image, draws)
    half = len(made) // 2
    return sum(made[:half], ()), sum(made[half:], ())


def cut(node: Any, image: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
    made = []
    for one in pickle.loads(pickle.dumps(node.cuts)):
        uniform = torch.rand((len(image), one.views, one.numbers), generator=generator)
        made.append(torch.stack([one(p, u) for p, u in zip(image, uniform, strict=True)], 1).flatten(0, 1))
        assert tuple(made[-1].shape[2:]) == one.size
    return tuple(made)


PLAIN = {"jitter": 0, "grey": 0, "blur": 0}
NODES: dict[str, dict[str, Any]] = {
    "augment.simclr": PLAIN,
    "augment.moco_v1": PLAIN,
    "augment.multicrop": PLAIN,
    "augment.chain": {"operations": ["crop", "flip", {"use": "flip", "axis": "vertical"}, "flip"], "views": 3},
}


@pytest.mark.parametrize("whole", [False, True], ids=["images", "cuts"])
@pytest.mark.parametrize("name", NODES)
def test_a_view_shows_what_lies_in_its_box(name: str, whole: bool) -> None:
    """A crop of a slope is a slope, whose ends say where it was: half a grey level of rounding where it is cut."""
    views, boxes = views_of(name, whole, **NODES[name])
    assert len(views) == len(boxes) > 1
    mirrored = 0.0
    for view, box in zip(views, boxes, strict=True):
        for channel, axis in ((0, 2), (1, 1)):
            ends = box[:, channel], box[:, channel + 2]
            n = view.shape[3 - axis + 1]
            at = (torch.arange(n) + 0.5) / n
            place = ends[0][:, None] + at * (ends[1] - ends[0])[:, None]
            inside = slice(n // 4, 3 * n // 4)  # the filter is cut off at the borders
            expected = (place * SIDE - 0.5) * STEP / WHITE
            found = view[:, channel].mean(axis)
            tolerance = 0.6 / WHITE if whole else 1e-5
            torch.testing.assert_close(found[:, inside], expected[:, inside], rtol=0, atol=tolerance)
        mirrored += float((box[:, 3] < box[:, 1]).float().mean()) / len(views)
    assert 0.2 < mirrored < 0.8


def test_a_picture_that_is_not_cropped_is_all_of_itself() -> None:
    _, (box, _) = views_of("augment.chain", False, operations=["invert"])
    assert torch.equal(box, torch.tensor([[0.0, 0, 1, 1]]).expand(16, 4))


def test_who_does_not_ask_has_the_same_views() -> None:
    facts = DataFacts(height=SIDE, width=SIDE)
    plain, placed = (
        build(find("augment.byol"), None, Sizes({"h": SIDE, "w": SIDE}, facts), boxes=boxes) for boxes in (False, True)
    )
    generators = (torch.Generator().manual_seed(3) for _ in range(2))
    one, two = (
        node(slopes(4), node.draw(4, generator, CPU))  # type: ignore[operator]
        for node, generator in zip((plain, placed), generators, strict=True)
    )
    assert all(map(torch.equal, one, two.views))


GRAPH = """\
graph: placed
data: {use: digits, batch: 4}
nodes:
  augment:   {use: augment.multicrop, boxes: true, small: 1}
  encoder:   {use: encoder.resnet, depth: 10, width: 2, maps: [layer2]}
  positions: {use: context.positions}
  cells:     {use: context.cells}
  match:     {use: context.match, by: box, within: 0.7}
  gather:    {use: context.gather}
  critic:    {use: critic.dot}
  objective: {use: objective.regression}
flow:
  wide, small, wide_boxes, small_boxes: augment(batch.image)
  h: positions(encoder(wide).layer2)
  k: positions(encoder(small).layer2)
  a: cells(h, wide_boxes)
  b: cells(k, small_boxes)
  m: match(a, b[0])
  s: critic(h, gather(stopgrad(k[0]), m.share))
loss:
  pull: objective(s, m.weight)
evaluate: {features: encoder, knn: null}
allow: [G201, G202, G103, G104, G204]
"""


def test_boxes_go_with_their_views_and_maps_of_two_sizes_are_matched(write: Write) -> None:
    graph = load(write(GRAPH))
    views, boxes = (graph.values[name] for name in ("wide", "wide_boxes"))
    assert views.tags == boxes.tags
    shapes = check(write(GRAPH)).shapes
    assert [shapes.slots[s.id][0] for s in graph.values["wide_boxes"].slots] == [(4, 4)] * 2
    (first, _) = graph.values["m"].parts["share"].slots  # type: ignore[index]
    assert shapes.slots[first.id][0] == (4, 16, 16, 7, 7)


def test_after_a_rotation_a_view_is_no_box(write: Write) -> None:
    text = GRAPH.replace("{use: augment.multicrop, boxes: true, small: 1}",
                         "{use: augment.chain, boxes: true, operations: [crop, rotate, translate]}")  # fmt: skip
    text = text.replace("wide, small, wide_boxes, small_boxes", "wide, wide_boxes").replace("(small)", "(wide)")
    text = text.replace("small_boxes", "wide_boxes")
    (problem,) = problems_of(lambda: check(write(text)))
    assert "after rotate and translate a view is no box of its picture" in problem


@pytest.mark.parametrize(
    ("cls", "config"), [(SimCLR, {}), (MultiCrop, {"small": 1}), (Chain, {"operations": ["crop", "flip"]})]
)
def test_nodes_that_give_boxes_keep_the_contract(cls: Any, config: dict[str, Any]) -> None:
    check_component(cls, {**config, "boxes": True})

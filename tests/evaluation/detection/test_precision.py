"""COCO's average precision, against what is worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphssl.evaluation.detection.masks import encoded
from graphssl.evaluation.detection.pictures import BoxSet, Object, Picture
from graphssl.evaluation.detection.precision import Found, average_precision

BOX = 10.0, 10.0, 60.0, 60.0  # 2500 pixels: medium


def truth(*objects: Object, classes: tuple[str, ...] = ("a",)) -> BoxSet:
    return BoxSet([Picture("x.jpg", 200, 200, objects)], classes)


def found(*rows: tuple[tuple[float, float, float, float], int, float]) -> list[Found]:
    return [
        Found(np.array([box for box, _, _ in rows]).reshape(-1, 4), [i for _, i, _ in rows], [s for _, _, s in rows])
    ]


def measured(*given: Any) -> tuple[dict[str, float], list[float | None]]:
    """The numbers without the last digits, in which a division by an epsilon is seen."""
    numbers, each = average_precision(*given)
    return {name: round(value, 9) for name, value in numbers.items()}, [x if x is None else round(x, 9) for x in each]


def test_a_wrong_box_before_the_right_one_halves_precision() -> None:
    numbers, each = measured(truth(Object(BOX, 1, 2500.0)), found((BOX, 1, 0.5), ((100, 100, 150, 150), 1, 0.9)))
    assert numbers == {"ap": 0.5, "ap50": 0.5, "ap75": 0.5, "ap_medium": 0.5}
    assert each == [0.5]


def test_half_of_the_objects_are_found() -> None:
    """Precision is 1 at recalls up to a half, which are 51 of the 101, and 0 after."""
    other = 100.0, 100.0, 150.0, 150.0
    there = truth(Object(BOX, 1, 2500.0), Object(other, 1, 2500.0))
    numbers, _ = measured(there, found((BOX, 1, 0.9)))
    assert numbers["ap"] == pytest.approx(51 / 101)


def test_thresholds() -> None:
    """A box that has 41 of 50 columns overlaps by 0.82: right at .5 to .8, wrong at .85, .9 and .95."""
    numbers, _ = measured(truth(Object(BOX, 1, 2500.0)), found(((10.0, 10.0, 51.0, 60.0), 1, 0.9)))
    assert [numbers["ap50"], numbers["ap75"], numbers["ap"]] == pytest.approx([1.0, 1.0, 0.7])


def test_classes_are_averaged_and_sizes_told_apart() -> None:
    small = Object((0.0, 0.0, 10.0, 10.0), 2, 100.0)
    there = truth(Object(BOX, 1, 2500.0), small, classes=("a", "b", "c"))
    numbers, each = measured(there, found((BOX, 1, 0.9)))
    assert numbers == {"ap": 0.5, "ap50": 0.5, "ap75": 0.5, "ap_small": 0.0, "ap_medium": 1.0}
    assert each == [1.0, 0.0, None]


def test_what_fits_a_difficult_object_is_neither_right_nor_wrong() -> None:
    """Any number of found objects, but by the usual overlap: a part of it is no fit, as it would be of a crowd."""
    hard = Object((100.0, 100.0, 150.0, 150.0), 1, 2500.0, hard=True)
    part = 100.0, 100.0, 110.0, 110.0
    there = truth(Object(BOX, 1, 2500.0), hard)
    both = (hard.box, 1, 0.9), (hard.box, 1, 0.8), (BOX, 1, 0.5)
    assert measured(there, found(*both))[0]["ap"] == 1.0
    assert measured(there, found((part, 1, 0.9), *both))[0]["ap"] == pytest.approx(0.5)
    crowd = truth(Object(BOX, 1, 2500.0), hard._replace(hard=False, crowd=True))
    assert measured(crowd, found((part, 1, 0.9), *both))[0]["ap"] == 1.0


def test_nothing_is_found() -> None:
    numbers, _ = measured(truth(Object(BOX, 1, 2500.0)), found())
    assert numbers["ap"] == 0.0


def test_overlaps_of_masks() -> None:
    """The upper half of a square: its box overlaps by a half, and so does its mask, whatever its box says."""
    whole, half = (np.zeros((200, 200), dtype=np.uint8) for _ in range(2))
    whole[10:60, 10:60] = 1
    half[10:40, 10:60] = 1
    there = truth(Object(BOX, 1, 2500.0, mask=[[10, 10, 60, 10, 60, 60, 10, 60]]))
    right, partly = ([Found(np.array([BOX]), [1], [0.9], [encoded(mask)])] for mask in (whole, half))
    assert measured(there, right, "segm")[0]["ap"] == 1.0
    numbers, _ = measured(there, partly, "segm")
    assert (numbers["ap50"], numbers["ap75"]) == (1.0, 0.0)
    assert numbers["ap"] == pytest.approx(0.3), "an overlap of 0.6 is enough at .5, .55 and .6"
    assert measured(there, partly, "bbox")[0]["ap"] == 1.0

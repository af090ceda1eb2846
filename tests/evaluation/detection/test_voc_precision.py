"""VOC2007's average precision, against what is worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from graphssl.evaluation.detection.pictures import BoxSet, Object, Picture
from graphssl.evaluation.detection.precision import Found, average_precision
from graphssl.evaluation.detection.voc_precision import voc07_precision

BOX, OTHER = (10.0, 10.0, 60.0, 60.0), (100.0, 100.0, 150.0, 150.0)
HERE, THERE = Object(BOX, 1, 2500.0), Object(OTHER, 1, 2500.0)


def truth(*objects: Object, classes: tuple[str, ...] = ("a",)) -> BoxSet:
    return BoxSet([Picture("x.jpg", 200, 200, objects)], classes)


def found(*rows: tuple[tuple[float, float, float, float], int, float]) -> list[Found]:
    boxes, labels, scores = zip(*rows, strict=True) if rows else ((), (), ())
    return [Found(np.array(boxes).reshape(-1, 4), list(labels), list(scores))]


def test_over_11_recalls() -> None:
    """One of two objects is found: precision is 1 at the recalls 0, .1, ... .5, six of 11; COCO's are 51 of 101."""
    numbers = voc07_precision(truth(HERE, THERE), found((BOX, 1, 0.9)))
    assert numbers == pytest.approx(dict.fromkeys(("voc07_ap", "voc07_ap50", "voc07_ap75"), 6 / 11))
    assert average_precision(truth(HERE, THERE), found((BOX, 1, 0.9)))[0]["ap"] == pytest.approx(51 / 101)


def test_overlaps() -> None:
    """41 of 50 columns: 0.82, right at .5 to .8."""
    numbers = voc07_precision(truth(HERE), found(((10.0, 10.0, 51.0, 60.0), 1, 0.9)))
    assert numbers == pytest.approx({"voc07_ap": 0.7, "voc07_ap50": 1.0, "voc07_ap75": 1.0})


def test_what_is_found_twice_is_wrong_once() -> None:
    """Right, wrong, right: precision 1 up to a recall of a half, 2 of 3 after."""
    numbers = voc07_precision(truth(HERE, THERE), found((BOX, 1, 0.9), (BOX, 1, 0.8), (OTHER, 1, 0.7)))
    assert numbers["voc07_ap50"] == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)


def test_difficult_objects_and_classes() -> None:
    hard = THERE._replace(hard=True)
    both = found((OTHER, 1, 0.9), (OTHER, 1, 0.8), (BOX, 1, 0.5))
    assert voc07_precision(truth(HERE, hard), both)["voc07_ap"] == pytest.approx(1.0)
    several = truth(HERE, THERE._replace(label=2), classes=("a", "b", "c"))
    assert voc07_precision(several, found((BOX, 1, 0.9)))["voc07_ap"] == pytest.approx(0.5), "the mean over two classes"
    assert voc07_precision(truth(HERE), found())["voc07_ap"] == 0.0

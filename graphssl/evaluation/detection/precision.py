"""COCO's average precision, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from .masks import as_code
from .pictures import BoxSet, Object, Picture

__all__ = ["KINDS", "Found", "average_precision"]

Kind = Literal["bbox", "segm"]
KINDS: tuple[Kind, ...] = ("bbox", "segm")

SIZES = ("all", "small", "medium", "large")  # in COCO's order: up to 32^2 pixels, 96^2, more


@dataclass(frozen=True)
class Found:
    """What a detector has found in a picture. boxes: left, top, right, bottom in pixels. masks: compressed codes."""

    boxes: Annotated[np.ndarray[Any, Any], "n 4"]
    labels: Sequence[int]
    scores: Sequence[float]
    masks: Sequence[dict[str, Any]] = ()


def average_precision(
    truth: BoxSet, found: Sequence[Found], kind: Kind = "bbox"
) -> tuple[dict[str, float], list[float | None]]:  # fmt: skip
    """By name `ap` (the mean over IoU .5, .55, ... .95), `ap50`, `ap75`, `ap_small`, `ap_medium` and `ap_large`, those
    of which there are objects; and AP of each class, None where it has no object.

    Over 101 recalls, of the 100 best of a picture (Lin et al. 2014). kind: overlaps of boxes or of masks. Found objects
    that fit an object that does not count, of a crowd or VOC's difficult ones, are neither right nor wrong.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        evaluated = _evaluated(truth, found, kind)
    precision = evaluated.eval["precision"]  # t r k a m: thresholds, recalls, classes, sizes, most of a picture
    last = precision[..., -1]
    parts = {
        "ap": last[..., 0], "ap50": last[:1, ..., 0], "ap75": last[5:6, ..., 0],
        **{f"ap_{size}": last[..., i] for i, size in enumerate(SIZES) if i},
    }  # fmt: skip
    means = {name: _mean(part) for name, part in parts.items()}
    return {k: v for k, v in means.items() if v is not None}, [_mean(last[:, :, k, 0]) for k in range(last.shape[2])]


def _mean(precision: np.ndarray[Any, Any]) -> float | None:
    known = precision[precision > -1]  # -1 where there is nothing to find
    return float(known.mean()) if known.size else None


def _evaluated(truth: BoxSet, found: Sequence[Found], kind: Kind) -> Any:
    from pycocotools.cocoeval import COCOeval

    class Ignoring(COCOeval):  # type: ignore[misc]  # it has no types
        """Overlaps with a difficult object are the usual ones, not a crowd's; but any number may fit it."""

        def _prepare(self) -> None:
            super()._prepare()
            for objects in self._gts.values():
                for one in objects:
                    one["ignore"] = one["ignore"] or one["hard"]

        def evaluateImg(self, *args: Any) -> Any:  # noqa: N802  # after all overlaps
            for one in self._gts[args[0], args[1]]:
                one["iscrowd"] = int(one["iscrowd"] or one["hard"])
            return super().evaluateImg(*args)

    categories = [{"id": i + 1, "name": name} for i, name in enumerate(truth.classes)]
    images = [{"id": i + 1, "width": p.width, "height": p.height} for i, p in enumerate(truth.pictures)]
    there = [_truth(one, i, p, kind) for i, p in enumerate(truth.pictures) for one in p.objects]
    evaluated = Ignoring(*(_indexed(images, categories, rows) for rows in (there, _rows(found, kind))), kind)
    evaluated.evaluate()
    evaluated.accumulate()
    return evaluated


def _indexed(images: list[Any], categories: list[Any], rows: list[dict[str, Any]]) -> Any:
    """A COCO of its own; ids begin at 1, as 0 is taken for none."""
    from pycocotools.coco import COCO

    made = COCO()
    numbered = [{"id": i + 1, **row} for i, row in enumerate(rows)]
    made.dataset = {"images": images, "categories": categories, "annotations": numbered}
    made.createIndex()
    return made


def _truth(one: Object, place: int, picture: Picture, kind: Kind) -> dict[str, Any]:
    row: dict[str, Any] = {
        "image_id": place + 1, "category_id": one.label, "bbox": _sides(one.box), "area": one.area,
        "iscrowd": int(one.crowd), "hard": int(one.hard),
    }  # fmt: skip
    if kind == "segm":
        row["segmentation"] = as_code(one.mask, picture.height, picture.width)
    return row


def _rows(found: Sequence[Found], kind: Kind) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for place, one in enumerate(found):
        for i, (box, label, score) in enumerate(zip(one.boxes.tolist(), one.labels, one.scores, strict=True)):
            sides = _sides(box)
            row = {"image_id": place + 1, "category_id": label, "score": score, "bbox": sides, "iscrowd": 0}
            row["area"] = sides[2] * sides[3]
            if kind == "segm":
                from pycocotools import mask

                row |= {"segmentation": one.masks[i], "area": float(mask.area(one.masks[i]))}
            rows.append(row)
    return rows


def _sides(box: Sequence[float]) -> list[float]:
    """Left, top, width and height."""
    left, top, right, bottom = box
    return [left, top, right - left, bottom - top]

"""VOC2007's own average precision, by which MoCo's table is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np

from .pictures import BoxSet
from .precision import Found

__all__ = ["voc07_precision"]

OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 11)
Array = np.ndarray[Any, Any]


class _Fit(NamedTuple):
    """What was found: how sure, and the object that it overlaps most, -1 for none. A key of all objects of a class."""

    score: float
    overlap: float
    object: int


def voc07_precision(truth: BoxSet, found: Sequence[Found]) -> dict[str, float]:
    """`voc07_ap`, the mean over overlaps of .5 to .95, `voc07_ap50` and `voc07_ap75`, each the mean over classes.

    Everingham et al. 2010, section 4.2, over 11 recalls, as detectron2 has it for VOC2007: what is found belongs to the
    object that it overlaps most, and is wrong where that is taken already; a difficult one makes it neither.
    """
    each = [one for label in range(1, len(truth.classes) + 1) if (one := _of_class(truth, found, label)) is not None]
    means = np.mean(each, axis=0)
    return {"voc07_ap": float(means.mean()), "voc07_ap50": float(means[0]), "voc07_ap75": float(means[5])}


def _of_class(truth: BoxSet, found: Sequence[Found], label: int) -> Annotated[Array, "t"] | None:
    """Average precision at each overlap; None of a class without an object that counts."""
    fits: list[_Fit] = []
    counts: list[bool] = []
    for picture, one in zip(truth.pictures, found, strict=True):
        objects = [other for other in picture.objects if other.label == label]
        boxes = np.array([other.box for other in objects], dtype=np.float64).reshape(-1, 4)
        for box, own, score in zip(one.boxes, one.labels, one.scores, strict=True):
            if own == label:
                overlaps = _overlaps(np.asarray(box, dtype=np.float64), boxes)
                best = int(overlaps.argmax()) if len(overlaps) else -1
                fits.append(_Fit(score, float(overlaps[best]) if best >= 0 else 0.0, len(counts) + best))
        counts += [other.counts for other in objects]
    if not any(counts):
        return None
    fits.sort(key=lambda fit: -fit.score)
    return np.array([_at(fits, counts, overlap) for overlap in OVERLAPS])


def _overlaps(box: Annotated[Array, "4"], boxes: Annotated[Array, "n 4"]) -> Annotated[Array, "n"]:
    """Intersection over union."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    inner = sides.clip(0).prod(1)
    union = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1) - inner
    found: Array = inner / union
    return found


def _at(fits: Sequence[_Fit], counts: Sequence[bool], least: float) -> float:
    taken: set[int] = set()
    right: list[bool] = []
    for fit in fits:
        if fit.overlap <= least:
            right.append(False)
        elif counts[fit.object]:
            right.append(fit.object not in taken)
            taken.add(fit.object)
    hits = np.cumsum(right)
    recall, precision = hits / sum(counts), hits / np.arange(1, len(hits) + 1)
    return float(np.mean([precision[recall >= level].max(initial=0) for level in RECALLS]))

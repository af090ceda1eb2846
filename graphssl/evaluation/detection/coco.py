"""Reads pictures with boxes, and masks, in COCO's format."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .clip import clipped
from .faults import Faults
from .options import Coco
from .pictures import BoxSet, Object, Picture

__all__ = ["read_coco"]

NEEDED = ("images", "annotations", "categories")


def read_coco(option: Coco, classes: Sequence[str] | None, faults: Faults, masks: bool = False) -> BoxSet:
    """All pictures of a file of annotations, in its order. Notes in `faults` what is wrong.

    classes: those that may be there; None: the file's categories, by their ids. masks: whether objects need one.
    """
    file = Path(option.annotations)
    content = _content(file, faults)
    if content is None:
        return BoxSet([], classes or [])
    named = {row["id"]: str(row["name"]) for row in sorted(content["categories"], key=lambda row: row["id"])}
    if classes is None:
        classes = list(named.values())
    known = {one: classes.index(name) + 1 for one, name in named.items() if name in classes}
    reader = _Reader(file, named, known, masks, faults)
    by_picture: dict[Any, list[Mapping[str, Any]]] = {row["id"]: [] for row in content["images"]}
    for row in content["annotations"]:
        if row.get("image_id") in by_picture:
            by_picture[row["image_id"]].append(row)
        else:
            faults.wrong("objects of no picture of the file", reader.at(row))
    there = _names(Path(option.images), faults)
    pictures = [reader.picture(row, option.images, there, by_picture[row["id"]]) for row in content["images"]]
    if not content["images"]:
        faults.wrong("splits without a picture", str(file))
    return BoxSet([picture for picture in pictures if picture is not None], classes, faults.left_out)


def _content(file: Path, faults: Faults) -> dict[str, Any] | None:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        is_gone = isinstance(error, OSError)
        kind = "annotations that cannot be read" if is_gone else "annotations that are no JSON"
        faults.wrong(kind, f"{file}: {getattr(error, 'strerror', None) or error}")
        return None
    rows = content if isinstance(content, dict) else {}
    wrong = [key for key in NEEDED if not isinstance(rows.get(key), list)]
    wrong = wrong or [key for key in NEEDED if not all(isinstance(row, dict) and "id" in row for row in rows[key])]
    if wrong or not all("name" in row for row in rows["categories"]):
        what = f"{', '.join(wrong)} with an id each" if wrong else "categories with names"
        faults.wrong("files that are no annotations of COCO's", f"{file} has no list {what}")
        return None
    if len({row["id"] for row in rows["images"]}) < len(rows["images"]):
        faults.wrong("files with two pictures of one id", str(file))
        return None
    return rows


def _names(folder: Path, faults: Faults) -> set[str]:
    """The files directly in the folder."""
    try:
        return {entry.name for entry in os.scandir(folder)}
    except OSError as error:
        faults.wrong("folders of pictures that cannot be read", f"{folder}: {error.strerror}")
        return set()


class _Reader:
    """known: labels by a category's id."""

    def __init__(
        self, file: Path, named: Mapping[Any, str], known: Mapping[Any, int], masks: bool, faults: Faults
    ) -> None:
        self.file, self.named, self.known, self.masks, self.faults = file, named, known, masks, faults

    def at(self, row: Mapping[str, Any]) -> str:
        return f"annotation {row['id']} in {self.file}"

    def picture(
        self, row: Mapping[str, Any], folder: str, there: set[str], objects: Sequence[Mapping[str, Any]]
    ) -> Picture | None:  # fmt: skip
        name, width, height = (row.get(key) for key in ("file_name", "width", "height"))
        if not isinstance(name, str) or not all(isinstance(side, int) and side > 0 for side in (width, height)):
            self.faults.wrong("pictures without file_name, width and height", f"image {row['id']} in {self.file}")
            return None
        path = os.path.join(folder, name)
        if there and name not in there and not os.path.isfile(path):
            self.faults.wrong("pictures that are missing", path)
            return None
        size: tuple[int, int] = int(width or 0), int(height or 0)
        made = [self._object(one, size) for one in objects]
        return Picture(path, *size, tuple(one for one in made if one is not None))

    def _object(self, row: Mapping[str, Any], size: tuple[int, int]) -> Object | None:
        label = self.known.get(row.get("category_id"))
        if label is None:
            name = self.named.get(row.get("category_id"), f"category {row.get('category_id')}")
            self.faults.wrong("objects of no known class", f"'{name}', {self.at(row)}")
            return None
        box = row.get("bbox")
        if not isinstance(box, list) or len(box) != 4 or not all(_is_number(side) for side in box):
            self.faults.wrong("objects without a box of four numbers", self.at(row))
            return None
        left, top, width, height = map(float, box)
        inner = clipped((left, top, left + width, top + height), size, self.at(row), self.faults)
        if inner is None:
            return None
        crowd, mask = bool(row.get("iscrowd", 0)), row.get("segmentation")
        if self.masks and (why := _unmasked(mask, size)) is not None:
            self.faults.wrong(f"objects {why}", self.at(row))
            return None
        area = row["area"] if _is_number(row.get("area")) else (inner[2] - inner[0]) * (inner[3] - inner[1])
        return Object(inner, label, float(area), crowd=crowd, mask=mask if self.masks else None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unmasked(mask: Any, size: tuple[int, int]) -> str | None:
    """Why a segmentation is no mask of a picture of that width and height; None where it is one."""
    if isinstance(mask, dict):
        if mask.get("size") != [size[1], size[0]] or not isinstance(mask.get("counts"), str | list):
            return "with a run-length code of another size than their picture's"
        return None
    if not mask or not isinstance(mask, list):
        return "without a mask, which mask_rcnn learns from"
    polygons = all(isinstance(one, list) and len(one) >= 6 and len(one) % 2 == 0 for one in mask)
    if not polygons or not all(_is_number(value) for one in mask for value in one):
        return "with polygons that are no lists x, y, x, y ... of three corners or more"
    return None

"""Pictures with coloured shapes and their boxes, in VOC's and in COCO's format."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

CLASSES = ("circle", "square", "triangle")
COLOURS = {"circle": (220, 40, 40), "square": (40, 200, 60), "triangle": (60, 80, 230)}


@dataclass(frozen=True)
class Shape:
    """box: left, top, right, bottom; the pixels of left and top are in it, those of right and bottom are not."""

    name: str
    box: tuple[int, int, int, int]

    def corners(self) -> list[float]:
        """x, y, x, y, ..."""
        left, top, right, bottom = self.box
        if self.name == "square":
            return [left, top, right, top, right, bottom, left, bottom]
        if self.name == "triangle":
            return [left, bottom, (left + right) / 2, top, right, bottom]
        turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        x = (left + right) / 2 + (right - left) / 2 * np.cos(turns)
        y = (top + bottom) / 2 + (bottom - top) / 2 * np.sin(turns)
        return [round(float(v), 2) for pair in zip(x, y, strict=True) for v in pair]


def shapes(count: int = 12, side: int = 64) -> list[list[Shape]]:
    """Of each picture one or two, which do not overlap."""
    generator = np.random.default_rng(0)
    found = []
    for i in range(count):
        mine = []
        for half in range(1 + i % 2):
            size = int(generator.integers(18, 28))
            left = int(generator.integers(2, side // 2 - size if size < side // 2 - 2 else 3)) + half * side // 2
            top = int(generator.integers(2, side - size - 2))
            mine.append(Shape(CLASSES[(i + half) % 3], (left, top, left + size, top + size)))
        found.append(mine)
    return found


def draw(objects: list[Shape], side: int = 64) -> Image.Image:
    picture = Image.new("RGB", (side, side), (128, 128, 128))
    for one in objects:
        points = one.corners()
        ImageDraw.Draw(picture).polygon(list(zip(points[::2], points[1::2], strict=True)), COLOURS[one.name])
    return picture


def voc(root: Path, objects: list[list[Shape]], split: str = "trainval") -> Path:
    """Annotations, JPEGImages and the list of a split. VOC counts pixels from 1."""
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for i, mine in enumerate(objects):
        draw(mine).save(root / f"JPEGImages/{split}{i:03d}.jpg", quality=95)
        (root / f"Annotations/{split}{i:03d}.xml").write_text(note(f"{split}{i:03d}.jpg", mine))
    names = "".join(f"{split}{i:03d}\n" for i in range(len(objects)))
    (root / f"ImageSets/Main/{split}.txt").write_text(names)
    return root


def note(file: str, objects: list[Shape], side: int = 64) -> str:
    size = f"<size><width>{side}</width><height>{side}</height><depth>3</depth></size>"
    return f"<annotation><filename>{file}</filename>{size}{''.join(map(xml, objects))}</annotation>"


def xml(one: Shape, difficult: int = 0) -> str:
    left, top, right, bottom = one.box
    sides = f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
    return f"<object><name>{one.name}</name><difficult>{difficult}</difficult><bndbox>{sides}</bndbox></object>"


def coco(folder: Path, objects: list[list[Shape]], **more: Any) -> dict[str, str]:
    """The options of a set in COCO's format. more: rows beside `images`, `annotations` or `categories`."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    images, rows = [], []
    for i, mine in enumerate(objects):
        draw(mine).save(folder / f"images/{i}.png")
        images.append({"id": 100 + i, "file_name": f"{i}.png", "width": 64, "height": 64})
        rows += [row(one, 100 + i, 1 + len(rows) + j) for j, one in enumerate(mine)]
    categories = [{"id": 7 * (i + 1), "name": name} for i, name in enumerate(CLASSES)]
    content = {"images": images, "annotations": rows, "categories": categories}
    for key, extra in more.items():
        content[key] = content[key] + extra
    (folder / "instances.json").write_text(json.dumps(content))
    return {"use": "coco", "annotations": str(folder / "instances.json"), "images": str(folder / "images")}


def row(one: Shape, image: int, number: int) -> dict[str, Any]:
    left, top, right, bottom = one.box
    area = (right - left) * (bottom - top)
    return {
        "id": number, "image_id": image, "category_id": 7 * (CLASSES.index(one.name) + 1), "iscrowd": 0, "area": area,
        "bbox": [left, top, right - left, bottom - top], "segmentation": [one.corners()],
    }  # fmt: skip

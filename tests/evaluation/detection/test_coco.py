"""Pictures with boxes and masks in COCO's format: what is read, and what is told of broken files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from box_files import CLASSES, Shape, coco, row, shapes

from graphssl.errors import RunError
from graphssl.evaluation.detection.coco import read_coco
from graphssl.evaluation.detection.faults import Faults
from graphssl.evaluation.detection.masks import decoded, encoded
from graphssl.evaluation.detection.options import Coco
from graphssl.evaluation.detection.pictures import BoxSet
from graphssl.evaluation.detection.reading import look_at, read

SQUARE = Shape("square", (4, 6, 24, 26))


def opened(options: dict[str, str], masks: bool = False, classes: Any = None) -> tuple[BoxSet, Faults]:
    faults = Faults()
    return read_coco(Coco.model_validate(options), classes, faults, masks), faults


def told(options: dict[str, str], masks: bool = False, classes: Any = None) -> str:
    found, faults = opened(options, masks, classes)
    look_at(found.pictures, faults)
    with pytest.raises(RunError) as error:
        Faults.stop({"detection.test": faults})
    return str(error.value)


def test_boxes_and_classes(tmp_path: Path) -> None:
    objects = shapes(5)
    found, faults = opened(coco(tmp_path, objects))
    Faults.stop({"test": faults})
    assert tuple(found.classes) == CLASSES, "categories by their ids, which need not be 1, 2, 3"
    for picture, mine in zip(found.pictures, objects, strict=True):
        assert [one.box for one in picture.objects] == [tuple(map(float, shape.box)) for shape in mine]
        assert [found.classes[one.label - 1] for one in picture.objects] == [shape.name for shape in mine]


def test_masks_of_polygons_and_of_both_run_length_codes(tmp_path: Path) -> None:
    whole = np.zeros((64, 64), dtype=np.uint8)
    whole[6:26, 4:24] = 1
    flat = whole.flatten(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [0]])))
    counts = np.diff(np.concatenate([[0], edges, [64 * 64]])).tolist()
    compressed = encoded(whole)["counts"].decode()
    rows = [row(SQUARE, 100, 50 + i) for i in range(3)]
    rows[1]["segmentation"] = {"size": [64, 64], "counts": counts}
    rows[2]["segmentation"] = {"size": [64, 64], "counts": compressed}
    found, faults = opened(coco(tmp_path, [[]], annotations=rows), masks=True)
    Faults.stop({"test": faults})
    for one in found.pictures[0].objects:
        assert np.array_equal(decoded(one.mask, 64, 64), whole)
    target = read(found.pictures[0], 3, masks=True, flip=True).target
    assert torch.equal(target["masks"][0], torch.from_numpy(whole).flip(1))
    assert target["boxes"][0].tolist() == [40.0, 6.0, 60.0, 26.0]
    assert target["masks"].dtype == torch.uint8


def test_a_crowd_is_there_and_does_not_count(tmp_path: Path) -> None:
    crowd = {**row(SQUARE, 100, 50), "iscrowd": 1}
    found, _ = opened(coco(tmp_path, [[SQUARE]], annotations=[crowd]))
    assert [one.counts for one in found.pictures[0].objects] == [True, False]
    assert found.said()["ignored"] == 1


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    rows = [
        {**row(SQUARE, 100, 50), "bbox": [4, 6, 200, 20]}, {**row(SQUARE, 100, 51), "bbox": [1, 2, 3]},
        {**row(SQUARE, 100, 52), "category_id": 99}, {**row(SQUARE, 4711, 53)},
        {**row(SQUARE, 100, 54), "segmentation": [[1, 2, 3]]}, {**row(SQUARE, 100, 55), "segmentation": []},
        {**row(SQUARE, 100, 56), "segmentation": {"size": [3, 3], "counts": "x"}},
    ]  # fmt: skip
    options = coco(tmp_path, shapes(3), annotations=rows)
    (tmp_path / "images/1.png").unlink()
    (tmp_path / "images/2.png").write_bytes(b"no picture")
    text = told(options, masks=True)
    for words in (
        "boxes outside of their pictures (1): annotation 50 in ", "objects without a box of four numbers (1): annotation 51",
        "objects of no known class (1): 'category 99', annotation 52", "objects of no picture of the file (1): annotation 53",
        "polygons", "objects without a mask, which mask_rcnn learns from (1): annotation 55", "run-length code",
        "pictures that are missing (1): ", "and 1 other kinds",
    ):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "annotations that are no JSON"),
        ("[1, 2]", "no list images, annotations, categories with an id each"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1}]}', "no list categories with names"),
        ('{"images": [], "annotations": [], "categories": []}', "splits without a picture"),
        ('{"images": [{"id": 1}, {"id": 1}], "annotations": [], "categories": []}', "two pictures of one id"),
        (
            '{"images": [{"id": 1}], "annotations": [], "categories": []}',
            "pictures without file_name, width and height",
        ),
    ],
)
def test_a_file_that_is_no_annotations(tmp_path: Path, content: str, words: str) -> None:
    options = coco(tmp_path, [[]])
    Path(options["annotations"]).write_text(content)
    assert words in told(options)


def test_a_file_or_a_folder_that_is_not_there(tmp_path: Path) -> None:
    options = coco(tmp_path, [[]])
    assert "annotations that cannot be read" in told({**options, "annotations": "nowhere.json"})
    assert "folders of pictures that cannot be read (1): nowhere" in told({**options, "images": "nowhere"})


def test_a_picture_of_another_size_than_its_annotation_says(tmp_path: Path) -> None:
    options = coco(tmp_path, [[SQUARE]])
    file = Path(options["annotations"])
    content = json.loads(file.read_text())
    content["images"][0]["width"] = 65
    file.write_text(json.dumps(content))
    assert "has 64 x 64 px, and is said to have 65 x 64" in told(options)
    content["images"][0]["width"] = 64
    content["annotations"][0]["bbox"][2] = 0
    file.write_text(json.dumps(content))
    found, faults = opened(options)
    Faults.stop({"test": faults})
    assert found.left_out == {"boxes without an area are left out": 1}


def test_classes_are_those_that_were_learnt(tmp_path: Path) -> None:
    assert "objects of no known class (1): 'square'" in told(coco(tmp_path, [[SQUARE]]), classes=["circle"])

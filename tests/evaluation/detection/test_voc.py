"""Pictures with boxes in VOC's format: what is read, and what is told of broken files."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from box_files import CLASSES, Shape, draw, note, shapes, voc, xml

from graphssl.errors import RunError
from graphssl.evaluation.detection.faults import Faults
from graphssl.evaluation.detection.options import Voc
from graphssl.evaluation.detection.voc import read_voc


def read(*roots: Path, split: str = "trainval", classes: tuple[str, ...] | None = CLASSES) -> tuple[object, Faults]:
    faults = Faults()
    option = Voc(use="voc", root=[str(root) for root in roots], split=split)
    return read_voc(option, classes, faults), faults


def told(faults: Faults) -> str:
    with pytest.raises(RunError) as error:
        Faults.stop({"detection.training": faults})
    return str(error.value)


def test_boxes_count_from_nought_and_classes_are_by_name(tmp_path: Path) -> None:
    objects = shapes(4)
    found, _ = read(voc(tmp_path / "VOC2007", objects), classes=None)
    assert tuple(found.classes) == CLASSES
    for picture, mine in zip(found.pictures, objects, strict=True):
        assert [one.box for one in picture.objects] == [tuple(map(float, shape.box)) for shape in mine]
        assert [found.classes[one.label - 1] for one in picture.objects] == [shape.name for shape in mine]
        assert (picture.width, picture.height) == (64, 64)
        assert all(one.area == (one.box[2] - one.box[0]) * (one.box[3] - one.box[1]) for one in picture.objects)


def test_several_roots_are_taken_together(tmp_path: Path) -> None:
    years = voc(tmp_path / "VOC2007", shapes(3)), voc(tmp_path / "VOC2012", shapes(5))
    found, faults = read(*years)
    Faults.stop({"training": faults})
    assert len(found.pictures) == 8
    assert Voc(use="voc", root=[str(y) for y in years], split="trainval").named() == "VOC2007 VOC2012 trainval"


def test_difficult_objects_are_there_and_do_not_count(tmp_path: Path) -> None:
    root = voc(tmp_path / "VOC", shapes(2))
    file = root / "Annotations/trainval001.xml"
    file.write_text(file.read_text().replace("<difficult>0", "<difficult>1", 1))
    found, _ = read(root)
    assert [one.hard for one in found.pictures[1].objects] == [True, False]
    assert len(found.pictures[1].learnt) == 1
    assert found.said() == {"pictures": 2, "objects": 2, "ignored": 1, "left_out": {}}


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    root = voc(tmp_path / "VOC", shapes(8))
    notes = root / "Annotations"
    (root / "JPEGImages/trainval000.jpg").unlink()
    (root / "JPEGImages/trainval001.jpg").unlink()
    (notes / "trainval002.xml").write_text("<annotation><object>")
    (notes / "trainval003.xml").unlink()
    (notes / "trainval004.xml").write_text(note("x", [Shape("dragon", (1, 1, 9, 9))]))
    (notes / "trainval005.xml").write_text(note("x", [Shape("circle", (1, 1, 90, 9))]))
    (notes / "trainval006.xml").write_text(note("x", []).replace("</ann", "<object><name>circle</name></object></ann"))
    text = told(read(root)[1])
    for words in (
        "pictures that are missing (2): ", "JPEGImages/trainval000.jpg; ", "annotations that are no XML (1): ",
        "annotations that are missing (1): ", "'dragon' in ", "boxes outside of their pictures", "1, 1, 90, 9 of 64 x 64 px",
        "objects without a box of four numbers",
    ):  # fmt: skip
        assert words in text, words
    assert text.count("\n") == 6
    assert text.startswith("the pictures with boxes cannot be used:\n  detection.training: ")


def test_a_box_without_an_area_is_left_out_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = voc(tmp_path / "VOC", shapes(2))
    flat = xml(Shape("circle", (5, 5, 6, 20))).replace("<xmax>6", "<xmax>5")
    (root / "Annotations/trainval000.xml").write_text(
        note("x", [Shape("square", (1, 1, 9, 9))]).replace("</ann", f"{flat}</ann")
    )
    found, faults = read(root)
    with caplog.at_level(logging.WARNING):
        Faults.stop({"detection.test": faults})
    assert "detection.test: boxes without an area are left out (1): 'circle' in " in caplog.text
    assert len(found.pictures[0].objects) == 1
    assert found.left_out == {"boxes without an area are left out": 1}


def test_a_box_that_reaches_over_the_edge_by_a_pixel_is_cut(tmp_path: Path) -> None:
    root = voc(tmp_path / "VOC", shapes(1))
    (root / "Annotations/trainval000.xml").write_text(note("x", [Shape("square", (-1, 0, 20, 65))]))
    found, faults = read(root)
    Faults.stop({"training": faults})
    assert found.pictures[0].objects[0].box == (0.0, 0.0, 20.0, 64.0)


def test_a_list_that_is_not_there_or_empty(tmp_path: Path) -> None:
    root = voc(tmp_path / "VOC", shapes(1))
    text = told(read(root, split="test")[1])
    assert "lists of pictures that cannot be read" in text
    assert "(there are trainval)" in text
    (root / "ImageSets/Main/test.txt").write_text("\n")
    assert "splits without a picture" in told(read(root, split="test")[1])
    option = Voc(use="voc", root=str(tmp_path), split="test")
    assert option.absent() == f"there is no Annotations in {tmp_path}: root is {root}"
    assert Voc(use="voc", root=str(root), split="test").absent() is None
    listed = root / "ImageSets/Main"
    near = Voc(use="voc", root=str(root), split="tst").absent()
    assert near == f"there is no {listed / 'tst'}.txt: did you mean 'test'?"
    far = Voc(use="voc", root=str(root), split="2007").absent()
    assert far == f"there is no {listed / '2007'}.txt: there are test, trainval"


def test_a_picture_by_the_name_that_its_annotation_says(tmp_path: Path) -> None:
    root = voc(tmp_path / "VOC", shapes(1))
    (root / "JPEGImages/trainval000.jpg").unlink()
    draw(shapes(1)[0]).save(root / "JPEGImages/other.png")
    file = root / "Annotations/trainval000.xml"
    file.write_text(file.read_text().replace("trainval000.jpg", "other.png").replace("<width>64</width>", ""))
    found, faults = read(root)
    Faults.stop({"training": faults})
    assert found.pictures[0].path.endswith("other.png")
    assert found.pictures[0].width == 64, "as the file says"

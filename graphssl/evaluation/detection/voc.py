"""Reads pictures with boxes in PASCAL VOC's format."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image

from .clip import clipped
from .faults import Faults
from .options import LISTS, NOTES, Voc
from .pictures import BoxSet, Object, Picture

__all__ = ["read_voc"]

IMAGES = "JPEGImages"


def read_voc(option: Voc, classes: Sequence[str] | None, faults: Faults) -> BoxSet:
    """All pictures of the split of each root, in the order of the lists. Notes in `faults` what is wrong.

    classes: those that may be there; None: all that are, in the order of their names. A VOC box counts pixels from 1
    and has its last ones in it, so that left and top are one less here.
    """
    found = [(note, tree) for root in option.roots for note, tree in _notes(Path(root), option.split, faults)]
    if classes is None:
        classes = sorted({name for _, tree in found for one in tree.iter("object") if (name := _text(one, "name"))})
    labels = {name: i + 1 for i, name in enumerate(classes)}
    pictures = [picture for note, tree in found if (picture := _picture(note, tree, labels, faults)) is not None]
    return BoxSet(pictures, classes, faults.left_out)


def _notes(root: Path, split: str, faults: Faults) -> Iterator[tuple[Path, ElementTree.Element]]:
    """The annotations of a split, with their files."""
    if not (root / NOTES).is_dir():
        faults.wrong(f"folders without {NOTES}", str(root))
        return
    listed = root / LISTS / f"{split}.txt"
    try:
        names = [line.split()[0] for line in listed.read_text().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        there = sorted(path.stem for path in (root / LISTS).glob("*.txt") if "_" not in path.stem)
        hint = f" (there are {', '.join(there)})" if there else ""
        faults.wrong("lists of pictures that cannot be read", f"{listed}: {_reason(error)}{hint}")
        return
    if not names:
        faults.wrong("splits without a picture", str(listed))
    for name in names:
        note = root / NOTES / f"{name}.xml"
        try:
            yield note, ElementTree.parse(note).getroot()
        except (OSError, ValueError, ElementTree.ParseError) as error:
            kind = "missing" if isinstance(error, FileNotFoundError) else "no XML"
            faults.wrong(f"annotations that are {kind}", f"{note}{f': {error}' if kind == 'no XML' else ''}")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _picture(
    note: Path, tree: ElementTree.Element, labels: dict[str, int], faults: Faults
) -> Picture | None:  # fmt: skip
    path = _file(note, _text(tree, "filename"))
    if path is None:
        faults.wrong("pictures that are missing", str(note.parent.parent / IMAGES / f"{note.stem}.jpg"))
        return None
    size = _size(tree, path)
    if size is None:
        faults.wrong("pictures of no known size", f"{note}: no width and height above 0 in <size>, nor in the file")
        return None
    objects = [_object(one, note, size, labels, faults) for one in tree.iter("object")]
    return Picture(str(path), *size, tuple(one for one in objects if one is not None))


def _file(note: Path, named: str) -> Path | None:
    """The picture of an annotation, by that one's name, or by what it says."""
    folder = note.parent.parent / IMAGES
    tried = (f"{note.stem}.jpg", os.path.basename(named), f"{note.stem}.png", f"{note.stem}.jpeg", f"{note.stem}.JPG")
    return next((folder / name for name in tried if name and (folder / name).is_file()), None)


def _size(tree: ElementTree.Element, path: Path) -> tuple[int, int] | None:
    """Width and height: as annotated, else as the file says."""
    try:
        width, height = (int(float(_text(tree, f"size/{side}"))) for side in ("width", "height"))
    except ValueError:
        width = height = 0
    if min(width, height) > 0:
        return width, height
    try:
        with Image.open(path) as picture:
            return picture.size
    except OSError:
        return None


def _object(
    one: ElementTree.Element, note: Path, size: tuple[int, int], labels: dict[str, int], faults: Faults
) -> Object | None:
    name = _text(one, "name")
    if name not in labels:
        called = f"'{name}' in {note}" if name else str(note)
        faults.wrong(f"objects of no known class (classes are {', '.join(labels)})" if labels else "objects", called)
        return None
    try:
        left, top, right, bottom = (float(_text(one, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax"))
        hard = bool(int(_text(one, "difficult") or "0"))
    except ValueError:
        faults.wrong("objects without a box of four numbers", f"'{name}' in {note}")
        return None
    inner = (left - 1, top - 1, right, bottom) if right > left and bottom > top else (left, top, right, bottom)
    if (box := clipped(inner, size, f"'{name}' in {note}", faults)) is None:
        return None
    return Object(box, labels[name], (box[2] - box[0]) * (box[3] - box[1]), hard=hard)


def _text(tree: ElementTree.Element, path: str) -> str:
    return (tree.findtext(path) or "").strip()

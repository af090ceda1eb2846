"""What `train:` and `test:` of a detection may say: pictures with boxes, in VOC's or in COCO's format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator

from ...errors import suggest
from ...graph.spec.section import Section

__all__ = ["Boxes", "Coco", "Voc"]

NOTES, LISTS = "Annotations", "ImageSets/Main"


class Voc(Section):
    """PASCAL VOC's format (Everingham et al. 2010): `Annotations/*.xml`, `JPEGImages/`, `ImageSets/Main/SPLIT.txt`.

    root: the folder that holds these, VOCdevkit/VOC2007 say; or several, whose pictures are taken together. split: the
    list that is taken of each: train, val, trainval or test.
    """

    model_config = ConfigDict(title="VocBoxes")

    use: Literal["voc"]
    root: str | list[str]
    split: str

    @field_validator("root")
    @classmethod
    def _each_once(cls, root: str | list[str]) -> str | list[str]:
        if not root or (isinstance(root, list) and len(set(root)) < len(root)):
            raise ValueError("root is a folder that holds Annotations, or several of them, each once")
        return root

    def absent(self) -> str | None:
        """What is not there at all."""
        gone = [root for root in self.roots if not (Path(root) / NOTES).is_dir()]
        if gone:
            root = Path(gone[0])
            inner = sorted(str(path.parent) for path in [*root.glob(f"*/{NOTES}"), *root.glob(f"*/*/{NOTES}")])[:2]
            hint = f": root is {' or '.join(inner)}" if inner else ""
            return f"there is no {NOTES} in {', '.join(gone)}{hint}"
        lists = [Path(root) / LISTS for root in self.roots]
        without = [folder for folder in lists if not (folder / f"{self.split}.txt").is_file()]
        if not without:
            return None
        there = sorted(path.stem for path in without[0].glob("*.txt") if "_" not in path.stem)  # no class's own
        near = suggest(self.split, there, "there are")
        return f"there is no {without[0] / self.split}.txt{f': {near}' if near else ''}"

    @property
    def roots(self) -> list[str]:
        return [self.root] if isinstance(self.root, str) else self.root

    def named(self) -> str:
        """What the pictures are called, wherever they are: `VOC2007 VOC2012 trainval`."""
        return " ".join([*(Path(root).resolve().name for root in self.roots), self.split])


class Coco(Section):
    """COCO's format (Lin et al. 2014, arXiv:1405.0312).

    annotations: the file with `images`, `annotations` and `categories`, instances_val2017.json say. images: the folder
    from which its `file_name`s are.
    """

    model_config = ConfigDict(title="CocoBoxes")

    use: Literal["coco"]
    annotations: str
    images: str

    def absent(self) -> str | None:
        """What is not there at all."""
        if not Path(self.annotations).is_file():
            return f"there is no file {self.annotations}"
        return None if Path(self.images).is_dir() else f"there is no folder {self.images}"

    def named(self) -> str:
        """What the pictures are called, wherever they are: `instances_val2017`."""
        return Path(self.annotations).stem


Boxes = Annotated[Voc | Coco, Field(discriminator="use")]

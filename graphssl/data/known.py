"""What is known of a data set before it is read: its row of the table, or for a folder what its files say."""

from __future__ import annotations

import contextlib
from functools import cached_property

from ..component import DataFacts
from ..graph import spec
from ..graph.spec.datasets import DATA_SETS, Channels
from .fit import Fit
from .lists import ListError
from .own.known import class_names, own_facts, samples_of
from .picture_sets import PictureSet


class FolderFacts(DataFacts):
    """Facts of a set of files. These are counted when somebody asks, which few do: it may take minutes."""

    files: PictureSet

    def __init__(self, files: PictureSet, size: tuple[int, int], mean: Channels, std: Channels) -> None:
        super().__init__(height=size[0], width=size[1], mean=mean, std=std, source=None)
        vars(self)["files"] = files
        del vars(self)["samples"], vars(self)["classes"]  # they would hide what is counted

    @cached_property
    def _counted(self) -> tuple[int | None, int | None]:
        with contextlib.suppress(ListError):  # `presence` tells of it
            return self.files.count()
        return None, None

    @cached_property
    def samples(self) -> int | None:
        return self._counted[0]

    @cached_property
    def classes(self) -> int | None:
        return self._counted[1]

    def fewer_than(self, n: int) -> int | None:
        """The number of training samples where it is known to be below n; looks at few more than n files."""
        with contextlib.suppress(ListError):
            return self.files.fewer_than(n)
        return None


def facts(data: spec.Data) -> DataFacts:
    """The facts of a data set; needs no file and reads no image.

    For `image_folder` the files are counted when `samples` or `classes` is asked for (None if the root is not there),
    views are 224 x 224 unless `size` says otherwise, and the pixel statistics are ImageNet's. So it is for
    `webdataset`, whose number of samples is `data.samples`, and whose classes nobody knows before it is read.
    """
    known = DATA_SETS[data.use]
    if known.kind == "dataset":
        return _of_dataset(data)
    size = sides(data)
    if known.kind == "pictures" and known.samples is None:
        return FolderFacts(PictureSet.of(data), size, known.mean, known.std)
    samples = data.samples or known.samples
    source = (known.size, known.size) if known.kind in ("embedded", "archive") else None
    return DataFacts(3, *size, samples, known.classes, known.mean, known.std, source)


def _of_dataset(data: spec.Data) -> DataFacts:
    known, row = own_facts(data), DATA_SETS[data.use]
    classes = len(class_names(known)) or None
    return DataFacts(3, *sides(data), samples_of(data, known), classes, row.mean, row.std, None)


def sides(data: spec.Data) -> tuple[int, int]:
    """Height and width that `data.size` says, or else the data set's own."""
    row = DATA_SETS[data.use]
    size = data.size or (own_facts(data).size if row.kind == "dataset" else row.size)
    return (size, size) if isinstance(size, int) else size


def fit_of(data: spec.Data) -> Fit:
    """How the pictures are prepared for evaluation."""
    crop, resize = data.eval.crop or sides(data), data.eval.resize
    return Fit(*((crop, crop) if isinstance(crop, int) else crop), resize)

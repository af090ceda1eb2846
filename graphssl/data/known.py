"""What is known of a data set before it is read: its row of the table, or for a folder what its files say."""

from __future__ import annotations

import contextlib
from functools import cached_property

from ..component import DataFacts
from ..errors import RunError
from ..graph import spec
from ..graph.spec.datasets import DATA_SETS
from .decode import Form
from .fit import Fit
from .lists import ListError
from .own.known import class_names, form_of, own_facts, samples_of
from .picture_sets import PictureSet

Means = tuple[float, ...]
GUESSED = (0.5, 0.25)


class FolderFacts(DataFacts):
    """Facts of a set of files. These are counted when somebody asks, which few do: it may take minutes."""

    files: PictureSet

    def __init__(self, files: PictureSet, size: tuple[int, int], form: Form, mean: Means, std: Means) -> None:
        super().__init__(form.channels, *size, None, None, mean, std, None, form.dtype)
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

    @cached_property
    def unlabelled(self) -> bool:
        with contextlib.suppress(RunError):
            return self.files.unlabelled
        return False

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
    known, size, form = DATA_SETS[data.use], sides(data), form_of(data)
    mean, std = statistics(data)
    if known.kind == "pictures" and known.samples is None:
        return FolderFacts(PictureSet.of(data), size, form, mean, std)
    if known.kind == "dataset":
        own = own_facts(data)
        samples, classes = samples_of(data, own), len(class_names(own)) or None
    else:
        samples, classes = data.samples or known.samples, known.classes
    source = (known.size, known.size) if known.kind in ("embedded", "archive") else None
    return DataFacts(form.channels, *size, samples, classes, mean, std, source, form.dtype)


def statistics(data: spec.Data) -> tuple[Means, Means]:
    """Mean and standard deviation of each channel: given, or the data set's own, or guessed."""
    row, form = DATA_SETS[data.use], form_of(data)
    if data.mean is not None and data.std is not None:
        return tuple(data.mean), tuple(data.std)
    own = own_facts(data) if row.kind == "dataset" else None
    if own is not None and own.mean is not None and own.std is not None:
        return tuple(own.mean), tuple(own.std)
    return (row.mean, row.std) if is_rgb(form) else (GUESSED[:1] * form.channels, GUESSED[1:] * form.channels)


def guess_note(data: spec.Data) -> str | None:
    """What to say where mean and std are guessed."""
    form = form_of(data)
    own = own_facts(data) if DATA_SETS[data.use].kind == "dataset" else None
    if data.mean is not None or is_rgb(form) or (own is not None and own.mean is not None):
        return None
    return f"mean {GUESSED[0]:g} and std {GUESSED[1]:g} are taken of each channel; `graphssl data` computes them"


def whence_labels(data: spec.Data) -> str:
    """What to say where there are no labels: what would have some, of a set of this kind."""
    kind = DATA_SETS[data.use].kind
    if data.use == "hf":
        none = getattr(data, "label", None) == "none"
        return "`label: none` says so" if none else "`label` names a column of them, where there is one"
    if kind == "dataset":
        return "`classes` in its `facts` says that there are some; a Dataset may also have them as `labels`"
    if kind == "shards":
        return "samples with a .cls file, or .json with a label, have them"
    if data.labels == "none":
        return "`labels: none` says so"
    if data.files is not None:
        table = data.files.lower().endswith(".csv")
        return "its column 'label' has none" if table else "a .csv with the columns path and label has them"
    return "pictures in a folder for each class have them"


def is_rgb(form: Form) -> bool:
    """Whether pictures are such as ImageNet's statistics are of."""
    return (form.channels, form.dtype) == (3, "uint8")


def sides(data: spec.Data) -> tuple[int, int]:
    """Height and width that `data.size` says, or else the data set's own."""
    row = DATA_SETS[data.use]
    size = data.size or (own_facts(data).size if row.kind == "dataset" else row.size)
    return (size, size) if isinstance(size, int) else size


def fit_of(data: spec.Data) -> Fit:
    """How the pictures are prepared for evaluation."""
    crop, resize = data.eval.crop or sides(data), data.eval.resize
    return Fit(*((crop, crop) if isinstance(crop, int) else crop), resize)

"""The samples of a split of a torch Dataset, as the pictures that are read by position."""

from __future__ import annotations

import hashlib
import operator
import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...code import load_file, loaded_files
from ...errors import RAISED, RunError
from ..batch import UNREAD, Sample
from ..decode import BadImageError, Form, read
from ..decoding.arrays import of_array, of_pillow
from ..decoding.upright import orientation_of, turned
from ..order import permutation
from .known import told

__all__ = ["Samples", "labels_in", "none_in"]

PEEKED = 4  # samples
TAKEN = "one of Pillow's pictures, an array, a tensor, the bytes of a file or its path"


class Samples:
    """See `Pictures`. index: int64, `n`, which samples of the Dataset they are. called: the set and its split.

    label: int64, by sample of the Dataset; None where each brings its own. classes: how many; None if nobody knows.
    form: what pictures are when they are decoded.
    """

    def __init__(
        self, dataset: Any, index: Tensor, called: str, label: Tensor | None, classes: int | None, form: Form
    ) -> None:
        self._dataset, self._index, self._called, self._classes, self._form = dataset, index, called, classes, form
        self._read_labels = label is None and classes is not None
        n = len(index)
        if label is not None:
            self.label = label[index]
        else:
            self.label = torch.full((n,), UNREAD if self._read_labels else -1, dtype=torch.int64)
        self.fingerprint = _fingerprint(called, dataset, index, label)

    def __getstate__(self) -> dict[str, Any]:
        """For a worker process that is no copy of this one: with the files in which the Dataset's class may stand."""
        try:
            return {"files": loaded_files(), "pickled": pickle.dumps(self.__dict__)}
        except Exception as error:
            raise RunError(
                f"{self._called} cannot be handed to the processes that read pictures: {told(error)}. With "
                "`data.workers: 0` this one reads them"
            ) from error

    def __setstate__(self, state: dict[str, Any]) -> None:
        for file in state["files"]:
            load_file(Path(file), file)
        self.__dict__.update(pickle.loads(state["pickled"]))

    described = True  # its names are no paths

    @property
    def steady(self) -> bool:
        """Whether a sample is the same each time, as the Dataset says: anybody's may be random."""
        return bool(getattr(self._dataset, "steady", False))

    @property
    def paths(self) -> Samples:
        """Their names, by position."""
        return self

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, position: int) -> str:
        return f"sample {int(self._index[position])} of {self._called}"

    def sample(self, position: int) -> Sample:
        """See `Pictures.sample`: whatever the Dataset raises makes this one unreadable."""
        number = int(self._index[position])
        try:
            found = self._dataset[number]
        except (RunError, BadImageError, MemoryError):
            raise
        except SystemExit as error:
            raise RunError(f"`__getitem__` ends the process at {self[position]}: sys.exit({error.code!r})") from error
        except Exception as error:
            raise BadImageError(told(error)) from error
        if not isinstance(found, tuple | list) or len(found) != 2:
            values = f"{len(found)} value{'' if len(found) == 1 else 's'}"
            there = values if isinstance(found, tuple | list) else _kind(found)
            raise RunError(f"{self[position]} is {there}: `__getitem__` should give two, (picture, label)")
        label = int(self.label[position])
        if self._read_labels:
            label = as_label(found[1], self._classes, self[position])
        return Sample(self._picture(found[0], position), label)

    def _picture(self, picture: Any, position: int) -> bytes | Tensor:
        if isinstance(picture, bytes | bytearray | memoryview):
            return bytes(picture)
        if isinstance(picture, str | Path):
            return read(os.path.expanduser(picture))
        if isinstance(picture, Tensor):
            return of_array(picture.detach().cpu().numpy(), self._form)
        if hasattr(picture, "getbands"):  # asked first: a closed picture raises when it is asked for its array
            return self._of_pillow(picture)
        if hasattr(picture, "__array_interface__"):
            return of_array(picture, self._form)
        raise RunError(f"the picture of {self[position]} is {_kind(picture)}: {TAKEN}")

    def _of_pillow(self, picture: Any) -> Tensor:
        try:
            values = of_pillow(picture, self._form)
            return turned(values, orientation_of(picture)) if self._form.upright else values
        except (BadImageError, MemoryError):
            raise
        except Exception as error:  # Pillow raises what it likes
            raise BadImageError(str(error) or type(error).__name__) from error

    def expect(self, positions: Sequence[int]) -> None:
        """See `Pictures.expect`."""

    def order(self, seed: int, epoch: int, kept: Tensor | None = None) -> Tensor:
        """See `Pictures.order`."""
        return permutation(len(self) if kept is None else len(kept), seed, epoch)

    def close(self) -> None:
        """See `Pictures.close`."""


def as_label(value: Any, classes: int | None, called: str) -> int:
    """A label as an int, -1 for None. Raises RunError for what is none."""
    if value is None:
        return -1
    try:
        label = operator.index(value)
    except TypeError:
        label = None
    if label is None or isinstance(value, bool):
        raise RunError(f"the label of {called} is {_kind(value)}: a label is an int from 0, or None")
    if label < -1 or (classes is not None and label >= classes):
        below = f", below {classes:,}, the number of classes" if classes is not None else ""
        raise RunError(f"the label of {called} is {label}: a label is an int from 0{below}, or None")
    return label


def labels_in(dataset: Any, called: str, classes: int | None) -> Tensor | None:
    """The `labels` of a Dataset that has them, int64, -1 where unknown. Raises RunError for what are none."""
    labels = getattr(dataset, "labels", None)
    if labels is None or callable(labels):
        return None
    try:
        found = list(labels.tolist() if hasattr(labels, "tolist") else labels)
    except TypeError:
        raise RunError(f"`labels` of {called} is {_kind(labels)}: a sequence of ints, or of None") from None
    if len(found) != len(dataset):
        raise RunError(f"`labels` of {called} are {len(found):,}, and its samples {len(dataset):,}")
    read = [as_label(label, classes, f"sample {i} of {called}") for i, label in enumerate(found)]
    return torch.tensor(read, dtype=torch.int64)


def none_in(dataset: Any) -> Tensor | None:
    """The labels of a Dataset whose first samples have none, all of them -1; None where some have one, or none is read.

    Labels that come with their samples would be known at the end of an epoch only.
    """
    looked = range(0, len(dataset), max(len(dataset) // PEEKED, 1))[:PEEKED]
    for number in looked:
        try:
            _, label = dataset[number]
        except RAISED:  # it is read again, and then told
            return None
        if label is not None and label != -1:
            return None
    return torch.full((len(dataset),), -1, dtype=torch.int64) if len(dataset) else None


def _kind(value: object) -> str:
    """What a value is, in short."""
    shown = repr(value)
    return (
        shown if len(shown) < 40 and isinstance(value, str | int | float | None) else f"of type {type(value).__name__}"
    )


def _fingerprint(called: str, dataset: Any, index: Tensor, label: Tensor | None) -> str:
    """Of the samples' number and labels, and of what the Dataset says itself, `fingerprint`, if it does."""
    own = getattr(dataset, "fingerprint", "")
    digest = hashlib.blake2b(f"{called}\0{len(dataset)}\0{own}".encode(), digest_size=8)
    digest.update(index.numpy().tobytes())
    if label is not None:
        digest.update(label.numpy().tobytes())
    return digest.hexdigest()

"""Pictures in tar shards (webdataset's layout), read one by one at the offsets that an index knows.

The index of a shard is made once, from its headers, and kept in the user's cache; `write_shards` puts it beside each
shard, as NAME.tar.index, and then nothing need be scanned. So positions, the length of an epoch and resuming in its
middle are those of any other data set. webdataset's own reader gives a stream, which has none of these.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor

from ...errors import RunError, suggest
from ...graph import spec
from ..batch import Sample
from ..files import UNLABELLED, Paths
from ..order import windowed
from . import addresses
from .copies import Copies
from .index import Index, seal_of
from .indices import Progress, beside, indices_of, kept_at
from .versions import versions_of

OPEN = 128  # files in each process; fewer of those that may have to make room on the disk
MOST_CLASSES, MOST_DIGITS = 1_000_000, 20  # higher labels are somebody's own numbers, longer ones names


class Shards:
    """The pictures of one split. window: how many shards an epoch's order mixes at a time."""

    def __init__(
        self, urls: Sequence[str], indices: Sequence[Index], label: Tensor, window: int, copies: Copies
    ) -> None:
        counts = torch.tensor([len(index.names) for index in indices], dtype=torch.int64)
        self.urls, self.label, self.window, self.copies = tuple(urls), label, window, copies
        self.paths = _Names(self.urls, Paths([name for index in indices for name in index.names]), counts.cumsum(0))
        self.fingerprint = _fingerprint(urls, indices)
        self.notes = _left_out(urls, indices)
        self._seals = [(index.seal, index.offset[[0, -1]]) for index in indices]
        self._shard = torch.repeat_interleave(torch.arange(len(indices), dtype=torch.int32), counts)
        self._offset = torch.cat([torch.empty(0, dtype=torch.int64), *(torch.from_numpy(i.offset) for i in indices)])
        self._length = torch.cat([torch.empty(0, dtype=torch.int64), *(torch.from_numpy(i.length) for i in indices)])
        self._files: OrderedDict[int, int] = OrderedDict()
        self._remote = any(addresses.is_remote(url) for url in urls)
        self._open = min(OPEN, window + 2) if self._remote else OPEN

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_files": OrderedDict()}

    def sample(self, position: int) -> Sample:
        """See `Pictures.sample`."""
        return Sample(self.read(position), int(self.label[position]))

    def read(self, position: int) -> bytes:
        """A picture's file."""
        shard, offset, length = (int(x[position]) for x in (self._shard, self._offset, self._length))
        try:
            data = os.pread(self._file(shard), length, offset)
        except OSError as error:
            raise RunError(f"the shard '{self.urls[shard]}' cannot be read: {error.strerror or error}") from error
        if len(data) < length:
            raise RunError(self._changed(shard))
        return data

    @property
    def steady(self) -> bool:
        """Whether reading some pictures costs little: what is far away is not fetched for it."""
        return not self._remote

    def sizes_and_times(self, positions: Sequence[int]) -> Tensor:
        """See `traces`: of no time, for a tar is written as one."""
        sizes = self._length[list(positions)]
        return torch.stack([sizes, torch.zeros_like(sizes)])

    def expect(self, positions: Sequence[int]) -> None:
        """See `Pictures.expect`: their shards are fetched in the background."""
        if self._remote:
            self.copies.ahead(self.urls[shard] for shard in self._shard[list(positions)].unique().tolist())

    def order(self, seed: int, epoch: int, kept: Tensor | None = None) -> Tensor:
        """See `Pictures.order`."""
        shard = self._shard if kept is None else self._shard[kept]
        return windowed(shard.to(torch.int64), self.window, seed, epoch)

    def _file(self, shard: int) -> int:
        """An open file of the shard."""
        if shard in self._files:
            self._files.move_to_end(shard)
            return self._files[shard]
        file = self._opened(shard)
        seal, offset = self._seals[shard]
        if seal_of(file, offset) != seal:
            os.close(file)
            raise RunError(self._changed(shard))
        self._files[shard] = file
        if len(self._files) > self._open:
            os.close(self._files.popitem(last=False)[1])
        return file

    def _opened(self, shard: int) -> int:
        url = self.urls[shard]
        with contextlib.suppress(FileNotFoundError):
            return os.open(self.copies.path(url), os.O_RDONLY)
        return os.open(self.copies.path(url), os.O_RDONLY)  # the copy made room for another in the meantime

    def _changed(self, shard: int) -> str:
        url = self.urls[shard]
        said = f"the shard '{url}' is not the one that its index knows: it has changed"
        if not addresses.is_remote(url):
            return f"{said} since the set was opened. Start again"
        copy, kept = self.copies.path(url), kept_at(url, self.copies.versions)
        return f"{said}. Remove the index ('{beside(url)}', or '{kept}') and the copy '{copy}', and start again"

    def close(self) -> None:
        """See `Pictures.close`."""
        while self._files:
            os.close(self._files.popitem()[1])


class _Names:
    """`shard.tar: name` by position."""

    def __init__(self, urls: Sequence[str], names: Paths, ends: Tensor) -> None:
        self._urls, self._names, self._ends = urls, names, ends

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, position: int) -> str:
        shard = int(torch.searchsorted(self._ends, position, right=True))
        return f"{self._urls[shard]}: {self._names[position]}"


def open_shards(data: spec.Data, progress: Progress | None = None) -> tuple[Shards, Shards, tuple[str, ...]]:
    """Training split, held-out split (empty, maybe) and the names of the classes, by label.

    Labels that are whole numbers are taken as they are, those below 0 as unknown; others are names, numbered in their
    order. progress: samples found, and about how many there will be. Raises RunError with what is wrong.
    """
    train, test = addresses.split(data.one_root, data.test)
    copies = Copies(versions_of([*train, *test]))
    indices = indices_of([*train, *test], copies, progress)
    parts = indices[: len(train)], indices[len(train) :]
    found = sum(len(index.names) for index in parts[0])
    if data.samples is not None and found > data.samples:
        raise RunError(f"there are {found:,} training samples, and data.samples says {data.samples:,}: give it as that")
    classes = _classes(parts[0]) or _classes(parts[1])
    kept, held = (
        Shards(urls, part, _labels(part, urls, classes), data.window, copies)
        for urls, part in zip((train, test), parts, strict=True)
    )
    return kept, held, classes


# -- labels ----------------------------------------------------------------------------------------------------------


def _classes(indices: Sequence[Index]) -> tuple[str, ...]:
    """The names of the classes, by label: those of the training split."""
    known = {label for index in indices for label in index.labels if label}
    if known and all(_is_number(label) for label in known):
        highest = max(int(label) for label in known)
        if highest < MOST_CLASSES:
            return tuple(str(n) for n in range(highest + 1))
    return tuple(sorted(known))


def _labels(indices: Sequence[Index], urls: Sequence[str], classes: Sequence[str]) -> Tensor:
    """int64, `n`."""
    number = {"": UNLABELLED, **{name: label for label, name in enumerate(classes)}}
    labels = []
    for url, index in zip(urls, indices, strict=True):
        for text in index.labels:
            label = number.get(text)
            if label is None:
                label = number[text] = _label(text, url, classes)
            labels.append(label)
    return torch.tensor(labels, dtype=torch.int64)


def _label(text: str, url: str, classes: Sequence[str]) -> int:
    """A label that is not written as its class is: below 0, with zeros before it, or unknown."""
    if _is_number(text) and (not classes or _is_number(classes[0])) and int(text) < len(classes):
        return max(int(text), UNLABELLED)
    raise RunError(
        f"the class '{text}' of the shard '{url}' has no training pictures: the held-out split may only hold the "
        f"training split's classes; {suggest(text, classes).text or ''}"
    )


def _is_number(label: str) -> bool:
    return len(label) <= MOST_DIGITS and label.removeprefix("-").isdecimal()


def _left_out(urls: Sequence[str], indices: Sequence[Index]) -> tuple[str, ...]:
    """What to say of samples without a picture that is read."""
    left = [(url, index) for url, index in zip(urls, indices, strict=True) if index.others]
    count = sum(index.others for _, index in left)
    if not left:
        return ()
    said = "samples are left out, for they have" if count > 1 else "sample is left out, for it has"
    return (f"{count:,} {said} no picture that is read, such as '{left[0][0]}: {left[0][1].other}'",)


def _fingerprint(urls: Sequence[str], indices: Sequence[Index]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for url, index in zip(urls, indices, strict=True):
        parts = [addresses.name_of(url.partition("?")[0]), *index.names, "", *index.labels, ""]
        digest.update("\0".join(parts).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()

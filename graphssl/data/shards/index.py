"""What a tar shard holds and where, from its headers alone: a picture's name, offset, length and label.

Layout (webdataset's): members that follow each other and share a name up to the first dot are one sample:
`000123.jpg`, `000123.cls`, `000123.json`; a name that comes again begins another. A sample's picture is its first, but
`000123.jpg` comes before `000123.depth.png`; its label is the text of `cls`, or `label` or `cls` in `json`. A sample
without a picture is passed over.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...errors import RunError, reason_of
from ...files import replacing, special
from ..decode import BadImageError
from ..decoding.bounds import opened
from ..folder import SUFFIXES

# A tar begins with a name, which may be BZh1.jpg.
COMPRESSED = {"gzip": rb"\x1f\x8b\x08", "bzip2": rb"BZh[1-9]1AY&SY", "xz": rb"\xfd7zXZ\0", "zstd": rb"\x28\xb5\x2f\xfd"}
VERSION = "2"
MOST = 1 << 20  # bytes of a label, and of a header's own data: more is no label, and would fill the memory
LARGEST = 1 << 32  # bytes of an index
BESIDE = ("cls", "json", "txt", "index", "__key__")  # suffixes of what a sample may have beside its picture


OWN_DATA = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip


@dataclass(frozen=True)
class Index:
    """One shard. labels: text, empty where there is none. offset, length: of the pictures, int64, `n`.

    seal: by which its file is known again, its size and what its first and last headers say. others: samples without a
    picture that is read; other: one of them.
    """

    seal: str
    names: tuple[str, ...]
    labels: tuple[str, ...]
    offset: np.ndarray
    length: np.ndarray
    others: int = 0
    other: str = ""

    def save(self, path: Path) -> None:
        """Writes it whole or not at all."""
        known = VERSION, self.seal, str(self.others), self.other
        facts, names, labels = (_coded(texts) for texts in (known, self.names, self.labels))
        with replacing(path) as partial, partial.open("wb") as file:
            np.savez(file, facts=facts, names=names, labels=labels, offset=self.offset, length=self.length)


def load(file: str | Path | BinaryIO) -> Index | None:
    """An index that was saved; None where there is none that can be used."""
    try:
        if not isinstance(file, io.BytesIO) and special(Path(str(file))) is not None:
            return None  # a pipe, say, which would hold everybody up
        with np.load(file, allow_pickle=False) as found:
            if sum(part.file_size for part in found.zip.infolist()) > LARGEST:
                return None
            version, seal, others, other = _texts(found["facts"])
            names, labels = _texts(found["names"]), _texts(found["labels"])
            index = Index(seal, names, labels, found["offset"], found["length"], int(others), other)
    except Exception:  # numpy and zipfile raise many kinds on a file that is none of ours
        return None
    whole = len(index.names) == len(index.labels) == len(index.offset) == len(index.length)
    return index if version == VERSION and whole else None


def _coded(texts: Sequence[str]) -> np.ndarray:
    return np.frombuffer("\0".join(texts).encode("utf-8", "surrogateescape"), dtype=np.uint8)


def _texts(coded: np.ndarray) -> tuple[str, ...]:
    return tuple(bytes(coded).decode("utf-8", "surrogateescape").split("\0"))


def scan(path: str, called: str) -> Index:
    """Reads the headers of a shard, and its labels. called: its address, for messages.

    Raises RunError where it is not there, is compressed or damaged, or holds no picture.
    """
    try:
        others: list[str] = []
        with opened(path) as file:
            _refuse_compressed(file.read(10), called)
            file.seek(0)
            found = list(_samples(file, called, others))
            offset = np.array([offset for _, _, offset, _ in found], dtype=np.int64)
            seal = seal_of(file.fileno(), offset)
    except FileNotFoundError as error:
        raise RunError(f"there is no shard '{called}'") from error
    except (OSError, BadImageError) as error:
        why = getattr(error, "strerror", None) or error
        raise RunError(f"the shard '{called}' cannot be read: {why}") from error
    if not found:
        raise RunError(
            f"there is no picture in the shard '{called}': a sample is KEY.jpg, and KEY.cls or KEY.json for its label; "
            f"names of pictures end in {', '.join(SUFFIXES)}"
        )
    names, labels, _, length = zip(*found, strict=True)
    return Index(seal, names, labels, offset, np.array(length, dtype=np.int64), len(others), "".join(others[:1]))


def seal_of(file: int, offset: np.ndarray) -> str:
    """The seal of an open file that should have pictures at these offsets."""
    digest = hashlib.blake2b(str(os.fstat(file).st_size).encode(), digest_size=8)
    for start in offset[:1].tolist() + offset[-1:].tolist():
        digest.update(os.pread(file, tarfile.BLOCKSIZE, start - tarfile.BLOCKSIZE))
    return digest.hexdigest()


def _refuse_compressed(magic: bytes, called: str) -> None:
    for kind in (kind for kind, begin in COMPRESSED.items() if re.match(begin, magic)):
        raise RunError(
            f"the shard '{called}' is compressed ({kind}), and its pictures can then not be read one by one. "
            "Unpack it: pictures are compressed already"
        )


class _Sample:
    """The members of one key, as they come: by suffix."""

    def __init__(self, key: str) -> None:
        self.key, self.label, self.picture = key, "", ("", 0, 0)
        self.suffixes: set[str] = set()
        self._plain = False  # whether the picture's suffix is its kind and nothing else

    def add(self, member: tarfile.TarInfo, suffix: str, file: BinaryIO) -> None:
        self.suffixes.add(suffix)
        more, _, kind = suffix.lower().rpartition(".")
        if f".{kind}" in SUFFIXES:
            if not self.picture[0] or not (more or self._plain):
                self.picture, self._plain = (member.name, member.offset_data, member.size), not more
        elif suffix.lower() in ("cls", "json"):
            if member.size > MOST:
                raise ValueError(f"'{member.name}' has {member.size:,} bytes, and is no label")
            file.seek(member.offset_data)
            text = file.read(member.size).decode("utf-8", "replace").replace("\0", "").strip()
            self.label = text if kind == "cls" else self.label or _in_json(text)


def _samples(file: BinaryIO, called: str, others: list[str]) -> Iterator[tuple[str, str, int, int]]:
    """Name, label, offset and length of each picture. others: takes what samples without one have.

    Raises RunError where a label stands apart from its picture.
    """
    unlabelled, labels = set[str](), set[str]()
    for sample in _grouped(file, called):
        name, offset, length = sample.picture
        if name:
            yield name, sample.label, offset, length
        elif left := sorted(suffix for suffix in sample.suffixes if suffix.lower() not in BESIDE):
            others.append(f"{sample.key.removeprefix('/')}.{left[0]}")
        if bool(name) != bool(sample.label):
            (unlabelled if name else labels).add(sample.key)
    if apart := sorted(unlabelled & labels):
        raise RunError(
            f"in the shard '{called}' the label of '{apart[0].removeprefix('/')}' does not follow its picture, or the "
            "picture its label: write it again in the order of the names (`tar --sort=name`)"
        )


def _grouped(file: BinaryIO, called: str) -> Iterator[_Sample]:
    sample = _Sample("")
    try:
        for member, key, suffix in _members(file, called):
            if key != sample.key or suffix in sample.suffixes:
                yield sample
                sample = _Sample(key)
            sample.add(member, suffix, file)
    except ValueError as error:
        raise RunError(f"the shard '{called}': {error}") from error
    yield sample


class _Member(tarfile.TarInfo):
    """A member whose header has no more data of its own than a name may take: tarfile would read all of it."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.size > MOST and self.type in OWN_DATA:
            raise tarfile.ReadError(f"a header says that it has {self.size:,} bytes of its own")
        return super()._proc_member(tar)  # type: ignore[misc,no-any-return]  # of the standard library


def _members(file: BinaryIO, called: str) -> Iterator[tuple[tarfile.TarInfo, str, str]]:
    """The files of a tar with their keys and suffixes; those that begin with a dot are passed over."""
    try:
        with tarfile.open(fileobj=file, mode="r:", tarinfo=_Member) as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # or else it keeps them all
                folder, _, base = member.name.rpartition("/")
                key, _, suffix = base.partition(".")
                if member.isreg() and key:
                    yield member, f"{folder}/{key}", suffix
            file.seek(tar.offset)
            if file.read(2 * tarfile.RECORDSIZE).strip(b"\0"):  # tarfile ends at a header that it cannot read
                raise tarfile.ReadError("a header is damaged, or another tar follows its end")
    except (tarfile.TarError, ValueError, RecursionError) as error:
        raise RunError(f"the shard '{called}' is no whole tar: {reason_of(error)}. Write or fetch it again") from error


def _in_json(text: str) -> str:
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(text)
        if isinstance(found, dict):
            label = found.get("label", found.get("cls"))
            return str(label) if isinstance(label, int | str) and not isinstance(label, bool) else ""
    return ""

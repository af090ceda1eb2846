"""Folders of pictures written as shards, in an order that mixes the classes, and indices written beside shards."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

from ...errors import RunError
from ...files import home, replacing, writing
from ..decode import BadImageError
from ..files import Files
from ..folder import listing
from ..order import permutation
from .addresses import SUFFIX, everything, is_remote
from .index import scan
from .indices import beside


def write_shards(root: str | Path, into: str | Path, *, samples: int = 10_000, seed: int = 0) -> dict[str, int]:
    """Writes the pictures of a folder as `into/train-000000.tar`, `into/test-000000.tar` and so on, as they are.

    root: as for `image_folder`, which says what is held out. samples: in each shard. seed: of the order, which is
    random, since an epoch mixes only some shards at a time. Returns the number of samples of each split. Raises
    RunError where there is no picture or one cannot be read, and where shards cannot be written or are there already.
    """
    if samples < 1:
        raise RunError(f"a shard holds at least one sample: `samples` is {samples}")
    train, test, _ = listing(home(root))
    folder = home(into)
    if folder.is_dir() and (old := everything(str(folder))):
        raise RunError(f"'{old[0]}' is there already, and would be read with the new shards: take another folder")
    with writing(f"'{folder}'"):
        folder.mkdir(parents=True, exist_ok=True)
    for name, files in (("train", train), ("test", test)):
        order = permutation(len(files.paths), seed, 0).tolist()
        for number, start in enumerate(range(0, len(order), samples)):
            _write(folder / f"{name}-{number:06d}.tar", files, order[start : start + samples], start)
    return {"train": len(train.paths), "test": len(test.paths)}


def index_shards(root: str) -> int:
    """Writes the index of each shard beside it, for shards that will be read from afar. Returns the number of samples.

    root: a folder or a pattern, on this machine. Raises RunError for a shard that is damaged or not there.
    """
    shards = [] if is_remote(root) else everything(root)
    if not shards:
        raise RunError(f"there is no shard on this machine: no file of '{root}' ends in {SUFFIX}")
    return sum(_indexed(shard) for shard in shards)


def _indexed(shard: str) -> int:
    index = scan(shard, shard)
    with writing(f"'{beside(shard)}'"):
        index.save(Path(beside(shard)))
    return len(index.names)


def _write(path: Path, files: Files, positions: Sequence[int], first: int) -> None:
    """One shard and its index, whole or not at all."""
    with (
        writing(f"'{path}'"),
        replacing(path) as partial,
        tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for key, position in enumerate(positions, first):
            label = int(files.label[position])
            name = files.paths[position]
            try:
                _add(tar, f"{key:09d}{Path(name).suffix.lower()}", files.read(position))
            except BadImageError as error:
                raise RunError(f"'{name}' cannot be read: {error}") from error
            if label >= 0:
                _add(tar, f"{key:09d}.cls", str(label).encode())
    _indexed(str(path))


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))

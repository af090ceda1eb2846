"""Small folders of real JPEG files, sets that are opened, and batches compared, for the tests of the data sets."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from helpers import CPU
from PIL import Image
from torch import Tensor
from torch.utils._pytree import tree_leaves

from graphssl.data import Batch, Datasets, open_data
from graphssl.data.decode import decode, read
from graphssl.data.fit import Fit
from graphssl.graph import spec

OPEN: list[Datasets] = []


def picture(seed: int, height: int = 40, width: int = 48) -> Image.Image:
    """A smooth random picture, so that JPEG keeps it nearly as it is."""
    coarse = np.random.RandomState(seed).randint(0, 256, (5, 6, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def write_folder(
    root: Path,
    parts: tuple[str, ...] = ("train", "test"),
    classes: tuple[str, ...] = ("ant", "bee"),
    each: int = 12,
) -> Path:
    """Writes `root/<part>/<class>/<number>.jpg`, `each` pictures a class; returns the root."""
    for p, part in enumerate(parts):
        for c, name in enumerate(classes):
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(each):
                picture(1000 * p + 100 * c + i).save(folder / f"{i:03d}.jpg", quality=92)
    return root


def config(root: Path, use: str = "image_folder", **values: object) -> spec.Data:
    return spec.Data.model_validate({"use": use, "root": str(root), "size": 16, "batch": 4, **values})


def opened(root: Path, use: str = "image_folder", **values: object) -> Datasets:
    OPEN.append(open_data(config(root, use, **values), CPU, 0))
    return OPEN[-1]


def closing() -> Iterator[None]:
    """For a fixture: closes what was opened."""
    yield
    while OPEN:
        OPEN.pop().close()


def digits(seed: int = 0, accumulate: int = 1, **values: object) -> Datasets:
    return open_data(spec.Data.model_validate(values), CPU, seed, accumulate)


def same(a: list[Batch], b: list[Batch]) -> bool:
    return len(a) == len(b) and all(
        torch.equal(x, y)
        for p, q in zip(a, b, strict=True)
        for x, y in zip(tree_leaves(p), tree_leaves(q), strict=True)
    )


def seen(source: bytes | str | Path, size: int) -> Tensor:
    """A file, or its bytes, as it is evaluated at `size` x `size`: uint8, `3 size size`."""
    return Fit(size, size)(decode(source if isinstance(source, bytes) else read(str(source))))


def no_regular_file(path: Path, kind: str) -> str:
    """Makes a pipe, a socket, a link to a pipe, or a folder; the word for it in messages."""
    if kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made, contextlib.chdir(path.parent):  # their names have a short limit
            made.bind(path.name)
    elif kind == "link":
        os.mkfifo(path.with_name("led_to"))
        path.symlink_to("led_to")
    else:
        os.mkfifo(path)
    return {"link": "pipe"}.get(kind, kind)

"""Features as a table in a file: parquet, npz or csv, by the ending of its name; there whole or not at all.

Each row is a picture: its file, its class (none where no folder says one) and its features. In parquet the features
are one column, a list of d float32; in npz an array `n d`; in csv d columns, `f0` to the last.
"""

from __future__ import annotations

import csv
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ...errors import RunError, UsageError
from ...files import check_place, replacing, special, writing

__all__ = ["check_table", "write_table"]

ROWS = 8192  # of a group in a parquet file: what a reader has to hold at once

Texts = Sequence[str]
Labels = Sequence[str | None]


def check_table(output: Path) -> None:
    """Raises, before anything is read, UsageError for a name that says no format, RunError for a folder that takes no
    file."""
    if output.suffix not in WRITERS:
        raise UsageError(f"features cannot be written as '{output.name}': names end in {', '.join(WRITERS)}")
    if special(output) == "a folder":
        raise UsageError(f"{output} is a folder: name a file, such as {output / f'features{output.suffix}'}")
    check_folder(output)


def check_folder(output: Path) -> None:
    """Raises RunError where no file can be written."""
    with writing(output):
        check_place(output)
        if not output.parent.is_dir():
            raise FileNotFoundError(2, "No such file or directory")
    if not os.access(output.parent, os.W_OK):
        raise RunError(f"{output} cannot be written: Permission denied")


def write_table(output: Path, files: Texts, classes: Labels, features: Tensor, facts: Mapping[str, str]) -> None:
    """Writes a row for each picture. features: float32 `n d`, on the CPU. facts: noted where the format has a place.

    Bytes of a file's name that are no UTF-8 are written as escapes. Raises RunError where it cannot be written.
    """
    with writing(output), replacing(output) as temporary:
        write = WRITERS[output.suffix]
        write(temporary, [_text(file) for file in files], [c and _text(c) for c in classes], features.numpy(), facts)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())


def _text(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()


def _parquet(path: Path, files: Texts, classes: Labels, features: Any, facts: Mapping[str, str]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    rows = pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), features.shape[1])
    columns = {"file": pa.array(files, pa.string()), "class": pa.array(classes, pa.string()), "features": rows}
    table = pa.table(columns).replace_schema_metadata({f"graphssl.{key}": value for key, value in facts.items()})
    parquet.write_table(table, path, row_group_size=ROWS)


def _npz(path: Path, files: Texts, classes: Labels, features: Any, facts: Mapping[str, str]) -> None:
    import numpy as np

    labels = [label or "" for label in classes]
    arrays = {"file": np.array(files), "class": np.array(labels), "features": features}
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive:  # np.savez knows no array called `file`
        for key, array in {**arrays, **{key: np.array(value) for key, value in facts.items()}}.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _csv(path: Path, files: Texts, classes: Labels, features: Any, facts: Mapping[str, str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "class", *(f"f{i}" for i in range(features.shape[1]))])
        for name, label, row in zip(files, classes, features, strict=True):
            writer.writerow([name, label or "", *(format(value, ".9g") for value in row.tolist())])


WRITERS: dict[str, Callable[[Path, Texts, Labels, Any, Mapping[str, str]], None]] = {
    ".parquet": _parquet,
    ".npz": _npz,
    ".csv": _csv,
}

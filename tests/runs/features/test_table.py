"""Features as files: what pandas, pyarrow and numpy read of them, and what cannot be written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pyarrow import parquet

from graphssl.errors import RunError, UsageError
from graphssl.runs.features import table
from graphssl.runs.features.table import check_table, write_table

FILES = ["a/ant, red.jpg", "b/b\u00e9e.jpg", "c.jpg"]
CLASSES = ["ant", "b\u00e9e", None]
FEATURES = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
FACTS = {"run": "one", "node": "encoder"}


def written(path: Path) -> Path:
    check_table(path)
    write_table(path, FILES, CLASSES, FEATURES, FACTS)
    return path


def test_parquet(tmp_path: Path) -> None:
    path = written(tmp_path / "f.parquet")
    found = pd.read_parquet(path)
    assert list(found.columns) == ["file", "class", "features"]
    assert found.file.tolist() == FILES
    assert parquet.read_table(path)["class"].to_pylist() == CLASSES
    assert np.array_equal(np.stack(found.features), FEATURES.numpy())
    schema = parquet.read_schema(path)
    assert str(schema.field("features").type) == "fixed_size_list<element: float>[4]"
    assert schema.metadata[b"graphssl.node"] == b"encoder"


def test_npz_needs_no_pickle(tmp_path: Path) -> None:
    found = np.load(written(tmp_path / "f.npz"), allow_pickle=False)
    assert found["file"].tolist() == FILES
    assert found["class"].tolist() == ["ant", "b\u00e9e", ""]
    assert np.array_equal(found["features"], FEATURES.numpy())
    assert found["features"].dtype == np.float32
    assert str(found["run"]) == "one"


def test_csv_keeps_every_bit(tmp_path: Path) -> None:
    found = pd.read_csv(written(tmp_path / "f.csv"))
    assert list(found.columns) == ["file", "class", "f0", "f1", "f2", "f3"]
    assert found.file.tolist() == FILES
    assert found["class"].isna().tolist() == [False, False, True]
    assert np.array_equal(found[["f0", "f1", "f2", "f3"]].to_numpy(np.float32), FEATURES.numpy())


@pytest.mark.parametrize("ending", ["parquet", "npz", "csv"])
def test_names_that_are_no_utf8_are_written_as_escapes(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"f.{ending}"
    write_table(path, [os.fsdecode(b"caf\xe9.jpg")], [None], FEATURES[:1], FACTS)
    read = {"parquet": pd.read_parquet, "csv": pd.read_csv, "npz": np.load}[ending]
    assert list(read(path)["file"]) == ["caf\\udce9.jpg"]


@pytest.mark.parametrize("name", ["f.pqt", "f", "f.npy", ".parquet"])
def test_other_endings_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"features cannot be written as '{name}': .*.parquet"):
        check_table(tmp_path / name)


def test_where_no_file_can_be_is_said_before(tmp_path: Path) -> None:
    (tmp_path / "it.csv").mkdir()
    with pytest.raises(UsageError, match=r"it.csv is a folder: name a file, such as .*it.csv/features.csv"):
        check_table(tmp_path / "it.csv")
    with pytest.raises(RunError, match=r"nowhere/f.csv cannot be written: No such file or directory"):
        check_table(tmp_path / "nowhere/f.csv")


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "f.csv")
    before = path.read_bytes()

    def full(file: Path, *_: object) -> None:
        file.write_text("file,cl")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(table.WRITERS, ".csv", full)
    with pytest.raises(RunError, match=r"f.csv cannot be written: No space left on device"):
        write_table(path, FILES, CLASSES, FEATURES, FACTS)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["f.csv"]

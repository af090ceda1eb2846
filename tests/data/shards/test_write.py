"""Shards written of a folder of pictures, and indices beside shards that are there."""

from __future__ import annotations

from pathlib import Path

import pytest
from picture_files import write_folder
from shard_files import CPU, config, files_of, opened, own_cache, own_set, samples, tar

from graphssl.data import index_shards, open_data, write_shards
from graphssl.errors import RunError

cache = pytest.fixture(autouse=True)(own_cache)


root = pytest.fixture(own_set)


def test_written_shards_hold_what_the_folder_holds(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures", each=12)
    assert write_shards(folder, tmp_path / "shards", samples=10) == {"train": 24, "test": 24}
    data, plain = opened(tmp_path / "shards"), open_data(config(folder, use="image_folder"), CPU, 0)
    assert sorted(p.name for p in (tmp_path / "shards").iterdir() if p.suffix == ".tar") == [
        "test-000000.tar", "test-000001.tar", "test-000002.tar", "train-000000.tar", "train-000001.tar", "train-000002.tar",
    ]  # fmt: skip
    assert files_of(data).paths[10].endswith("train-000001.tar: 000000010.jpg"), "keys go on"
    for ours, theirs in ((data.reference(30), plain.reference(30)), (data.test(30), plain.test(30))):
        a, b = next(ours), next(theirs)
        found = {(i.numpy().tobytes(), int(y)) for i, y in zip(a.image, a.label, strict=True)}
        assert found == {(i.numpy().tobytes(), int(y)) for i, y in zip(b.image, b.label, strict=True)}
        assert a.label.tolist() != sorted(a.label.tolist()), (
            "an epoch mixes only some shards, so each mixes the classes"
        )


def test_shards_are_not_written_beside_others(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures")
    write_shards(folder, tmp_path / "shards", samples=10)
    before = {path.name: path.read_bytes() for path in (tmp_path / "shards").iterdir()}
    with pytest.raises(RunError, match=r"'.*/shards/.*\.tar' is there already.*take another folder"):
        write_shards(folder, tmp_path / "shards", samples=100)
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "shards").iterdir()}


def test_a_picture_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures")
    gone = folder / "test" / "bee" / "gone.jpg"
    gone.symlink_to("nowhere")
    with pytest.raises(RunError, match=rf"'{gone}' cannot be read: No such file"):
        write_shards(folder, tmp_path / "shards")
    assert [path.name for path in (tmp_path / "shards").iterdir() if "test" in path.name] == []


@pytest.mark.parametrize("samples", [0, -1])
def test_a_shard_of_no_samples_is_refused(tmp_path: Path, samples: int) -> None:
    with pytest.raises(RunError, match="at least one sample"):
        write_shards(write_folder(tmp_path / "pictures"), tmp_path / "shards", samples=samples)


def test_where_nothing_can_be_written(tmp_path: Path, root: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"'.*/file/x' cannot be written: Not a directory"):
        write_shards(write_folder(tmp_path / "pictures"), tmp_path / "file" / "x")
    (root / "train-0.tar.index").mkdir()
    with pytest.raises(
        RunError, match=r"'.*/train-0\.tar\.index' cannot be written: it is a folder, and no regular file"
    ):
        index_shards(str(root))


def test_indices_are_written_of_all_that_will_be_read(tmp_path: Path) -> None:
    tar(tmp_path / "train" / "0.tar", samples(0, 3))
    tar(tmp_path / "val" / "0.tar", samples(0, 2))
    assert index_shards(str(tmp_path)) == 5
    assert index_shards(str(tmp_path / "val")) == 2
    assert sorted(tmp_path.rglob("*.index")) == [tmp_path / "train" / "0.tar.index", tmp_path / "val" / "0.tar.index"]


@pytest.mark.parametrize("root", ["/nowhere", "/nowhere/*.tar", "memory://bucket/a-{0..3}.tar"])
def test_indices_of_nothing_are_refused(root: str) -> None:
    with pytest.raises(RunError, match="there is no shard on this machine: no file of"):
        index_shards(root)

"""Checkpoints in parts: whole or not at all, read without running anything, and clear words for what is damaged."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from graphssl.errors import RunError
from graphssl.train import checkpoint_parts, distributed
from graphssl.train.checkpoint import FORMAT, Checkpoints, load
from graphssl.train.checkpoint_file import named
from graphssl.train.checkpoint_parts import save_parts

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled")


def payload(step: int = 3) -> dict[str, Any]:
    return {
        "format": FORMAT, "graph_hash": "abc", "step": step, "scores": {"knn": {0: 0.5}}, "none": None,
        "model": {"w": torch.arange(6.0).view(2, 3), "half": torch.ones(3, dtype=torch.bfloat16)},
        "optimizer": {"state": {0: {"step": torch.tensor(7.0), "m": torch.zeros(2, 3)}}, "param_groups": [{"lr": 0.1}]},
        "flag": {"on": torch.tensor(True), "none_of_it": torch.zeros(0, 3)},
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "step-00000003"
    save_parts(path, payload())
    return path


def test_what_is_saved_is_loaded(folder: Path) -> None:
    got, wanted = load(folder), payload()
    assert got["optimizer"]["param_groups"] == [{"lr": 0.1}]
    assert {k: got[k] for k in ("format", "graph_hash", "step", "scores", "none")} == {
        k: wanted[k] for k in ("format", "graph_hash", "step", "scores", "none")
    }
    one, other = named(wanted), named(got)
    assert one.keys() == other.keys()
    assert all(one[key].dtype == other[key].dtype and torch.equal(one[key], other[key]) for key in one)
    assert list(got["optimizer"]["state"]) == [0], "the optimizer's numbers of parameters are numbers"


def test_what_stands_beside_the_tensors_is_read_by_itself(folder: Path) -> None:
    rest = load(folder, whole=False)
    assert (rest["step"], rest["folder"]) == (3, str(folder))


@pytest.mark.parametrize("name", ["__0_0.distcp", ".metadata", "rest.pt"])
@pytest.mark.parametrize("change", ["flipped", "cut", "gone"])
def test_damage_is_noticed(folder: Path, name: str, change: str) -> None:
    path = folder / name
    content = bytearray(path.read_bytes())
    if change == "gone":
        path.unlink()
    else:
        content[content.find(b"abc") if name == "rest.pt" else len(content) // 2] ^= 255
        path.write_bytes(content if change == "flipped" else content[: len(content) // 2])
    with pytest.raises(RunError, match=r"step-00000003.* is damaged.*; delete it to go on without it"):
        load(folder)


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_nothing_that_it_holds_is_run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".metadata").write_bytes(pickle.dumps(Malicious(tmp_path / "made")))
    monkeypatch.setattr(checkpoint_parts, "load_rest", lambda folder: checkpoint_parts.load(folder / "rest.pt"))
    with pytest.raises(RunError, match="is damaged"):
        load(folder)
    assert not (tmp_path / "made").exists()


def test_tensors_only(tmp_path: Path) -> None:
    """Anything else would be unpickled by torch."""
    distributed.write_tensors(tmp_path / "a", {"w": torch.ones(2), "x": Malicious(tmp_path / "made")})  # type: ignore[dict-item]
    with pytest.raises(pickle.UnpicklingError, match=r"it names .*BytesStorageMetadata"):
        distributed.read_tensors(tmp_path / "a", lambda name, size: None)
    assert not (tmp_path / "made").exists()


def test_one_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint_parts, "write_tensors", full)
    with pytest.raises(RunError, match=r"step-00000003 cannot be written \(No space left on device; .* MB are free\)"):
        save_parts(tmp_path / "step-00000003", payload())
    assert list(tmp_path.iterdir()) == []


def test_older_ones_go_and_files_and_folders_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Checkpoints(tmp_path, keep=2)
    for step in range(1, 6):
        monkeypatch.setattr("graphssl.train.checkpoint.in_parts", lambda _, step=step: step % 2 == 1)
        store.write(step, payload(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000004.pt", "step-00000005"]
    latest = store.latest()
    assert latest is not None
    assert latest["step"] == 5


def test_what_a_killed_process_left_is_cleaned(tmp_path: Path) -> None:
    (tmp_path / ".step-00000001.tmp").mkdir()
    (tmp_path / ".step-00000001.tmp" / "__0_0.distcp").write_bytes(b"half")
    (tmp_path / ".step-00000000.old.tmp").mkdir()
    Checkpoints(tmp_path).write(2, payload(2))
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000002.pt"]

"""Checkpoints: whole or not at all, whatever happens while they are written; and clear words for what is not one."""

from __future__ import annotations

import errno
import logging
import os
import pickle
import signal
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import graphssl.train.checkpoint as module
from graphssl.errors import RunError
from graphssl.train.checkpoint import FORMAT, Checkpoints, load, save


def payload(step: int = 3, **more: Any) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "graph_hash": "abc",
        "step": step,
        "model": {"w": torch.full((1000,), float(step))},
        **more,
    }


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture
def store(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", keep=2)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).to(torch.float32)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    network(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    more: dict[str, Any] = {
        "optimizer": optimizer.state_dict(),
        "scaler": {},
        "knn": {0: 0.5, 5: 0.75},
        "none": None,
        "list": [1, "a", True],
    }
    save(tmp_path / "a.pt", payload(model=network.state_dict(), **more))
    got = load(tmp_path / "a.pt")
    assert (got["format"], got["graph_hash"], got["step"]) == (FORMAT, "abc", 3)
    assert {k: got[k] for k in ("scaler", "knn", "none", "list")} == {
        k: more[k] for k in ("scaler", "knn", "none", "list")
    }
    assert isinstance(got["model"], OrderedDict)
    assert all(torch.equal(v, got["model"][k]) for k, v in network.state_dict().items())
    torch.optim.AdamW(network.parameters()).load_state_dict(got["optimizer"])
    assert files(tmp_path) == ["a.pt"]


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.bool]
)
def test_dtypes_and_shapes_survive(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {"0-d": torch.tensor(1).to(dtype), "empty": torch.empty(0, 3).to(dtype), "2-d": torch.eye(3).to(dtype)}
    save(tmp_path / "a.pt", payload(model=tensors))
    got = load(tmp_path / "a.pt")["model"]
    assert all(got[k].dtype == dtype and torch.equal(got[k], v) for k, v in tensors.items())


def test_the_file_is_replaced(tmp_path: Path) -> None:
    save(tmp_path / "a.pt", payload(1))
    save(tmp_path / "a.pt", payload(2))
    assert load(tmp_path / "a.pt")["step"] == 2


def test_a_plain_state_dict_can_be_saved_too(tmp_path: Path) -> None:
    save(tmp_path / "encoder.pt", nn.Linear(2, 2).state_dict())
    nn.Linear(2, 2).load_state_dict(torch.load(tmp_path / "encoder.pt", weights_only=True))


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (np.float64(0.5), r"payload\['knn'\]\[0\] is a float64"),
        (object(), r"payload\['knn'\]\[0\] is a object"),
        ({np.int64(1): 2}, r"a key of payload\['knn'\]\[0\] is a int64"),
        (Path("x"), "PosixPath"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path, value: Any, where: str) -> None:
    with pytest.raises(TypeError, match=where):
        save(tmp_path / "a.pt", payload(knn=[value]))
    assert files(tmp_path) == []


# -- failures while writing ----------------------------------------------------------------------------------


def full_disk(*args: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    save(tmp_path / "a.pt", payload(1))
    monkeypatch.setattr(os, name, full_disk)
    with pytest.raises(RunError, match=r"a\.pt cannot be written \(No space left on device; [\d,]+ MB are free\)"):
        save(tmp_path / "a.pt", payload(2))
    monkeypatch.undo()
    assert files(tmp_path) == ["a.pt"]
    assert load(tmp_path / "a.pt")["step"] == 1


def test_a_disk_that_fills_up_in_the_middle(tmp_path: Path) -> None:
    """The real thing: the operating system refuses to let a file grow; torch reports it as another error."""
    resource = pytest.importorskip("resource")
    save(tmp_path / "a.pt", payload(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(RunError, match=r"a\.pt cannot be written \(File too large"):
            save(tmp_path / "a.pt", payload(2, more=torch.zeros(100_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(tmp_path) == ["a.pt"]
    assert load(tmp_path / "a.pt")["step"] == 1


def test_a_second_ctrl_c_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "a.pt", payload(1))

    def interrupted(value: Any, file: Any) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "a.pt", payload(2))
    assert files(tmp_path) == ["a.pt"]
    assert load(tmp_path / "a.pt")["step"] == 1


def test_no_such_folder(tmp_path: Path) -> None:
    path = tmp_path / "none" / "a.pt"
    with pytest.raises(RunError, match=rf"^{path} cannot be written \(No such file or directory\)$"):
        save(path, payload())


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a.pt").mkdir()
    with pytest.raises(RunError, match=r"a\.pt cannot be written \(it is a folder, and no regular file\)$"):
        save(tmp_path / "a.pt", payload())
    assert files(tmp_path) == ["a.pt"]


def test_data_is_durable_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def noted(name: str) -> Callable[..., Any]:
        real = getattr(os, name)
        return lambda *args: (order.append(name), real(*args))[1]

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noted(name))
    save(tmp_path / "a.pt", payload())
    assert order == ["fsync", "replace", "fsync"]  # the file, its name, the folder


# -- what is no checkpoint -----------------------------------------------------------------------------------


def whole(path: Path) -> bytes:
    save(path, payload())
    return path.read_bytes()


def flip(data: bytes) -> bytes:
    at = data.index(np.float32(3).tobytes() * 10) + 400  # within the weights
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "without its end": lambda data: data[:-1],
    "one bit": flip,
    "text": lambda data: b"hello world",
    "pickle": lambda data: pickle.dumps({"format": 1}),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_is_seen(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(damage(whole(path)))
    with pytest.raises(RunError, match=r"a\.pt is damaged, or no checkpoint \(.+\); delete it to go on"):
        load(path)


class Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["EVIL"],)


def test_a_checkpoint_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIL", str(tmp_path / "evil"))
    torch.save({**payload(), "x": Evil()}, tmp_path / "a.pt")
    with pytest.raises(RunError, match="damaged, or no checkpoint"):
        load(tmp_path / "a.pt")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        nn.Linear(2, 2).state_dict(),
        {"format": FORMAT, "step": 3},
        {"format": "1", "graph_hash": "a", "step": 3},
    ],
)
def test_torch_files_of_others(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(RunError, match=r"a\.pt is no checkpoint of a run"):
        load(tmp_path / "a.pt")


@pytest.mark.parametrize(("written", "age"), [(FORMAT + 1, "a newer"), (FORMAT - 1, "an older")])
def test_other_formats(tmp_path: Path, written: int, age: str) -> None:
    save(tmp_path / "a.pt", {**payload(), "format": written})
    with pytest.raises(
        RunError, match=rf"{age} version of graphssl \(checkpoint format {written}; this one reads {FORMAT}"
    ):
        load(tmp_path / "a.pt")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no checkpoint"):
        load(tmp_path / "a.pt")
    with pytest.raises(RunError, match=r"no checkpoint \(it has no rest.pt\)"):
        load(tmp_path)


# -- a run's checkpoints -------------------------------------------------------------------------------------


def test_nothing_yet(store: Checkpoints) -> None:
    assert store.latest() is None
    assert store.latest_path() is None
    assert store.paths() == []


def test_the_last_two_stay(store: Checkpoints) -> None:
    for step in (5, 10, 15, 123456789):
        assert store.write(step, payload(step)) == store.latest_path()
    assert files(store.folder) == ["step-00000015.pt", "step-123456789.pt"]
    latest = store.latest()
    assert latest is not None
    assert latest["step"] == 123456789


def test_the_format_is_written(store: Checkpoints) -> None:
    store.write(1, {"graph_hash": "abc", "step": 1})
    latest = store.latest()
    assert latest is not None
    assert latest["format"] == FORMAT


def test_the_same_step_again(store: Checkpoints) -> None:
    store.write(5, payload(5))
    store.write(5, payload(5, note="again"))
    latest = store.latest()
    assert files(store.folder) == ["step-00000005.pt"]
    assert latest is not None
    assert latest["note"] == "again"


def test_nothing_is_pruned_when_the_new_one_fails(store: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(1, payload(1))
    store.write(2, payload(2))
    monkeypatch.setattr(os, "replace", full_disk)
    message = r"^the checkpoint .*step-00000003\.pt cannot be written \(No space left .*\); earlier checkpoints are untouched$"
    with pytest.raises(RunError, match=message):
        store.write(3, payload(3))
    assert files(store.folder) == ["step-00000001.pt", "step-00000002.pt"]


def test_the_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        Checkpoints(tmp_path / "file" / "checkpoints").write(1, payload(1))


def test_falls_back_to_the_previous(store: Checkpoints, caplog: pytest.LogCaptureFixture) -> None:
    store.write(1, payload(1))
    store.write(2, payload(2)).write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        latest = store.latest()
    assert latest is not None
    assert latest["step"] == 1
    assert "step-00000002.pt is damaged" in caplog.text


def test_when_none_can_be_read_the_newest_is_named(store: Checkpoints) -> None:
    store.write(1, payload(1)).write_bytes(b"")
    store.write(2, payload(2)).write_bytes(b"")
    with pytest.raises(RunError, match=r"step-00000002\.pt is damaged"):
        store.latest()


def test_going_on_before_a_damaged_one(tmp_path: Path) -> None:
    """The new checkpoint has a lower step than the damaged one, and is not what is pruned."""
    store = Checkpoints(tmp_path, keep=1)
    store.write(100, payload(100)).write_bytes(b"")
    store.write(60, payload(60))
    latest = store.latest()
    assert latest is not None
    assert latest["step"] == 60
    store.write(110, payload(110))
    assert files(tmp_path) == ["step-00000110.pt"]


def test_one_that_is_replaced_while_reading(store: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process reads while the run goes on and prunes."""
    store.write(1, payload(1))
    real = module.load

    def load_late(path: Path, *, whole: bool = True) -> dict[str, Any]:
        monkeypatch.setattr(module, "load", real)
        Checkpoints(store.folder, keep=1).write(2, payload(2))
        return real(path, whole=whole)

    monkeypatch.setattr(module, "load", load_late)
    latest = store.latest()
    assert latest is not None
    assert latest["step"] == 2


def test_leftovers_are_cleaned_and_other_files_are_not(store: Checkpoints) -> None:
    store.write(1, payload(1))
    (store.folder / ".step-00000002.pt.4711.tmp").write_bytes(b"half")
    (store.folder / "notes.txt").write_text("mine")
    (store.folder / "step-2.pt").write_text("mine")
    assert [p.name for p in store.paths()] == ["step-00000001.pt"]
    latest = store.latest()
    assert latest is not None
    assert latest["step"] == 1
    assert ".step-00000002.pt.4711.tmp" in files(store.folder)  # reading changes nothing
    store.write(3, payload(3))
    assert files(store.folder) == ["notes.txt", "step-00000001.pt", "step-00000003.pt", "step-2.pt"]


def write_forever(folder: Path, keep: int) -> None:
    store, weights = Checkpoints(folder, keep), torch.frombuffer(bytearray(400_000), dtype=torch.uint8)
    step = (store.latest() or {"step": 0})["step"]
    while True:
        step += 1
        weights.numpy()[:] = step % 251
        store.write(step, {"graph_hash": "abc", "step": step, "model": {"w": weights}})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("keep", [1, 2])
def test_killed_at_any_moment(tmp_path: Path, keep: int, caplog: pytest.LogCaptureFixture) -> None:
    """kill -9 while checkpoints are written: the latest is always whole, and training goes on from it."""
    before, killed_while_writing = 0, 0
    for trial in range(200):  # or as many as it takes on a machine with much to do
        if trial >= 20 and killed_while_writing:
            break
        child = os.fork()
        if child == 0:
            try:
                torch.set_num_threads(1)
                write_forever(tmp_path, keep)
            finally:
                os._exit(1)
        deadline = time.monotonic() + 20
        while trial == 0 and not Checkpoints(tmp_path).paths() and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(0.03 + 0.0037 * (trial % 20))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        killed_while_writing += any(tmp_path.glob("*.tmp"))
        latest = Checkpoints(tmp_path, keep).latest()
        assert latest is not None
        assert latest["step"] >= before
        assert torch.equal(latest["model"]["w"], torch.full((400_000,), latest["step"] % 251, dtype=torch.uint8))
        before = latest["step"]
    assert before > 0
    assert killed_while_writing > 0, "no kill hit a write: the test says nothing"
    assert caplog.text == ""  # nothing was unreadable on the way

"""What stands where a checkpoint should, and is none: it is told, takes no memory, and nobody waits for it."""

from __future__ import annotations

import logging
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from graphssl.checks.weights.files import read_tables
from graphssl.checks.weights.refusal import Refused
from graphssl.errors import RunError
from graphssl.train.checkpoint import Checkpoints, load
from graphssl.train.checkpoint_file import FORMAT

PAYLOAD = {"format": FORMAT, "graph_hash": "x", "step": 3}
HUGE = torch.zeros(1).expand(10**6, 10**6)


def compressed(path: Path) -> None:
    torch.save(PAYLOAD, path)
    with zipfile.ZipFile(path) as archive:
        parts = {info: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, content in parts.items():
            archive.writestr(info.filename, content)


NONE = {
    "a pipe": (os.mkfifo, "it is a pipe"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "it is a device"),
    "nowhere": (lambda path: path.symlink_to("gone.pt"), "it is a link to gone.pt, where nothing is"),
    "itself": (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
    "compressed": (compressed, "it is compressed"),
    "spread out": (
        lambda path: torch.save({**PAYLOAD, "model": {"bank": {"w": HUGE}}}, path),
        "'model/bank/w' claims 1,000,000,000,000 numbers, of which 1 are stored",
    ),
    "spread over many": (
        lambda path: torch.save({**PAYLOAD, "model": {str(i): HUGE[:300, :10**6] for i in range(5)}}, path),
        "claims 300,000,000 numbers",
    ),
    "sparse": (
        lambda path: torch.save({**PAYLOAD, "model": {"w": torch.eye(3).to_sparse()}}, path), "'model/w' is no plain",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", NONE)
def test_what_is_none(tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture) -> None:
    """Beside a good one it is warned of; alone it is an error. Neither waits, nor goes round in a circle."""
    make, message = NONE[what]
    store = Checkpoints(tmp_path, keep=2)
    make(tmp_path / "step-00000009.pt")
    with pytest.raises(RunError, match="no checkpoint of this run can be read") as told:
        store.latest()
    assert message in str(told.value)
    torch.save(PAYLOAD, tmp_path / "step-00000003.pt")
    with caplog.at_level(logging.WARNING):
        found = store.latest()
    assert found is not None
    assert found["step"] == 3
    assert message in caplog.text


@pytest.mark.parametrize("name", ["step-00000009.pt", "step-99999999999999999999.pt"])
def test_an_old_one_under_a_later_name_does_not_pass_for_the_newest(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It would for ever: what is trained after it would be left out without a word."""
    torch.save(PAYLOAD, tmp_path / name)
    store = Checkpoints(tmp_path, keep=2)
    with pytest.raises(RunError, match=rf"{name} is of step 3, whatever its name says"):
        store.latest()
    store.write(5, {**PAYLOAD, "step": 5})
    with caplog.at_level(logging.WARNING):
        found = store.latest()
    assert found is not None
    assert found["step"] == 5
    assert "is of step 3" in caplog.text


@pytest.mark.parametrize("what", ["a folder", "a pipe", "a device", "itself"])
def test_what_is_none_is_replaced_once_training_is_past_it(tmp_path: Path, what: str) -> None:
    """Else each attempt would end there."""
    place, store = tmp_path / "step-00000004.pt", Checkpoints(tmp_path, keep=2)
    if what == "a folder":
        place.mkdir()
        (place / "note").touch()
    else:
        NONE[what][0](place)
    torch.save(PAYLOAD, tmp_path / "step-00000003.pt")
    found = store.latest()
    assert found is not None
    store.write(4, {**PAYLOAD, "step": 4})
    assert load(place)["step"] == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000003.pt", "step-00000004.pt"]
    assert Path("/dev/zero").exists()


def test_a_folder_of_checkpoints_that_is_none(tmp_path: Path) -> None:
    place = tmp_path / "checkpoints"
    for make in (Path.touch, lambda path: path.symlink_to("nowhere")):
        make(place)
        with pytest.raises(RunError, match=r"the checkpoints in .*/checkpoints cannot be read"):
            Checkpoints(place).latest()
        place.unlink()
    assert Checkpoints(place).latest() is None


@pytest.mark.parametrize("lies", ["folder", "file"])
def test_a_folder_that_may_not_be_looked_into(tmp_path: Path, lies: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of another user: neither an error from within, nor a circle."""
    torch.save(PAYLOAD, tmp_path / "step-00000003.pt")

    def barred(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    if lies == "folder":
        monkeypatch.setattr(Path, "iterdir", barred)
    else:
        monkeypatch.setattr(os, "stat", barred)
        monkeypatch.setattr(os, "lstat", barred)
        monkeypatch.setattr("zipfile.ZipFile", barred)
    with pytest.raises(RunError, match="Permission denied"):
        Checkpoints(tmp_path).latest()


@pytest.mark.parametrize(
    ("key", "value"), [("step", "3"), ("graph", []), ("scores", 1.0), ("model", None), ("samples", "1")]
)
def test_what_says_other_things(tmp_path: Path, key: str, value: Any) -> None:
    torch.save({**PAYLOAD, key: value}, tmp_path / "a.pt")
    with pytest.raises(RunError, match=f"a.pt is no checkpoint of a run: its {key} is {type(value).__name__}"):
        load(tmp_path / "a.pt")


def test_small_tensors_that_are_spread_out_are_kept(tmp_path: Path) -> None:
    """A buffer of somebody's may be one number, seen as many."""
    torch.save({**PAYLOAD, "model": {"w": torch.ones(1).expand(1000)}}, tmp_path / "a.pt")
    assert load(tmp_path / "a.pt")["model"]["w"].sum() == 1000


@pytest.mark.parametrize("what", ["a pipe", "a device", "spread out", "sparse"])
def test_weights_that_are_none(tmp_path: Path, what: str) -> None:
    make, message = NONE[what]
    make(tmp_path / "w.pt")
    with pytest.raises(Refused, match=r"claims 1,000,000|no plain tensor|is a (pipe|device)") as told:
        read_tables(tmp_path / "w.pt")
    assert message.split("'")[-1].removeprefix("it ") in str(told.value)

"""Files of weights: what is read of them, and what is said of those that are none."""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from graphssl.checks.weights.files import check_sums, digest, read_tables
from graphssl.checks.weights.refusal import Refused

STATE = {"conv1.weight": torch.arange(6.0).view(2, 3), "bn1.bias": torch.ones(2)}


class Own:
    """A class of the authors' own."""


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("where", [(), ("state_dict",), ("model",), ("a", "b", "c")], ids=str)
def test_tensors_by_their_path(tmp_path: Path, where: tuple[str, ...], zipped: bool) -> None:
    content: dict[str, Any] = STATE
    for key in reversed(where):
        content = {key: content, "epoch": 3, "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}}}
    torch.save(content, tmp_path / "it.pth.tar", _use_new_zipfile_serialization=zipped)
    tables = read_tables(tmp_path / "it.pth.tar")
    assert list(tables) == [".".join(where)]
    assert all(torch.equal(value, STATE[name]) for name, value in tables[".".join(where)].items())


def test_safetensors(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "it.safetensors")
    (tensors,) = read_tables(tmp_path / "it.safetensors").values()
    assert {name: value.tolist() for name, value in tensors.items()} == {n: v.tolist() for n, v in STATE.items()}


def test_options_and_numbers_beside_the_weights_are_read(tmp_path: Path) -> None:
    """DINO's checkpoints hold their options, as argparse.Namespace, and others a best accuracy of numpy's."""
    options = argparse.Namespace(arch="vit_small", warmup=argparse.Namespace(epochs=10), lr=1e-3)
    content = {"model": STATE, "args": options, "best": np.float64(0.7), "seen": np.int64(3)}
    torch.save(content, tmp_path / "it.pt")
    assert list(read_tables(tmp_path / "it.pt")) == ["model"]


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_what_would_run_code_is_refused_and_told(tmp_path: Path, zipped: bool) -> None:
    content = {"state_dict": STATE, "args": argparse.Namespace(of=Own())}
    torch.save(content, tmp_path / "it.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(Refused, match="Python objects") as refused:
        read_tables(tmp_path / "it.pt")
    assert ("Own" in refused.value.message) == zipped
    assert "weights_only=False" in str(refused.value.hint)
    assert "it-weights.pt" in str(refused.value.hint)


@pytest.mark.parametrize("name", ["it.pt", "it.safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"hello, this is no file of weights", b"PK\x03\x04" + bytes(100), b"\x80\x02x"]
)
def test_what_is_no_file_of_weights(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused, match=name):
        read_tables(tmp_path / name)


def test_half_a_file(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "it.pt")
    whole = (tmp_path / "it.pt").read_bytes()
    (tmp_path / "it.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Refused, match=r"it\.pt"):
        read_tables(tmp_path / "it.pt")


def test_a_flipped_bit_is_found_when_it_is_read_whole(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(1000)}, tmp_path / "it.pt")
    check_sums(tmp_path / "it.pt")
    damaged = bytearray((tmp_path / "it.pt").read_bytes())
    at = damaged.find(bytes(2000)) + 1000
    damaged[at] = 1
    before = digest(tmp_path / "it.pt")
    (tmp_path / "it.pt").write_bytes(bytes(damaged))
    assert digest(tmp_path / "it.pt") != before
    with pytest.raises(Refused, match="check sum"):
        check_sums(tmp_path / "it.pt")


def test_what_would_come_to_more_than_it_takes_on_the_disk(tmp_path: Path) -> None:
    """A million zeros in a few kB, by compression, or by two entries that have the same bytes."""
    torch.save({"w": torch.zeros(1_000_000)}, tmp_path / "it.pt")
    with zipfile.ZipFile(tmp_path / "it.pt") as plain, zipfile.ZipFile(tmp_path / "small.pt", "w", 8) as small:
        for entry in plain.namelist():
            small.writestr(entry, plain.read(entry))
    with zipfile.ZipFile(tmp_path / "it.pt", "a") as archive:
        archive.filelist += [archive.getinfo(archive.namelist()[0].partition("/")[0] + "/data/0")] * 3
        archive._didModify = True  # type: ignore[attr-defined]
    for name, why in (("small", "it is compressed"), ("it", "its parts are longer than itself")):
        for read in (read_tables, check_sums):
            with pytest.raises(Refused, match=rf"{name}\.pt is damaged, or no file of weights \({why}\)"):
                read(tmp_path / f"{name}.pt")


@pytest.mark.parametrize(
    "content", [[STATE], {"epoch": 3}, torch.ones(2), 4], ids=["list", "numbers", "tensor", "number"]
)
def test_a_file_without_names(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "it.pt")
    with pytest.raises(Refused, match="no weights by their names"):
        read_tables(tmp_path / "it.pt")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is a folder"):
        read_tables(tmp_path)

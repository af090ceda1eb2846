"""Files that hold no weights by their names: one message that says what they look like, and no warnings."""

from __future__ import annotations

import gzip
import io
import pickle
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn

from graphssl.checks.weights.files import read_tables
from graphssl.checks.weights.refusal import Refused

STATE = {"weight": torch.ones(2)}


def _npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, a=np.ones(2))
    return file.getvalue()


def _torch() -> bytes:
    file = io.BytesIO()
    torch.save(STATE, file)
    return file.getvalue()


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "a")
    return file.getvalue()


OTHERS = {
    "it.pt": [
        (b"some words\n", "a text"), ("naïve ".encode() * 100, "a text"), (b'{"a": 1}', "JSON"), (b"", "empty"),
        (b"<!DOCTYPE html><html>", "web page"), (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (_npz(), r"\.npz"), (_zip(), "zip archive"), (_torch()[:-200], "its end is missing"),
        (save(STATE), "a file of safetensors"), (gzip.compress(b"a", mtime=0), "gzip"),
        (pickle.dumps({"a": np.ones(2)}), "torch.save has not written"), (b"\x89HDF\r\n\x1a\n", "HDF5"),
    ],
    "it.safetensors": [(_torch(), "a file of torch's"), (b"some words\n", "a text"), (b"", "empty")],
}  # fmt: skip


CASES = [(name, *case) for name, cases in OTHERS.items() for case in cases]


@pytest.mark.parametrize(("name", "content", "said"), CASES, ids=[f"{name}: {said}" for name, _, said in CASES])
def test_what_a_file_looks_like(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Refused, match=said) as refused:
            read_tables(tmp_path / name)
    assert refused.value.hint or "end is missing" in said


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_pickles_of_other_protocols_are_read_or_refused_without_a_warning(
    tmp_path: Path, zipped: bool, protocol: int
) -> None:
    torch.save(STATE, tmp_path / "it.pt", pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = tmp_path / "it.pt"
        if protocol > 3:
            with pytest.raises(Refused, match=f"protocol {protocol}") as refused:
                read_tables(read)
            _run(refused.value.hint)
            read = tmp_path / "it-weights.pt"
        assert torch.equal(read_tables(read)[""]["weight"], STATE["weight"])


def test_torchscript_is_refused_with_the_command_that_writes_its_weights(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)), tmp_path / "it.pt")
    with pytest.raises(Refused, match="TorchScript") as refused:
        read_tables(tmp_path / "it.pt")
    _run(refused.value.hint)
    assert {*read_tables(tmp_path / "it-weights.pt")[""]} == {"weight", "bias"}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_a_whole_module_is_refused_with_the_command_that_writes_its_weights(
    tmp_path: Path, zipped: bool, protocol: int
) -> None:
    net = nn.Sequential(nn.Linear(2, 2))
    torch.save(net, tmp_path / "it.pt", pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    with pytest.raises(Refused, match="a whole module") as refused:
        read_tables(tmp_path / "it.pt")
    assert "['state_dict']" not in str(refused.value.hint)
    _run(refused.value.hint)
    assert {*read_tables(tmp_path / "it-weights.pt")[""]} == {"0.weight", "0.bias"}


def _run(hint: str | None) -> None:
    """The Python of a hint's command, as it stands there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(str(hint).split('python -c "')[1].split('"')[0])

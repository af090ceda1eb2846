"""The scripts of benchmarks/, which are no package, and small pictures for them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from benchmark_scripts import BENCHMARKS, Script
from PIL import Image


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


@pytest.fixture
def run(script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """run(name, options...): what the benchmark writes to its `--output`."""

    def main(name: str, *options: str) -> str:
        output = tmp_path / "results" / f"{name}.txt"
        monkeypatch.setattr("sys.argv", [f"{name}.py", *options, "--output", str(output)])
        threads = torch.get_num_threads()
        try:
            script(name).main()
        finally:
            torch.set_num_threads(threads)
        return output.read_text()

    return main


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of two classes: 8 training pictures of each, and 2 held out."""
    for split, count in (("train", 8), ("test", 2)):
        for c in range(2):
            folder = tmp_path / "pictures" / split / str(c)
            folder.mkdir(parents=True)
            for i in range(count):
                colour = (200 * c + 5 * i, 90, 20 * i)
                Image.new("RGB", (32, 32), colour).save(folder / f"{i}.png")
    return tmp_path / "pictures"

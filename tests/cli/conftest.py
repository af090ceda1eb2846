"""A folder of graphs and runs in which commands are typed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from conftest import BYOL, MOCO, SIMCLR
from typed_commands import Type

from graphssl.cli import main

SHORT = ("epochs: 2", "steps: 4, log_every: 2")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three graphs and, once `typed` has run them, their runs and the store."""
    folder = tmp_path_factory.mktemp("cli")
    for name, text in (("byol", BYOL), ("simclr", SIMCLR), ("moco", MOCO)):
        assert SHORT[0] in text
        (folder / f"my_{name}.yaml").write_text(text.replace(*SHORT))
    return folder


@pytest.fixture
def typed(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """typed("check", "my_byol.yaml", code=0): what the command prints; its exit code must be `code`."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def run(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["graphssl", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        said = capsys.readouterr()
        assert (caught.value.code or 0) == code, said.err
        return said.out + said.err

    return run


@pytest.fixture
def runs(folder: Path, typed: Type) -> tuple[str, str]:
    """Two finished runs: `one` of SimCLR, `two` with another temperature."""
    for name, sets in (("one", ()), ("two", ("--set", "nodes.critic.temperature=0.5"))):
        if not (folder / "runs" / name).exists():
            typed("run", "my_simclr.yaml", "--name", name, "--device", "cpu", *sets)
    return "one", "two"

"""`--no-custom-components`: nothing that a graph names is imported, whatever the command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SIMCLR, Write

import graphssl
from graphssl.code import NO_CODE
from graphssl.errors import GraphError

LISTED = ("graph: simclr", "components: [./mine.py, json.tool]\ngraph: simclr")
NAMED = ("{use: encoder.resnet, depth: 10, width: 8}", "{use: encoder.module, path: './mine.py:Net'}")


@pytest.mark.parametrize("change", [LISTED, NAMED], ids=["listed", "named by a node"])
@pytest.mark.parametrize("command", ["check", "show", "run", "data"])
def test_every_command_refuses(tmp_path: Path, write: Write, change: tuple[str, str], command: str) -> None:
    path = write(SIMCLR, change)
    mark = tmp_path / "it_ran"
    (path.parent / "mine.py").write_text(f"open({str(mark)!r}, 'w')\nimport torch\nNet = torch.nn.Flatten\n")
    words = [sys.executable, "-m", "graphssl", command, str(path), "--no-custom-components"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    assert "'./mine.py' is Python that the graph names, which --no-custom-components refuses to import" in done.stderr
    assert not mark.exists()
    assert not (tmp_path / "runs").exists()


def test_a_variable_says_it_too(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NO_CODE, "1")
    path = write(SIMCLR, LISTED)
    (path.parent / "mine.py").write_text("raise SystemError\n")
    with pytest.raises(GraphError, match=r"'json\.tool' is Python that the graph names"):
        graphssl.load(path)
    assert graphssl.load(write(SIMCLR, name="plain.yaml")).name == "simclr"
    monkeypatch.setenv(NO_CODE, "0")
    with pytest.raises(GraphError, match="does not load"):
        graphssl.load(path)

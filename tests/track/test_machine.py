"""The facts of the system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from graphssl.track.machine import system_facts


def test_system_facts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/graphssl", "run", "my graph.yaml"])
    monkeypatch.chdir(tmp_path)
    facts = system_facts()
    assert facts["system.command"] == "/bin/graphssl run 'my graph.yaml'"
    assert facts["mlflow.source.name"] == "graphssl"
    assert {f"system.{name}" for name in ("python", "torch", "mlflow", "os", "cpu", "cpu_cores")} <= facts.keys()
    assert int(facts["system.cpu_cores"]) >= 1
    assert all(facts.values())


def test_the_commit_of_the_working_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        done = subprocess.run(["git", *identity, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    monkeypatch.chdir(tmp_path)
    git("init")
    assert "mlflow.source.git.commit" not in system_facts(), "no commit yet"
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "one")
    facts = system_facts()
    assert facts["mlflow.source.git.commit"] == git("rev-parse", "HEAD")
    assert facts["system.git_changed"] == "False"
    (tmp_path / "a").write_text("2")
    assert system_facts()["system.git_changed"] == "True"


def test_the_commit_of_the_graph_s_folder_where_the_working_one_has_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here, graphs = tmp_path / "here", tmp_path / "graphs"
    for folder in (here, graphs):
        folder.mkdir()
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init"], ["commit", "--allow-empty", "-m", "one"]):
        subprocess.run(["git", *identity, *words], cwd=graphs, capture_output=True, check=True)
    said = subprocess.run(["git", "rev-parse", "HEAD"], cwd=graphs, capture_output=True, text=True, check=True)
    monkeypatch.chdir(here)
    assert "mlflow.source.git.commit" not in system_facts()
    assert system_facts(graphs)["mlflow.source.git.commit"] == said.stdout.strip()
    monkeypatch.setenv("PATH", str(here))  # no git at all
    assert "mlflow.source.git.commit" not in system_facts(graphs)

"""Names and values as MLflow takes them, the facts of the system, and where the store is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from graphssl.track import store_uri
from graphssl.track.machine import system_facts
from graphssl.track.names import clean_name, clip, flatten
from graphssl.track.store import without_password


def test_flatten() -> None:
    nested = {
        "graph": "byol",
        "nodes": {"encoder": {"use": "encoder.resnet", "depth": 10, "norm": None}, "empty": {}},
        "train": {"lr": 1e-3, "channels_last": True},
        "of": ["encoder", {"a": 1}],
    }
    assert flatten(nested) == {
        "graph": "byol",
        "nodes.encoder.use": "encoder.resnet",
        "nodes.encoder.depth": "10",
        "nodes.encoder.norm": "null",
        "nodes.empty": "{}",
        "train.lr": "0.001",
        "train.channels_last": "true",
        "of": '["encoder", {"a": 1}]',
    }


def test_long_values_and_equal_names_are_kept_apart() -> None:
    flat = flatten({"a[0]": "x" * 9000, "a(0)": 1, "a.0": 2, "b" * 300: 3, "b" * 299: 4})
    assert len(flat["a_0_"]) == 6000
    assert flat["a_0_"].endswith("…")
    assert flat["a_0__2"] == "1"
    assert flat["a.0"] == "2"
    assert all(len(name) <= 250 for name in flat)
    assert sorted(flat.values())[1:4] == ["2", "3", "4"]


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("loss/byol", "loss/byol"),
        ("a b-c.d_e", "a b-c.d_e"),
        ("x[0]=1,2", "x_0__1_2"),
        ("/a//b/", "_/a/_/b/_"),
        ("../b/.", "_/b/_"),
        ("", "_"),
        ("größe", "größe"),
    ],
)
def test_clean_name(name: str, clean: str) -> None:
    assert clean_name(name) == clean


def test_clip() -> None:
    assert clip("abc", 3) == "abc"
    assert clip("abcd", 3) == "ab…"


def test_passwords_are_left_out() -> None:
    assert without_password("POST http://me:pass@host:5000/api") == "POST http://host:5000/api"
    assert without_password("http://host/a b@c") == "http://host/a b@c"


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


def test_which_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert store_uri() == f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:5000")
    assert store_uri() == "http://host:5000"
    assert store_uri("sqlite:///sub/x.db") == f"sqlite:///{tmp_path / 'sub' / 'x.db'}"
    assert store_uri("postgresql://u:p@h/d") == "postgresql://u:p@h/d"


def test_importing_is_cheap() -> None:
    code = "import sys, graphssl.track; print([m for m in ('mlflow', 'torch', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

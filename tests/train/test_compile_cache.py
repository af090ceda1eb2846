"""Where compiled code is kept, until when, and for which sources it holds."""

from __future__ import annotations

import importlib
import os
import tempfile
import threading
from pathlib import Path

import pytest
import torch
from helpers import days_ago
from torch._inductor.runtime.cache_dir_utils import cache_dir

from graphssl.train.compile_cache import keep_compiled, remove_unused_code


def test_where_compiled_code_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "mine")
    keep_compiled([])
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "mine"
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    assert cache_dir() != str(tmp_path / "graphssl" / "compiled"), "torch has set its own"
    keep_compiled([])
    assert cache_dir() == str(tmp_path / "graphssl" / "compiled")


def test_compiled_code_is_kept_elsewhere_where_the_folder_cannot_be_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", default := os.path.join(tempfile.gettempdir(), "torchinductor_me"))
    keep_compiled([])
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == default


def remove_and_wait() -> None:
    others = set(threading.enumerate())
    remove_unused_code()
    for thread in set(threading.enumerate()) - others:
        thread.join()


def test_what_nobody_has_used_for_a_month_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "graphssl" / "compiled"
    old = [days_ago(folder / "ab" / "kernel.so", 31, 200), days_ago(folder / "fxgraph" / "ef" / "gh" / "graph", 31, 31)]
    kept = [
        days_ago(folder / "ab" / "read.so", 29, 200), days_ago(folder / "ab" / "written.so", 200, 29),
        days_ago(folder / "locks" / "kernel.lock", 200, 200, ""), days_ago(tmp_path / "graphssl" / "shard.tar", 200, 200),
    ]  # fmt: skip
    (folder / "link").symlink_to(outside := days_ago(tmp_path / "theirs", 200, 200))
    mine = days_ago(tmp_path / "mine" / "kernel.so", 200, 200)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(mine.parent))
    keep_compiled([])
    remove_and_wait()
    assert all(path.exists() for path in (*old, *kept, mine)), "where the user has set the folder, all stays"
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    keep_compiled([])
    remove_and_wait()
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in (*kept, outside, mine))


def test_compiled_code_is_of_the_sources_as_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """torch's own key has the names of a package's operators, and would take the gradient that they once had."""
    package = tmp_path / "somebodys"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "critic.py").write_text("class Critic: ...")
    (package / "operators.py").write_text("2 * gradient")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "mine")
    classes = [importlib.import_module("somebodys.critic").Critic]

    def tag() -> str:
        keep_compiled(classes)
        return torch.compiler.config.cache_key_tag

    monkeypatch.setattr(torch.compiler.config, "cache_key_tag", "")
    first = tag()
    assert tag() == first
    (package / "operators.py").write_text("3 * gradient")
    assert tag() != first
    (package / "operators.py").write_text("2 * gradient")
    assert tag() == first
    monkeypatch.setenv("TORCH_COMPILE_CACHE_KEY_TAG", "theirs")
    assert tag() == f"theirs{first}"

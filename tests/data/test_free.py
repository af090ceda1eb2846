"""What memory is free: by the machine, by control groups of both kinds, and by the process's own limit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from graphssl.data import free

MIB = 2**20


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(free, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(free, "OWN_GROUP", tmp_path / "cgroup")
    return tmp_path


def group(folder: Path, names: tuple[str, str, str], most: str, used: int, given_back: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{most}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{names[2]} {given_back}\n")


def test_the_job_around_the_process_counts(groups: Path) -> None:
    (groups / "cgroup").write_text("0::/job/step\n")
    group(groups / "groups" / "job", free.KINDS[""], str(100 * MIB), 40 * MIB, 10 * MIB)
    group(groups / "groups" / "job" / "step", free.KINDS[""], "max", 1, 0)
    assert free.free_bytes() == 70 * MIB


def test_groups_of_the_older_kind_count(groups: Path) -> None:
    (groups / "cgroup").write_text("5:cpu:/\n4:memory:/job\n0::/\n")
    group(groups / "groups" / "memory" / "job", free.KINDS["memory"], str(100 * MIB), 120 * MIB, 0)
    assert free.free_bytes() == 0


def test_without_groups_it_is_the_machines(groups: Path) -> None:
    assert 10 * MIB < free.free_bytes() < free.UNLIMITED


def test_a_limit_of_the_process_counts() -> None:
    code = (
        "import resource; from graphssl.data.free import free_bytes\n"
        f"taken = int(open('/proc/self/statm').read().split()[0]) * 4096; most = taken + {300 * MIB}\n"
        "resource.setrlimit(resource.RLIMIT_AS, (most, most)); print(free_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 100 * MIB < int(done.stdout) <= 300 * MIB

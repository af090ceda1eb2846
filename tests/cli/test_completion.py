"""What a shell completes, and the options of every command line: version, seed, quiet."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from graphssl.cli.completion import complete_components
from graphssl.component import discover

Complete = Callable[[str], list[str]]


@pytest.fixture
def complete(tmp_path: Path) -> Complete:
    """What bash is offered for a line."""
    for name in ("byol-1", "byol-2", "moco-1"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "graph.yaml").write_text("graph: byol\n")
    (tmp_path / "byzantine.yaml").write_text("graph: byzantine\nnodes: {head: {use: head.mlp, out: 8}}\n")
    (tmp_path / "studies" / "zeta").mkdir(parents=True)
    (tmp_path / "studies" / "zeta" / "journal.log").touch()

    def offered(line: str) -> list[str]:
        words = {"_GRAPHSSL_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
        code = "import sys; sys.argv = ['graphssl']; from graphssl.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, **words}, cwd=tmp_path, capture_output=True, text=True
        )  # fmt: skip
        assert not done.stderr
        return done.stdout.split()

    return offered


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("graphssl run by", ["byol", "byzantine.yaml"]),
        ("graphssl check simc", ["simclr"]),
        ("graphssl evaluate byol-", ["byol-1", "byol-2"]),
        ("graphssl rm mo", ["moco-1"]),
        ("graphssl components critic.co", ["critic.concat", "critic.cosine"]),
        ("graphssl sweep ze", ["zeta"]),
        ("graphssl run byzantine.yaml --set nodes.h", ["nodes.head.out=", "nodes.head.use=", "nodes.head="]),
        ("graphssl run --set train.ep", ["train.epochs="]),
        ("graphssl run nowhere.yaml --set nodes.", []),
    ],
)
def test_a_shell_is_offered(complete: Complete, line: str, offered: list[str]) -> None:
    assert sorted(complete(line)) == sorted(offered)


def test_every_component_that_comes_along_is_offered() -> None:
    ours = {c.name for c in discover().values() if c.cls.__module__.startswith("graphssl.components")}
    assert ours <= set(complete_components(""))

"""Options that are no command's own: which version it is, a seed, silence."""

from __future__ import annotations

from pathlib import Path

from typed_commands import Type

import graphssl


def test_the_version_is_said(typed: Type) -> None:
    assert typed("--version") == f"graphssl {graphssl.__version__}\n"


def test_a_seed_is_a_change_of_the_graph(typed: Type, folder: Path) -> None:
    """And silence leaves what came of it."""
    said = typed("run", "my_simclr.yaml", "--name", "seeded", "--seed", "7", "--quiet", "--device", "cpu")
    assert graphssl.load(folder / "runs" / "seeded" / "graph.yaml").spec.train.seed == 7
    assert "finished after step 4" in said
    assert "step=" not in said
    assert "trainable parameters" not in said
    assert "--seed" in typed("run", "my_simclr.yaml", "--seed", "-1", code=2)

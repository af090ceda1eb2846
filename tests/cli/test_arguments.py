"""Arguments that several commands take."""

from __future__ import annotations

from pathlib import Path

import pytest
from typed_commands import Type


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("run my_moco.yaml nodes.queue.size=64", "--set nodes.queue.size=64"),
        ("run --resume one train.epochs=5", "--set train.epochs=5"),
        ("run my_moco.yaml --set train.steps=5 train.seed=1 data.batch=8", "--set train.seed=1 --set data.batch=8"),
        ("check my_moco.yaml byol nodes.queue.size=64", "--set nodes.queue.size=64"),
        ("show my_moco.yaml --code data.crop=[1,2]", "--set 'data.crop=[1,2]'"),
    ],
)
def test_a_change_without_set_is_told_how(typed: Type, command: str, hint: str) -> None:
    said = typed(*command.split(), code=2)
    assert said == f"graphssl: a change of the graph needs --set before it: {hint}\n"


def test_what_is_no_change_is_an_argument(typed: Type, folder: Path) -> None:
    assert "Got unexpected extra argument (simclr)" in typed("run", "byol", "simclr", code=2)
    assert "Got unexpected extra arguments (simclr moco)" in typed("show", "byol", "simclr", "moco", code=2)
    (folder / "lr=0.1").write_text((folder / "my_moco.yaml").read_text())
    assert "moco: valid" in typed("check", "lr=0.1")


def test_commands_on_runs_that_are_not_there(typed: Type, runs: tuple[str, str]) -> None:
    for command in (["evaluate"], ["export"], ["run", "--resume"]):
        assert "did you mean 'one'?" in typed(*command, "onee", code=2)

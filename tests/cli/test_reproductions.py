"""`graphssl reproduce`: what it lists, what it says of one that is run, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from typed_commands import Type

from graphssl.cli.arguments import seeds_of
from graphssl.errors import UsageError

TINY = """\
title: SimCLR on digits
graph: my_simclr.yaml
set: [train.steps=1]
differs: [One step only.]
figures:
  knn: {options: {k: 5}, published: {value: 75.0, source: table 0}}
"""


def test_all_are_listed(typed: Type) -> None:
    lines = typed("reproduce").splitlines()
    assert lines[0].split() == ["reproduction", "published", "state"]
    (byol,) = (line for line in lines if line.startswith("lightly_cifar10_byol_512_200 "))
    assert byol.split()[1:3] == ["knn", "86.8"]
    assert "not run: needs a GPU, about 0.74 h of one" in byol


def test_one_is_run(typed: Type, folder: Path) -> None:
    (folder / "tiny.yaml").write_text(TINY)
    said = typed("reproduce", "tiny.yaml", "--seeds", "3,1")
    lines = said.splitlines()
    assert "tiny: SimCLR on digits" in lines
    (row,) = (line for line in lines if line.startswith("kNN accuracy, %"))
    assert row.split()[3] == "75"
    assert "differs: One step only." in lines
    assert sum(line.startswith(("  seed 3: knn ", "  seed 1: knn ")) for line in lines) == 2
    assert "wrote results/tiny.json" in lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody"], "no reproduction is called 'nobody'"),
        (["lightly_cifar10_bylo_512_200"], "did you mean 'lightly_cifar10_byol_512_200'?"),
        (["tiny.yaml", "--seeds", "a"], "--seeds are whole numbers"),
        (["tiny.yaml", "--seeds", "1,1"], "a seed stands in --seeds 1,1 twice"),
        (["tiny.yaml", "--only", "theirs"], "only is 'ours'"),
        (["tiny.yaml", "train.epochs=1"], "--set train.epochs=1"),
        (["tiny.yaml", "--set", "train.seed=1"], "--seeds says which"),
        (["tiny.yaml", "--set", "train.epoch=1"], "did you mean 'epochs'?"),
        (["--seeds", "1"], "name the reproduction"),
        (["tiny.yaml", "--page"], "--page writes the page of all"),
        (["no.yaml"], "there is no file 'no.yaml'"),
        (["lightly_imagenet_byol"], "there is no folder"),
    ],
)
def test_wrong_use(typed: Type, folder: Path, arguments: list[str], message: str) -> None:
    (folder / "tiny.yaml").write_text(TINY)
    assert message in typed("reproduce", *arguments, code=2)


def test_seeds() -> None:
    assert seeds_of(None) == []
    assert seeds_of("0, 2") == [0, 2]
    for text in ("", "0,", "-1", "1.5"):
        with pytest.raises(UsageError):
            seeds_of(text)

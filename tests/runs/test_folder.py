"""Folders of runs: their names, how they are found, and facts that are there whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from graphssl.errors import RunError, Stopped, UsageError
from graphssl.runs.folder import RunFolder, find_run, new_run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(name: str) -> RunFolder:
    folder = new_run(name, "graph")
    folder.graph.write_text("graph: graph\n")
    return folder


def test_a_new_run_has_a_folder_for_its_checkpoints() -> None:
    folder = new_run("mine", "byol")
    assert folder.path == Path("runs/mine")
    assert folder.checkpoints.is_dir()
    assert (folder.name, folder.facts()) == ("mine", {})


def test_a_new_run_is_there_with_what_it_has_from_its_beginning_or_not_at_all() -> None:
    def fill(draft: RunFolder) -> None:
        assert len(list(Path("runs").glob("*/graph.yaml"))) == len(seen)
        draft.write("graph: byol\n")
        if len(seen) == 1:
            raise Stopped("SIGTERM")

    seen: list[RunFolder] = []
    seen.append(new_run("mine", "byol", fill))
    assert seen[0].graph.read_text() == "graph: byol\n"
    with pytest.raises(Stopped):
        new_run("other", "byol", fill)
    assert [path.name for path in Path("runs").iterdir()] == ["mine"]


def test_runs_number_themselves_around_those_that_are_there() -> None:
    (Path("runs") / "cifar10-byol-2").mkdir(parents=True)
    assert [new_run(None, "cifar10/byol").name for _ in range(3)] == [f"cifar10-byol-{i}" for i in (1, 3, 4)]


@pytest.mark.parametrize("name", ["", "  ", "a/b", ".hidden", "..", "/abs"])
def test_names_that_are_no_folder_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a run"):
        new_run(name, "byol")


def test_a_name_that_is_taken_is_refused() -> None:
    made("one")
    with pytest.raises(
        UsageError,
        match="a run called 'one' already: choose another name, or go on with it by `graphssl run --resume one`",
    ):
        new_run("one", "byol")


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("nowhere")])
def test_a_name_that_something_else_has(make: Callable[[Path], None]) -> None:
    """There is no run to go on with."""
    made("other")
    make(Path("runs/one"))
    with pytest.raises(UsageError, match="runs/one is there already, and is no run's folder"):
        new_run("one", "byol")


def test_where_no_folder_can_be_made(here: Path) -> None:
    (here / "runs").touch()
    with pytest.raises(RunError, match=r"no run can be kept in .*/runs: "):
        new_run("one", "byol")


def test_a_run_is_found_by_name_and_by_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made("one")
    for name in ("one", "runs/one", str(here / "runs/one"), "./runs/one/"):
        assert find_run(name).path.resolve() == folder.path.resolve()
        assert find_run(name).name == "one"
    monkeypatch.chdir(folder.path)
    assert find_run(".").name == "one"
    monkeypatch.chdir("checkpoints")
    assert find_run("..").name == "one"


def test_a_run_comes_before_a_folder_of_its_name(here: Path) -> None:
    made("one")
    (here / "one").mkdir()
    (here / "one/graph.yaml").touch()
    assert find_run("one").path == Path("runs/one")


def test_a_run_that_is_not_there(here: Path) -> None:
    with pytest.raises(UsageError, match="no run called 'one': there are no runs under runs/ here"):
        find_run("one")
    (here / "graph.yaml").touch()
    with pytest.raises(UsageError, match="no run called ''"):
        find_run("")
    made("byol-1")
    with pytest.raises(UsageError, match="no run called 'x': runs are byol-1"):
        find_run("x")
    with pytest.raises(UsageError, match="did you mean 'byol-1'"):
        find_run("boyl-1")
    for i in range(2, 31):
        made(f"byol-{i}")
    with pytest.raises(UsageError, match="no run called 'x': there are 30 under runs/"):
        find_run("x")


def test_a_run_is_trained_by_one_process_at_a_time() -> None:
    folder = made("one")
    claim = "from graphssl.runs.folder import find_run\nwith find_run('one').claimed():\n    print('mine', flush=True)\n    input()"
    with subprocess.Popen(
        [sys.executable, "-c", claim], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "mine\n"
        with pytest.raises(RunError, match="the run 'one' is being trained by another process"), folder.claimed():
            pass
        other.kill()
    for _ in range(2):  # a process that was killed leaves nothing behind, nor does one that goes on to another run
        with folder.claimed():
            pass


def test_facts_add_up() -> None:
    folder = made("one")
    folder.note(status="running", hash="abc")
    folder.note(status="finished", knn={"1": 0.5})
    assert folder.facts() == {"status": "finished", "hash": "abc", "knn": {"1": 0.5}}


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("gone")])
def test_a_run_whose_graph_is_no_file(make: Callable[[Path], None]) -> None:
    folder = made("one")
    folder.graph.unlink()
    make(folder.graph)
    with pytest.raises(
        UsageError, match=r"no run that can be read in runs/one: its graph.yaml is a (folder|pipe|link)"
    ):
        find_run("one")


def test_a_run_that_may_not_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    made("one")

    def barred(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", barred)
    monkeypatch.setattr(Path, "lstat", barred)
    with pytest.raises(UsageError, match="no run that can be read in runs/one: Permission denied"):
        find_run("one")


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("../../precious")])
def test_what_stands_where_a_lock_should(here: Path, make: Callable[[Path], None]) -> None:
    """Nobody waits for it, and what a link leads to is not emptied."""
    folder = made("one")
    (here / "precious").write_text("words")
    make(folder.path / ".lock")
    with folder.claimed():
        pass
    assert (here / "precious").read_text() == "words"


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[1, 2]", "\x00\xff", "null", "[" * 100_000, '{"mlflow": 3}', '{"mlflow": ["x"]}', '{"changes": "x"}',
        '{"notes": 3}', '{"scores": []}', '{"loss": "x"}',
    ],
)  # fmt: skip
def test_facts_that_are_damaged(text: str) -> None:
    folder = made("one")
    (folder.path / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError, match=r"runs/one/run\.json is damaged \(.*\); delete it to go on without"):
        folder.facts()

"""A run as a process of its own: begun, waited for, stopped; and why it has failed."""

from __future__ import annotations

import fcntl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_runs import held, say, trained

from graphssl.console import STOPPED
from graphssl.errors import RunError
from graphssl.runs.study.children import Child, Place

GRAPH = "nodes: {critic: {temperature: 0.25}}\n"
Codes = Iterator[int]


@pytest.fixture
def child(fake: Path) -> Child:
    (fake / "cell.yaml").write_text(GRAPH)
    return Child("r", fake / "cell.yaml", 3, Place("cpu", {}), fake / "logs/r.log")


def wait(child: Child, seconds: float = 60) -> int:
    until = time.monotonic() + seconds
    while (code := child.poll()) is None:
        assert time.monotonic() < until
        time.sleep(0.02)
    return code


def test_a_run_to_its_end(child: Child) -> None:
    assert child.waits
    assert wait(child) == 0
    assert not child.waits
    assert child.folder.facts()["scores"]["knn"]["1"] == 0.78


def test_what_it_is_told(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seed, a name, its place; nobody answers questions; and Ctrl-C on the terminal is the study's alone."""
    begun: list[tuple[list[str], dict[str, object]]] = []

    class Ended:
        pid = 0

        def __init__(self, words: list[str], **more: object) -> None:
            begun.append((words, more))

        def poll(self) -> int:
            return 0

    monkeypatch.setattr(subprocess, "Popen", Ended)
    child.then = "linear"
    child.place, child.environment = Place("cuda:1", {"A": "1"}), {"B": "2"}
    assert wait(child) == 0
    words = [" ".join(words[1:]) for words, _ in begun]
    assert words == [
        f"-m graphssl run {child.graph} --set train.seed=3 --name r --resume auto --device cuda:1",
        "-m graphssl evaluate r --protocol linear --device cuda:1",
    ]
    for _, more in begun:
        assert more["start_new_session"] is True
        assert more["stdin"] == subprocess.DEVNULL
        environment = more["env"]
        assert isinstance(environment, dict)
        assert (environment["A"], environment["B"]) == ("1", "2")
        assert "PATH" in environment


def test_it_ends_after_its_step_and_goes_on(child: Child, fake: Path) -> None:
    say(fake, epochs=3, pause=0.3)
    child.poll()
    while len(trained(fake)) < 1:
        time.sleep(0.02)
    child.stop()
    assert child.stopped
    assert wait(child) == STOPPED
    again = Child("r", child.graph, 3, child.place, child.log)
    assert wait(again) == 0
    assert sorted(trained(fake)) == ["r 1", "r 2", "r 3"]


def test_one_that_another_process_has_just_started_is_waited_for(child: Child, fake: Path) -> None:
    """Of a study that was killed: the run that it has started may have no folder yet."""
    say(fake, begins=1.0)
    child.poll()
    twin = Child("r", child.graph, 3, child.place, child.log)
    assert twin.poll() is None
    assert twin.waits
    assert not (fake / "runs").exists(), "the first has not begun yet"
    assert wait(child) == wait(twin) == 0
    assert trained(fake) == ["r 1"]


def test_one_that_is_trained_elsewhere_is_waited_for(child: Child, fake: Path) -> None:
    (fake / "runs/r").mkdir(parents=True)
    with held(fake / "runs/r/.lock"):
        assert child.poll() is None
        assert child.waits
    assert wait(child) == 0


def test_a_log_that_cannot_be_locked_is_written(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refused)
    assert wait(child) == 0


def test_why_it_has_failed(child: Child, fake: Path) -> None:
    say(fake, fails=["r"])
    assert wait(child) == 1
    assert child.reason() == "the loss is not finite"


def test_why_it_was_ended(child: Child, fake: Path) -> None:
    say(fake, pause=60)
    child.poll()
    child.kill()
    assert wait(child) == -9
    assert child.reason() == "ended by SIGKILL, as by a system that has no memory left"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "exit code 1"),
        (b"a line\n\n", "a line"),
        (b"graphssl: why\nTraceback\n", "why"),
        (b"50 %\r100 %\rgraphssl: wh\x1b[2Jy \xff\n", "wh\\x1b[2Jy \N{REPLACEMENT CHARACTER}"),
        (b"x" * 100_000 + b"\nlast\n", "last"),
    ],
)
def test_its_last_words(child: Child, said: bytes, reason: str, fake: Path) -> None:
    say(fake, fails=["r"])
    wait(child)
    child.log.write_bytes(said)
    assert child.reason() == reason


def test_a_log_that_is_gone(child: Child, fake: Path) -> None:
    say(fake, fails=["r"])
    wait(child)
    child.log.unlink()
    assert child.reason() == "exit code 1"


def test_a_log_that_cannot_be_written(child: Child) -> None:
    child.log.mkdir(parents=True)
    with pytest.raises(RunError, match=r"r\.log cannot be written: Is a directory"):
        child.poll()


def test_a_process_that_cannot_be_started(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphssl.runs.study.children.sys.executable", "/nowhere/python")
    with pytest.raises(RunError, match="no process can be started: No such file or directory"):
        child.poll()

"""What an ended run has left arrives later: once, by one process, and not while the run is trained."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest
from stores import FakeStore, tracker, until

from graphssl.track import Busy, Delivered, deliver_left
from graphssl.track.journal import Journal
from graphssl.track.sender import Sender


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "run-1" / "undelivered.jsonl"


def left(store: FakeStore, spool: Path, *, steps: int = 5, **options: Any) -> None:
    """A run that has ended while its store was down."""
    store.down = True
    t = tracker(store, spool, **options)
    t.metrics({"loss": 0.0}, 0)
    t.text("graph", "graph.yaml")
    for step in range(1, steps):
        t.metrics({"loss": float(step)}, step)
    assert len(t.finish("FINISHED", 10)) == 1
    store.down = False


def deliver(store: FakeStore, spool: Path, **options: Any) -> Delivered | None:
    return deliver_left(spool, connect=lambda *_: store(), **options)


def test_a_run_that_never_reached_the_store_arrives_as_it_was(store: FakeStore, spool: Path) -> None:
    left(store, spool)
    done = deliver(store, spool)
    assert done is not None
    assert (str(done.sent), done.left, done.told, done.run_id) == ("5 metrics and 1 artifact", None, (), "id1")
    run = store.runs["id1"]
    assert (run["name"], run["params"], run["status"], run["tags"]["t"]) == ("run-1", {"a.b": "1"}, "FINISHED", "v")
    assert store.losses == [(step, float(step)) for step in range(5)]
    assert not spool.exists()
    assert deliver(store, spool) is None


def test_a_store_that_is_still_down_changes_nothing(store: FakeStore, spool: Path) -> None:
    left(store, spool)
    store.down, before = True, spool.read_text()
    done = deliver(store, spool, tries=1)
    assert done is not None
    assert (str(done.left), done.failure) == ("5 metrics and 1 artifact", "connection to http://host refused")
    assert "could not be delivered to MLflow" in str(done)
    assert len(spool.read_text().splitlines()) == len(before.splitlines())
    store.down = False
    assert deliver(store, spool) is not None
    assert len(store.losses) == 5


def test_an_ended_run_keeps_its_state_where_nothing_says_how_it_ended(store: FakeStore, spool: Path) -> None:
    """As a process leaves it that is killed."""
    left(store, spool)
    spool.write_text("".join(line + "\n" for line in spool.read_text().splitlines() if '"end"' not in line))
    store.runs["id7"] = {"name": "run-1", "status": "KILLED"}
    spool.write_text(spool.read_text().replace('"run_id": null', '"run_id": "id7"', 1))
    assert deliver(store, spool) is not None
    assert store.runs["id7"]["status"] == "KILLED"


def test_points_that_had_arrived_do_not_arrive_again(store: FakeStore, spool: Path) -> None:
    left(store, spool)
    written = spool.read_text()
    assert deliver(store, spool) is not None
    spool.write_text(written.replace('"run_id": null', '"run_id": "id1"', 1))  # killed before it was crossed out
    done = deliver(store, spool)
    assert done is not None
    assert done.sent.metrics == 0
    assert len(store.losses) == 5


def test_a_run_that_is_trained_is_left_alone(store: FakeStore, spool: Path) -> None:
    t = tracker(store, spool)
    t.metrics({"loss": 1.0}, 1)
    with pytest.raises(Busy):
        deliver(store, spool)
    assert t.finish("FINISHED", 10) == []
    assert store.losses == [(1, 1.0)]


def test_a_run_that_is_trained_by_another_process_is_left_alone(store: FakeStore, spool: Path) -> None:
    program = f"""
        import sys, pathlib
        from graphssl.track import Tracker
        def down(): raise ConnectionError("down")
        t = Tracker("run-1", params={{}}, tags={{}}, spool=pathlib.Path({str(spool)!r}), connect=down)
        t.metrics({{"loss": 1.0}}, 1)
        print("begun", flush=True)
        sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        with pytest.raises(Busy):
            deliver(store, spool)
        process.kill()
    done = deliver(store, spool)
    assert done is not None
    assert store.losses == [(1, 1.0)]


def test_two_do_not_deliver_at_once(store: FakeStore, spool: Path) -> None:
    left(store, spool)
    store.hang = threading.Event()
    attempts = store.attempts
    first = threading.Thread(target=deliver, args=(store, spool))
    first.start()
    until(lambda: store.attempts > attempts)
    with pytest.raises(Busy):
        deliver(store, spool)
    store.hang.set()
    first.join(30)
    assert len(store.losses) == 5


def test_a_run_that_goes_on_takes_its_journal_from_whoever_delivers_it(store: FakeStore, spool: Path) -> None:
    """It waits for nobody, and loses nothing: what is delivered meanwhile is not delivered again."""
    left(store, spool, steps=300)
    other = Journal(spool)
    assert other.lock.take()
    assert other.read()
    sender = Sender(other, store, lambda _: None, trains=False)
    send, begun = store.send, threading.Event()
    t: list[Any] = []

    def send_and_take(run_id: str, entries: Any) -> None:
        send(run_id, entries)
        if not t:
            store.send = send  # type: ignore[method-assign]
            t.append(tracker(store, spool))
            t[0].metrics({"loss": 300.0}, 300)
            begun.set()

    store.send = send_and_take  # type: ignore[method-assign]
    with pytest.raises(Busy):
        sender.send()
    assert begun.is_set()
    other.close()
    assert t[0].finish("FINISHED", 20) == []
    assert t[0].run_id == "id1"
    assert store.losses == [(step, float(step)) for step in range(301)]
    assert list(store.runs) == ["id1"]
    assert not spool.exists()


@pytest.mark.parametrize("text", ["\xff\x00 garbage\n{}\n[]\n", "x" * 1000, "\n\n"])
def test_a_journal_of_which_nothing_can_be_read_makes_no_run(store: FakeStore, spool: Path, text: str) -> None:
    spool.parent.mkdir()
    spool.write_text(text)
    done = deliver(store, spool, known="id7")
    assert done is not None
    assert (done.left, done.run_id, store.runs) == (None, "id7", {})
    assert str(done) == "run-1: there was nothing to deliver that MLflow did not have"
    assert done.told == (("3 lines of " + str(spool) + " could not be read",) if "garbage" in text else ())


def test_a_journal_whose_first_line_is_lost_is_of_the_run_that_is_known(store: FakeStore, spool: Path) -> None:
    left(store, spool)
    spool.write_text("".join(line + "\n" for line in spool.read_text().splitlines()[1:]))
    store.runs["id7"] = {"name": "run-1", "status": "KILLED"}
    assert deliver(store, spool, known="id7") is not None
    assert list(store.runs) == ["id7"]
    assert len(store.losses) == 5


def test_a_pipe_in_place_of_a_journal_is_no_wait(store: FakeStore, spool: Path) -> None:
    import os

    spool.parent.mkdir()
    os.mkfifo(spool)
    assert deliver(store, spool) is None
    assert tracker(store, spool).finish("FINISHED", 10) == []

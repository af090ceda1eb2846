"""Delivery to a store that fails, hangs, refuses and comes back; and what survives a process that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from stores import FakeStore, tracker, until


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "undelivered.jsonl"


def test_everything_arrives_and_no_file_is_left(store: FakeStore, spool: Path, tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"png")
    t = tracker(store, spool)
    t.metrics({"loss": 1.0, "knn": 0.5}, 0)
    t.text("graph: byol", "graph.yaml")
    t.file(tmp_path / "picture.png", "pictures")
    assert t.finish("FINISHED", 10) == []
    assert [e.kind for e in store.sent] == ["metrics", "text", "file", "end"]
    assert store.sent[2].data == {"path": str(tmp_path / "picture.png"), "folder": "pictures"}
    run = store.runs["id1"]
    assert (run["name"], run["params"], run["status"]) == ("run-1", {"a.b": "1"}, "FINISHED")
    assert run["tags"]["t"] == "v"
    assert "empty" not in run["tags"]
    assert run["tags"]["system.python"]
    assert t.run_id == "id1"
    assert not spool.exists()


def test_a_store_that_goes_away_and_comes_back_gets_everything_in_order(store: FakeStore, spool: Path) -> None:
    said: list[str] = []
    t = tracker(store, spool, warn=said.append)
    for step in range(300):
        if step in (50, 150):
            until(lambda: len(store.losses) > 0)
            store.down = True
        if step in (100, 250):
            before = store.attempts
            until(lambda before=before: store.attempts > before + 1)
            store.down = False
        t.metrics({"loss": step / 2}, step)
    assert t.finish("FINISHED", 10) == []
    assert store.losses == [(step, step / 2) for step in range(300)]
    assert said, "nobody was told"
    assert "secret" not in said[0]
    assert str(spool) in said[0]


def test_a_store_that_is_down_at_first_gets_the_run_with_its_own_start(store: FakeStore, spool: Path) -> None:
    store.down = True
    before = int(time.time() * 1000)
    t = tracker(store, spool)
    t.metrics({"loss": 1.0}, 0)
    until(lambda: store.attempts)
    assert t.run_id is None, "the first answer was a failure"
    after = int(time.time() * 1000)
    store.down = False
    until(lambda: t.run_id)
    t.metrics({"loss": 2.0}, 1)
    assert t.finish("FINISHED", 10) == []
    assert store.losses == [(0, 1.0), (1, 2.0)]
    assert before <= store.runs["id1"]["started"] <= after
    assert before <= store.sent[0].at <= after


def test_parameters_that_failed_after_the_run_was_made_are_logged_to_that_run(store: FakeStore, spool: Path) -> None:
    params, failures = store.params, [1, 2]

    def flaky(run_id: str, values: Mapping[str, str]) -> None:
        if failures:
            failures.pop()
            raise ConnectionError("gone")
        params(run_id, values)

    store.params = flaky  # type: ignore[method-assign]
    made: list[str] = []
    create = store.create
    store.create = lambda *a: made.append("run") or create(*a)  # type: ignore[func-returns-value, method-assign]
    t = tracker(store, spool)
    t.metrics({"loss": 1.0}, 0)
    until(lambda: store.losses)
    assert t.finish("FINISHED", 10) == []
    assert made == ["run"]
    assert store.runs["id1"]["params"] == {"a.b": "1"}


def test_what_is_not_delivered_is_kept_and_delivered_on_resume(store: FakeStore, spool: Path) -> None:
    first = tracker(store, spool)
    first.metrics({"loss": 0.0}, 0)
    until(lambda: store.losses)
    store.down = True
    for step in range(1, 6):
        first.metrics({"loss": float(step), "lr": 0.1}, step)
    (warning,) = first.finish("KILLED", 10)
    assert warning.startswith("10 metrics could not be delivered to MLflow (connection to http://host refused)")
    assert f"kept in {spool}" in warning
    assert f"`graphssl track {spool.parent}`" in warning
    assert store.runs["id1"]["status"] == "RUNNING"

    store.down = False
    second = tracker(store, spool, resume="id1")
    for step in range(4, 8):  # the checkpoint was at step 3
        second.metrics({"loss": float(step), "lr": 0.1}, step)
    assert second.finish("FINISHED", 10) == []
    assert store.losses == [(step, float(step)) for step in range(8)], "steps twice, or lost, or out of order"
    assert store.runs["id1"]["status"] == "FINISHED"
    assert [e.data["status"] for e in store.sent if e.kind == "end"] == ["FINISHED"], "the first end is past"
    assert not spool.exists()


def test_a_run_that_never_reached_the_store_is_made_on_resume(store: FakeStore, spool: Path) -> None:
    store.down = True
    first = tracker(store, spool)
    first.metrics({"loss": 0.0}, 0)
    assert len(first.finish("FAILED", 10)) == 1
    assert first.run_id is None
    store.down = False
    second = tracker(store, spool)
    second.metrics({"loss": 0.0}, 0)
    second.metrics({"loss": 1.0}, 1)
    assert second.finish("FINISHED", 10) == []
    assert store.losses == [(0, 0.0), (1, 1.0)]


def test_resuming_skips_only_what_the_run_has(store: FakeStore, spool: Path) -> None:
    first = tracker(store, spool)
    for step in range(5):
        first.metrics({"loss": float(step)}, step)
    assert first.finish("KILLED", 10) == []
    second = tracker(store, spool, resume="id1")
    second.metrics({"loss": 3.0, "knn": 0.5}, 3)
    second.metrics({"loss": 5.0}, 5)
    assert second.finish("FINISHED", 10) == []
    assert store.losses == [(step, float(step)) for step in range(6)]
    assert [e.data for e in store.sent if "knn" in e.data] == [{"knn": 0.5}]


def test_resuming_keeps_the_parameters_and_the_id_when_the_store_is_down(store: FakeStore, spool: Path) -> None:
    first = tracker(store, spool)
    assert first.finish("KILLED", 10) == []
    store.down = True
    second = tracker(store, spool, resume="id1", params={"a": {"b": 2}})
    second.metrics({"loss": 5.0}, 5)
    assert len(second.finish("FINISHED", 10)) == 1
    assert second.run_id == "id1"
    assert store.runs["id1"]["params"] == {"a.b": "1"}


def test_resuming_a_run_that_is_gone_makes_a_new_one_and_says_so(store: FakeStore, spool: Path) -> None:
    said: list[str] = []
    t = tracker(store, spool, resume="deleted", warn=said.append)
    t.metrics({"loss": 5.0}, 5)
    assert t.finish("FINISHED", 10) == []
    assert t.run_id == "id1"
    assert store.runs["id1"]["params"] == {"a.b": "1"}
    assert "deleted" in said[0]


def test_finishing_does_not_wait_for_a_store_that_is_down(store: FakeStore, spool: Path) -> None:
    store.down = True
    t = tracker(store, spool, wait=1.0)
    began = time.monotonic()
    assert len(t.finish("FINISHED", 60)) == 1
    assert time.monotonic() - began < 30


def test_a_store_that_hangs_holds_up_nothing(store: FakeStore, spool: Path) -> None:
    store.hang = threading.Event()
    t = tracker(store, spool)
    for step in range(100):
        t.metrics({"loss": 1.0}, step)
    (warning,) = t.finish("FINISHED", 0.1)
    assert "100 metrics" in warning
    assert "no answer within 0.1 s" in warning
    assert len([line for line in spool.read_text().splitlines() if '"metrics"' in line]) == 100
    store.hang.set()


def test_what_the_store_refuses_does_not_hold_up_the_rest(store: FakeStore, spool: Path) -> None:
    store.bad = {"bad"}
    t = tracker(store, spool, wait=0.2)
    for step in range(20):
        t.metrics({"bad" if step == 7 else "loss": float(step)}, step)
    (warning,) = t.finish("FINISHED", 10)
    assert warning == "an entry is not delivered: invalid name"
    assert [step for step, _ in store.losses] == [s for s in range(20) if s != 7]
    assert store.runs["id1"]["status"] == "FINISHED"


def test_artifacts_that_cannot_be_stored_do_not_hold_up_the_metrics(store: FakeStore, spool: Path) -> None:
    store.no_artifacts = True
    t = tracker(store, spool)
    t.text("graph: byol", "graph.yaml")
    for step in range(20):
        t.metrics({"loss": float(step)}, step)
    (warning,) = t.finish("FINISHED", 10)
    assert warning.startswith("1 artifact could not be delivered to MLflow (no credentials); it is kept")
    assert [step for step, _ in store.losses] == list(range(20))
    assert store.runs["id1"]["status"] == "FINISHED"
    store.no_artifacts = False
    assert tracker(store, spool, resume="id1").finish("FINISHED", 10) == []
    assert [e.data["content"] for e in store.sent if e.kind == "text"] == ["graph: byol"]


def test_metrics_never_raise(store: FakeStore, spool: Path) -> None:
    t = tracker(store, spool)
    t.metrics({"loss": "no number"}, 0)  # type: ignore[dict-item]
    t.metrics({"loss": float("nan"), "x[1]=a": 2}, 1)
    t.metrics({}, 2)
    (warning,) = t.finish("FINISHED", 10)
    assert "metrics at step 0" in warning
    (entry,) = [e for e in store.sent if e.kind == "metrics"]
    assert entry.data["loss"] != entry.data["loss"]
    assert entry.data["x_1__a"] == 2.0


def test_a_folder_that_cannot_be_written_loses_nothing_while_the_store_is_up(store: FakeStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    t = tracker(store, tmp_path / "file" / "undelivered.jsonl")
    t.metrics({"loss": 1.0}, 0)
    assert t.finish("FINISHED", 10) == []
    assert store.losses == [(0, 1.0)]


def test_neither_store_nor_folder_is_said_plainly(store: FakeStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store.down = True
    t = tracker(store, tmp_path / "file" / "undelivered.jsonl")
    t.metrics({"loss": 1.0}, 0)
    (warning,) = t.finish("FINISHED", 10)
    assert "1 metric could not be delivered" in warning
    assert "nor kept" in warning


def test_a_killed_process_loses_nothing(store: FakeStore, spool: Path) -> None:
    """kill -9 in the middle of a run whose store is down; half a line at the end of the file."""
    program = f"""
        import sys, time, pathlib
        from graphssl.track import Tracker
        def down(): raise ConnectionError("down")
        t = Tracker("run-1", params={{}}, tags={{}}, spool=pathlib.Path({str(spool)!r}), connect=down)
        for step in range(500):
            t.metrics({{"loss": step / 2}}, step)
        print("logged", flush=True)
        time.sleep(60)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "logged\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with spool.open("a") as file:
        file.write('{"kind": "metrics", "at": 17')
    t = tracker(store, spool)
    t.metrics({"loss": 250.0}, 500)
    assert t.finish("FINISHED", 10) == []
    assert store.losses == [(step, step / 2) for step in range(501)]


def test_the_next_process_goes_on_with_the_run_of_a_killed_one(store: FakeStore, spool: Path) -> None:
    """Nobody but the file knows the id of a run whose process was killed."""
    store.runs["id7"] = {"name": "run-1"}
    spool.write_text('{"run_id": "id7"}\n')
    t = tracker(store, spool)
    t.metrics({"loss": 1.0}, 0)
    assert t.finish("FINISHED", 10) == []
    assert t.run_id == "id7"
    assert list(store.runs) == ["id7"]


def test_a_fresh_run_asks_for_nothing(store: FakeStore, spool: Path) -> None:
    t = tracker(store, spool)
    t.metrics({"loss": 1.0}, 1)
    assert t.finish("FINISHED", 10) == []
    assert store.asked == 0


@pytest.mark.parametrize("every", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("down", [False, True], ids=["up", "down in between"])
def test_no_point_arrives_twice_however_often_a_run_is_killed(
    store: FakeStore, tmp_path: Path, every: int, down: bool
) -> None:
    """Killed after each third step, it goes on from a checkpoint at each so many; its journal is as it was then."""
    begin, run_id = 0, None
    for life, end in enumerate((3, 6, 9, 12)):
        spool = tmp_path / f"{life}.jsonl"
        left = tmp_path / f"left-{life}.jsonl"
        store.down = down and life in (1, 2)
        t = tracker(store, spool, resume=run_id)
        for step in range(begin + 1, end + 1):
            t.metrics({"loss": float(step), **({"knn": 0.5} if step % 2 == 0 else {})}, step)
        left.write_text(spool.read_text())  # as of a process that is killed: some of it has arrived, and more will
        t.finish("KILLED", 10)
        run_id = t.run_id or run_id
        left.rename(tmp_path / f"{life + 1}.jsonl")
        begin = end // every * every
        pending = [line for line in (tmp_path / f"{life + 1}.jsonl").read_text().splitlines() if '"loss"' in line]
        assert len(pending) == len(set(pending))
    assert store.losses == [(step, float(step)) for step in range(1, 13)]
    assert [e.step for e in store.sent if "knn" in e.data] == [2, 4, 6, 8, 10, 12]


def test_what_a_store_has_taken_without_an_answer_is_not_sent_again(store: FakeStore, spool: Path) -> None:
    store.forgets_to_answer = 2
    t = tracker(store, spool)
    for step in range(250):
        t.metrics({"loss": float(step)}, step)
    assert t.finish("FINISHED", 10) == []
    assert store.losses == [(step, float(step)) for step in range(250)]


def test_parameters_that_a_killed_process_did_not_get_to_are_logged_by_the_next(store: FakeStore, spool: Path) -> None:
    store.runs["id7"] = {"name": "run-1", "params": {"a.c": "3"}}
    spool.write_text('{"run_id": "id7"}\n')
    assert tracker(store, spool, params={"a": {"b": 1, "c": 4}}).finish("FINISHED", 10) == []
    assert store.runs["id7"]["params"] == {"a.b": "1", "a.c": "3"}

"""The book of a study: trials wait, are taken once, given back, and free again where their taker is gone."""

from __future__ import annotations

import builtins
import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import pytest

from graphssl.errors import RunError
from graphssl.runs.study import book as room
from graphssl.runs.study.axes import axis_of
from graphssl.runs.study.book import BEAT, SILENT, Book, find_book
from graphssl.runs.study.opening import books_in
from graphssl.runs.study.spec import Range

AXES = {"x": axis_of("x", [1, 2, 3], Path()), "y": axis_of("y", Range(low=0.5, high=1.5), Path())}
Make = Callable[..., Book]


@pytest.fixture(params=["journal", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """make(): the study's book, each time as another process has it."""
    storage = f"sqlite:///{tmp_path / 'book.db'}" if request.param == "sqlite" else None

    def opened(**more: Any) -> Book:
        found = find_book("s", tmp_path / "studies/s", storage, new=True, **more)
        assert found is not None
        return found

    return opened


def add(book: Book, *numbers: int) -> None:
    for number in numbers:
        book.add(f"cell{number}", number, f"run{number}", {"x": "1", "y": 0.75})


def states(book: Book) -> list[str]:
    return [trial.state for trial in book.trials()]


def test_a_trial_from_waiting_to_its_end(make: Make) -> None:
    book = make()
    add(book, 0, 1, 2)
    assert states(book) == ["waiting"] * 3
    first = book.take(AXES)
    assert first is not None
    assert (first.cell, first.seed, first.run, first.drawn) == ("cell0", 0, "run0", {"x": "1", "y": 0.75})
    second, third = book.take(AXES), book.take(AXES)
    assert second is not None
    assert third is not None
    assert book.take(AXES) is None
    book.tell(first.number, 0.5)
    book.tell(second.number, state="failed", why="the loss is not finite")
    book.tell(third.number, state="pruned", why="behind")
    again = make()
    assert [(t.state, t.value, t.why) for t in again.trials()] == [
        ("complete", 0.5, None), ("failed", None, "the loss is not finite"), ("pruned", None, "behind"),
    ]  # fmt: skip
    assert again.free() == []


def test_what_one_has_taken_no_other_takes(make: Make) -> None:
    one, other = make(), make()
    add(one, 0, 1)
    taken = [one.take(AXES), other.take(AXES), one.take(AXES)]
    assert [None if trial is None else trial.run for trial in taken] == ["run0", "run1", None]
    assert one.free() == other.free() == [], "their taker lives"


def test_of_several_that_take_at_once_each_has_its_own(make: Make) -> None:
    """An SQLite file has no rows that one of them could hold: only a transaction that begins as a writer does."""
    books = [make() for _ in range(4)]
    add(books[0], *range(40))

    def take(book: Book) -> list[str]:
        return [trial.run for trial in iter(lambda: book.take(AXES), None)]

    with ThreadPoolExecutor(len(books)) as pool:
        taken = [run for runs in pool.map(take, books) for run in runs]
    assert sorted(taken) == sorted(f"run{number}" for number in range(40))


def test_what_is_given_back_waits_again(make: Make) -> None:
    book = make()
    add(book, 0)
    trial = book.take(AXES)
    assert trial is not None
    book.give_back(trial.number)
    assert states(book) == ["failed", "waiting"]
    assert book.trials()[0].why is None
    again = make().take(AXES)
    assert again is not None
    assert (again.run, again.cell, again.seed, again.drawn) == (trial.run, trial.cell, trial.seed, trial.drawn)


def test_what_a_killed_process_had_taken_is_free(make: Make, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    book = make()
    add(book, 0, 1)
    storage = f"sqlite:///{tmp_path / 'book.db'}" if "sqlite" in request.node.name else None
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom graphssl.runs.study.book import find_book\n"
        "from graphssl.runs.study.axes import axis_of\nfrom graphssl.runs.study.spec import Range\n"
        "axes = {'x': axis_of('x', [1, 2, 3], Path()), 'y': axis_of('y', Range(low=0.5, high=1.5), Path())}\n"
        f"find_book('s', Path({str(tmp_path / 'studies/s')!r}), {storage!r}).take(axes)\nos.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == -9
    again = make()
    assert states(again) == ["running", "waiting"]
    assert [trial.run for trial in again.free()] == ["run0"]
    assert [trial.run for trial in again.trials() if trial.state == "waiting"] == ["run1", "run0"]
    assert make().free() == [], "it is freed once"


def test_a_silent_machine_s_trial_is_taken_over(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.platform, "node", lambda: "elsewhere")
    other = make()
    add(other, 0)
    trial = other.take(AXES)
    assert trial is not None
    monkeypatch.undo()
    here = make()
    assert here.free() == []
    now = time.time()
    monkeypatch.setattr(room.time, "time", lambda: now + SILENT + 1)
    assert [one.run for one in here.free()] == ["run0"]
    monkeypatch.setattr(room.time, "monotonic", lambda: 1e12)
    assert other.beat() == [trial.number], "and the other is told"
    assert other.beat() == []
    assert states(here) == ["failed", "waiting"]


def test_whoever_has_lost_a_trial_ends_it_no_more(make: Make) -> None:
    one, other = make(), make()
    add(one, 0)
    trial = one.take(AXES)
    assert trial is not None
    other._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    assert one.report(trial.number, 1, 0.5, prune=True) is False
    one.tell(trial.number, 0.9)
    assert [(t.state, t.value) for t in make().trials()] == [("failed", None)]


def test_a_sign_of_life_is_given_now_and_then(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    book = make()
    add(book, 0)
    book.take(AXES)
    before = book.trials()[0].taker["beat"]
    assert book.beat() == []
    assert book.trials()[0].taker["beat"] == before, "not at once"
    later = time.monotonic() + BEAT + 1
    monkeypatch.setattr(room.time, "monotonic", lambda: later)
    assert book.beat() == []
    assert book.trials()[0].taker["beat"] > before


def test_what_is_drawn_becomes_a_run_or_none(make: Make) -> None:
    book = make(sampler="random")
    found = book.draw(AXES)
    assert isinstance(found, tuple)
    number, values = found
    assert values["x"] in (1, 2, 3)
    assert 0.5 <= values["y"] <= 1.5
    assert (book.trials(), book.drawn()) == ([], 0)
    trial = book.begin(number, "cell", 4, "run")
    assert (trial.cell, trial.seed, trial.run, trial.state) == ("cell", 4, "run", "running")
    assert trial.drawn == {"x": str(values["x"]), "y": values["y"]}
    refused = book.draw(AXES)
    assert isinstance(refused, tuple)
    book.put_back(refused[0])
    assert ([one.run for one in book.trials()], book.drawn()) == (["run"], 1)


def test_a_trial_that_waits_comes_before_what_is_drawn(make: Make) -> None:
    book = make(sampler="tpe")
    add(book, 0)
    found = book.draw(AXES)
    assert not isinstance(found, tuple)
    assert found.run == "run0"


def test_what_is_drawn_first_is_the_same_each_time_and_not_twice(tmp_path: Path) -> None:
    def drawn(name: str) -> dict[str, Any]:
        book = find_book(name, tmp_path / name, None, sampler="random", new=True)
        assert book is not None
        found = book.draw(AXES)
        assert isinstance(found, tuple)
        return found[1]

    first = drawn("a")
    assert first == drawn("b")
    assert first != drawn("a"), "a study that goes on draws others, and so does who joins it"


def test_the_median_prunes_what_is_behind(make: Make) -> None:
    book = make()
    add(book, *range(6))
    trials = [book.take(AXES) for _ in range(6)]
    for trial, value in zip(trials[:5], (0.5, 0.6, 0.7, 0.8, 0.9), strict=True):
        assert trial is not None
        assert not book.report(trial.number, 1, value, prune=True), "too few have ended"
    for trial in trials[:5]:
        assert trial is not None
        book.tell(trial.number, 0.9)
    last = trials[5]
    assert last is not None
    assert not book.report(last.number, 1, 0.75, prune=True)
    assert not book.report(last.number, 1, 0.1, prune=False)
    add(book, 6)
    behind = book.take(AXES)
    assert behind is not None
    assert book.report(behind.number, 1, 0.65, prune=True)


def test_less_may_be_better(tmp_path: Path) -> None:
    book = find_book("s", tmp_path / "s", None, more=False, new=True)
    assert book is not None
    assert book._study.direction == optuna.study.StudyDirection.MINIMIZE


def test_facts_are_kept(make: Make) -> None:
    make().note(spec={"study": "s"}, digest="d")
    make().note(digest="e")
    assert make().facts() == {"spec": {"study": "s"}, "digest": "e"}


# -- what goes wrong -------------------------------------------------------------------------------------------


def test_there_may_be_none(tmp_path: Path) -> None:
    assert find_book("s", tmp_path / "s", None) is None
    assert not (tmp_path / "s").exists(), "to look for one makes none"
    find_book("s", tmp_path / "s", None, new=True)
    assert find_book("other", tmp_path / "s", None) is None
    assert books_in(tmp_path) == ["s"]


def test_somebody_s_own_study_is_known_as_such(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'book.db'}"
    optuna.create_study(study_name="theirs", storage=storage).enqueue_trial({"x": 1})
    theirs = find_book("theirs", tmp_path / "theirs", storage)
    ours = find_book("ours", tmp_path / "ours", storage, new=True)
    assert theirs is not None
    assert ours is not None
    assert theirs.is_foreign()
    assert not ours.is_foreign()
    ours.note(digest="d")
    add(ours, 0)
    assert not ours.is_foreign()


@pytest.mark.parametrize("left", [1, 20, 10_000])
def test_a_line_that_was_cut_off_is_written_over(tmp_path: Path, left: int) -> None:
    """By kill -9, or a power cut; what comes after would stand in the same line."""
    book = find_book("s", tmp_path, None, new=True)
    assert book is not None
    add(book, 0)
    journal = tmp_path / "journal.log"
    whole = journal.read_bytes()
    book.note(long="x" * 20_000)
    journal.write_bytes(journal.read_bytes()[: len(whole) + left])
    again = find_book("s", tmp_path, None)
    assert again is not None
    add(again, 1)
    assert [trial.run for trial in again.trials()] == ["run0", "run1"]
    last = find_book("s", tmp_path, None)
    assert last is not None
    assert [trial.run for trial in last.trials()] == ["run0", "run1"]
    assert journal.read_bytes().startswith(whole)
    assert all(isinstance(json.loads(line), dict) for line in journal.read_text().splitlines())


def test_a_journal_that_is_cut_while_another_process_has_it(tmp_path: Path) -> None:
    one, other = (find_book("s", tmp_path, None, new=True) for _ in range(2))
    assert one is not None
    assert other is not None
    add(one, 0)
    with (tmp_path / "journal.log").open("ab") as file:
        file.write(b'{"op_code": 8, "worker')
    assert [trial.run for trial in other.trials()] == ["run0"]
    add(other, 1)
    add(one, 2)
    assert [trial.run for trial in one.trials()] == [trial.run for trial in other.trials()] == ["run0", "run1", "run2"]


@pytest.mark.parametrize(
    "content", [b"rubbish\nmore\n", b"\x00\xff\n{}\n", b'{"op_code": 99}\n{"op_code": 1}\n', b"[1]\n[2]\n", b"{}\n{}\n"]
)
def test_a_damaged_journal_is_told_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "journal.log").write_bytes(content)
    with pytest.raises(RunError, match=r"journal\.log, is damaged \(.*\): move it away and give the command again"):
        find_book("s", tmp_path, None, new=True)
    assert (tmp_path / "journal.log").read_bytes() == content


def test_a_place_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "journal.log").mkdir()
    with pytest.raises(RunError, match=r"journal\.log, cannot be used: Is a directory"):
        find_book("s", tmp_path, None, new=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot be used: (Not a directory|File exists)"):
        find_book("s", tmp_path / "file", None, new=True)


@pytest.mark.parametrize("storage", ["nonsense", "", "sqlite:////nowhere/x.db", "nosuch://user:secret@host/x"])
def test_a_storage_that_is_none(tmp_path: Path, storage: str) -> None:
    with pytest.raises(RunError, match="the study's book, the storage, cannot be used: ") as caught:
        find_book("s", tmp_path, storage, new=True)
    assert "secret" not in str(caught.value)


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = find_book("s", tmp_path, None, new=True)
    assert book is not None

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match=r"journal\.log, cannot be used: No space left on device"):
        add(book, 0)
    monkeypatch.undo()
    add(book, 1)
    assert "run1" in [trial.run for trial in book.trials()]


def test_without_optuna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *more: Any) -> Any:
        if name.partition(".")[0] == "optuna":
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(RunError, match=r"studies need Optuna: pip install 'graphssl\[study\]'"):
        find_book("s", tmp_path, None, new=True)

"""Studies from their beginning to their table: what is done once, what fails, what is stopped, killed and shared.

The runs are fake but in the last tests, which are slow.
"""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import mlflow
import optuna
import pytest
from conftest import SIMCLR
from fake_runs import DRIVER, PYTHON, ended_lines, fake_python, say, trained

import graphssl
from graphssl.console import INTERRUPTED, STOPPED
from graphssl.errors import RunError, UsageError
from graphssl.runs.study import Done, Options, run_study, study_of, verbs
from graphssl.runs.study.book import find_book
from graphssl.runs.study.cells import cells_of
from graphssl.runs.study.metric import metric_of

TEMPERATURE, OUT = "nodes.critic.temperature", "nodes.projector.out"
FOUR = {TEMPERATURE: [0.1, 0.2], OUT: [8, 12]}
RANGE = {TEMPERATURE: {"low": 0.1, "high": 0.9}}


def sweep(vary: dict[str, Any] | str = FOUR, seeds: Sequence[int] = (0,), **more: Any) -> tuple[Done, list[str]]:
    """The study s of graph.yaml, and what it has said."""
    said: list[str] = []
    what = ("graph.yaml", vary) if isinstance(vary, dict) else (vary, None)
    more = (
        {"name": "s", "jobs": 2, "device": "cpu", **more}
        if isinstance(vary, dict)
        else {"jobs": 2, "device": "cpu", **more}
    )
    return graphssl.sweep(*what, list(seeds), report=said.append, **more), said


def rows(folder: Path = Path("studies/s")) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "runs.csv").open()))


def test_all_cells_are_run_and_compared(fake: Path) -> None:
    done, said = sweep(seeds=[0, 1])
    assert (done.code, done.folder, len(ended_lines(said))) == (0, Path("studies/s"), 8)
    assert said[0] == "study s: 4 cells, 2 seeds, 8 runs, cells compared by kNN accuracy"
    best = done.outcome.rows[0]
    assert best.labels[TEMPERATURE] == "0.1"
    assert best.values == {0: 0.9, 1: 0.91}
    assert sorted((row[TEMPERATURE], row[OUT], row["seed"], row["knn"]) for row in rows()) == sorted(
        (str(t), str(out), str(seed), repr(round(1 - t + seed / 100, 6)))
        for t in (0.1, 0.2) for out in (8, 12) for seed in (0, 1)
    )  # fmt: skip
    assert (fake / "studies/s/table.md").read_text().startswith(f"| {TEMPERATURE} | {OUT} | kNN | seeds |")
    assert sorted(trained(fake)) == sorted(f"{row['run']} 1" for row in rows())


def test_without_mlflow_there_is_no_run_above_them(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "Parent", lambda *_: pytest.fail("a run in MLflow was begun"))
    done, _ = sweep({TEMPERATURE: [0.1]}, sets=["track=[csv]"])
    assert (done.code, len(rows())) == (0, 1)


def test_the_same_command_has_nothing_left_to_do(fake: Path) -> None:
    sweep()
    before = (fake / "studies/s/runs.csv").read_text()
    done, said = sweep()
    assert (done.code, ended_lines(said)) == (0, [])
    assert "  4 of 4 runs are done" in said
    assert (fake / "studies/s/runs.csv").read_text() == before
    named, _ = sweep("s")
    assert named.outcome.rows == done.outcome.rows


def test_more_seeds_are_added(fake: Path) -> None:
    sweep()
    done, said = sweep(seeds=[0, 5])
    assert len(ended_lines(said)) == 4
    assert [sorted(row.values) for row in done.outcome.rows] == [[0, 5]] * 4


@pytest.mark.parametrize("happens", ["fails", "nan"])
def test_one_run_that_fails_is_one_run_s(fake: Path, happens: str) -> None:
    done, _ = sweep()
    name = rows()[0]["run"]
    other = {"name": "t", "where": [f"{OUT} == 8"]}
    say(fake, **{happens: [name.removeprefix("s-")]})
    done, said = sweep(**other)
    assert done.code == 1
    (failed,) = done.outcome.failed
    why = {"fails": "the loss is not finite", "nan": "its knn is nan"}[happens]
    assert failed.why == f"{why} (studies/t/logs/{failed.run}.log)"
    assert any(line.endswith(f"failed: {failed.why}") for line in said)
    assert [row.state for row in done.outcome.rows] == ["", "1 failed"]
    again, said = sweep(**other)
    assert (again.code, ended_lines(said)) == (1, []), "it is not run again unasked"
    say(fake)
    for damaged in Path("runs").glob(f"{failed.run}/run.json"):
        damaged.unlink()
    mended, said = sweep(**other, retry=True)
    assert (mended.code, len(ended_lines(said))) == (0, 1)
    assert [row["state"] for row in rows(Path("studies/t"))] == ["complete"] * 2


def test_a_run_without_the_figure_has_failed(fake: Path) -> None:
    done, _ = sweep({TEMPERATURE: [0.1]}, metric="knn/top5")
    assert [one.why for one in done.outcome.failed] == [
        f"it has not measured knn/top5 (studies/s/logs/{rows()[0]['run']}.log)"
    ]


def test_a_damaged_run_is_one_run_s(fake: Path) -> None:
    sweep({TEMPERATURE: [0.1, 0.2]})
    run = rows()[0]["run"].replace("s-", "t-", 1)
    (fake / "runs" / run).mkdir()
    (fake / "runs" / run / "run.json").write_text("{")
    done, _ = sweep({TEMPERATURE: [0.1, 0.2]}, name="t")
    assert [row.state for row in done.outcome.rows] == ["", "1 failed"]
    assert "run.json is damaged" in str(done.outcome.failed[0].why)


def test_what_is_given_back_between_two_writes_is_run_all_the_same(fake: Path) -> None:
    """A process that is killed when a trial has ended and its successor is not yet there."""
    asked = study_of("graph.yaml", {TEMPERATURE: [0.1]}, {"study": "s"}, None)
    (cell,) = cells_of(asked, metric_of(asked.graph, None)).cells
    book = find_book("s", fake / "studies/s", None, new=True)
    assert book is not None
    spec = asked.spec.model_dump(mode="json", exclude_unset=True)
    book.note(digest=asked.digest, spec=spec, folder=str(fake))
    book.add(cell.digest, 0, "s-lost", cell.drawn)
    trial = book.take(asked.axes)
    assert trial is not None
    book.tell(trial.number, state="failed")
    done, said = sweep({TEMPERATURE: [0.1]})
    assert (done.code, len(ended_lines(said))) == (0, 1)


# -- drawn cells -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_cells_are_drawn_and_the_same_command_goes_on(fake: Path, sampler: str) -> None:
    done, said = sweep(RANGE, [0, 1], sampler=sampler, trials=3)
    assert said[0].startswith(f"study s: 3 cells by {sampler}, 2 seeds, 6 runs")
    assert (done.code, len(ended_lines(said)), len(done.outcome.rows)) == (0, 6, 3)
    assert len(trained(fake)) == len(set(trained(fake))) == 6
    assert all(0.1 <= float(row[TEMPERATURE]) <= 0.9 for row in rows())
    _, said = sweep(RANGE, [0, 1], sampler=sampler, trials=3)
    assert ended_lines(said) == []
    more, said = sweep(RANGE, [0, 1], sampler=sampler, trials=5)
    assert (len(ended_lines(said)), len(more.outcome.rows)) == (4, 5)
    seeds, said = sweep(RANGE, [0, 1, 2], sampler=sampler, trials=5)
    assert (len(ended_lines(said)), [len(row.values) for row in seeds.outcome.rows]) == (5, [3] * 5)


def test_what_has_failed_of_drawn_cells_is_run_again(fake: Path) -> None:
    say(fake, fails=["-s1"])
    done, _ = sweep(RANGE, [0, 1], sampler="random", trials=2)
    assert len(done.outcome.failed) == 2
    say(fake)
    again, said = sweep(RANGE, [0, 1], sampler="random", trials=2, retry=True)
    assert (again.code, len(ended_lines(said)), len(again.outcome.rows)) == (0, 2, 2)


def test_few_cells_end_the_drawing(fake: Path) -> None:
    vary = {TEMPERATURE: [0.1, 0.2], OUT: [8, -1]}
    done, said = sweep(vary, sampler="random", trials=20)
    assert {row.labels[TEMPERATURE] for row in done.outcome.rows} == {"0.1", "0.2"}
    assert any(line.startswith("of the last 50 cells that were drawn") for line in said)
    assert any(line.startswith("refused: ") and "'out' is -1" in line for line in said)
    assert done.code == 0


def test_tpe_goes_where_it_is_better(fake: Path) -> None:
    done, _ = sweep(RANGE, sampler="tpe", trials=25, jobs=1)
    drawn = [
        float(row.labels[TEMPERATURE])
        for row in sorted(done.outcome.rows, key=lambda row: next(iter(row.trials.values())).number)
    ]
    assert sum(drawn[15:]) / 10 < sum(drawn[:10]) / 10 - 0.1


def test_a_run_that_is_behind_is_pruned(fake: Path) -> None:
    """Seven warm ones, and one that is colder from its first epoch on."""
    say(fake, epochs=1)
    vary = {TEMPERATURE: [0.10, 0.11, 0.12, 0.13, 0.14, 0.9]}
    say(fake, epochs=4, pause=0.15)
    done, said = sweep(vary, prune="median", jobs=1)
    by = {row.labels[TEMPERATURE]: next(iter(row.trials.values())) for row in done.outcome.rows}
    assert by["0.9"].state == "pruned"
    assert by["0.9"].why == "below the median of the others at step 1"
    assert done.code == 0
    assert [by[t].state for t in ("0.1", "0.11", "0.12", "0.13")] == ["complete"] * 4
    assert sum(line.startswith(f"{by['0.9'].run} ") for line in trained(fake)) < 4
    _, said = sweep(vary, prune="median", jobs=1)
    assert ended_lines(said) == [], "what was pruned is done"


# -- stopped, killed, shared -----------------------------------------------------------------------------------


BEGUN: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def _none_is_left() -> Iterator[None]:
    """Commands that a test that has failed would leave behind."""
    yield
    while BEGUN:
        process = BEGUN.pop()
        if process.poll() is None:
            process.kill()
            process.communicate()


def begin(folder: Path, *words: str, wait: Callable[[], bool] | None = None) -> subprocess.Popen[str]:
    """A command in a process of its own, once `wait` holds."""
    command = [PYTHON, "-c", DRIVER, fake_python(folder), *words]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    BEGUN.append(process)
    if wait is not None:
        until(wait, process)
    return process


def until(holds: Callable[[], object], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 300
    while not holds():
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        assert time.monotonic() < end
        time.sleep(0.02)


WORDS = (
    "sweep",
    "graph.yaml",
    f"{TEMPERATURE}=0.1,0.2",
    f"{OUT}=8,12",
    "--seeds",
    "2",
    "--device",
    "cpu",
    "--jobs",
    "2",
)


@pytest.mark.slow
def test_killed_while_runs_go_on_it_ends_as_if_it_had_not_been(fake: Path) -> None:
    sweep(seeds=[0, 1])
    undisturbed = (fake / "studies/s/runs.csv").read_text()
    (fake / "trained.log").unlink()
    say(fake, epochs=3, pause=0.3)
    for line in (1, 9):
        process = begin(fake, *WORDS, "--name", "k", wait=lambda line=line: len(trained(fake)) >= line)
        process.kill()
        process.wait()
    last = begin(fake, *WORDS, "--name", "k")
    said, _ = last.communicate(timeout=300)
    assert last.returncode == 0, said
    assert (fake / "studies/k/runs.csv").read_text().replace("k-", "s-") == undisturbed
    assert len(trained(fake)) == len(set(trained(fake))) == 24, "no epoch is trained twice"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_and_the_same_command_goes_on(fake: Path, number: signal.Signals) -> None:
    say(fake, epochs=3, pause=0.3)
    process = begin(fake, *WORDS, "--name", "k", wait=lambda: len(trained(fake)) >= 3)
    process.send_signal(number)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == {signal.SIGINT: INTERRUPTED, signal.SIGTERM: STOPPED}[number], said
    assert "stopped; the same command goes on" in said
    assert {row["state"] for row in rows(fake / "studies/k")} <= {"waiting", "complete"}
    before = len(trained(fake))
    assert before < 24
    time.sleep(0.5)
    assert len(trained(fake)) == before, "no run goes on without it"
    last = begin(fake, *WORDS, "--name", "k")
    said, _ = last.communicate(timeout=300)
    assert last.returncode == 0, said
    assert len(trained(fake)) == len(set(trained(fake))) == 24
    assert [row["state"] for row in rows(fake / "studies/k")] == ["complete"] * 8


@pytest.mark.slow
@pytest.mark.parametrize("storage", [(), ("--storage", "sqlite:///book.db")])
def test_two_processes_share_the_runs(fake: Path, storage: tuple[str, ...]) -> None:
    say(fake, epochs=3, until="both")
    words = (*WORDS[:-1], "1", "--name", "k", *storage)
    one = begin(fake, *words, wait=lambda: len(trained(fake)) >= 1)
    other = begin(fake, "sweep", "k", "--join", "--jobs", "1", "--device", "cpu", *storage)
    until(lambda: len(trained(fake)) == 2, other)  # each has one
    (fake / "both").touch()
    said = [process.communicate(timeout=300)[0] for process in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], said
    assert len(trained(fake)) == len(set(trained(fake))) == 24
    ended = [ended_lines(lines.splitlines()) for lines in said]
    assert all(ended), "each has run some"
    assert sum(map(len, ended)) == 8
    assert [row["state"] for row in rows(fake / "studies/k")] == ["complete"] * 8
    again = begin(fake, *words)
    assert "8 of 8 runs are done" in again.communicate(timeout=300)[0]


# -- refused before anything is written ------------------------------------------------------------------------


def test_another_study_of_that_name(fake: Path, graph: Path) -> None:
    sweep()
    with pytest.raises(UsageError, match="there is a study 's' already, with another vary: give this one another name"):
        sweep({TEMPERATURE: [0.3]})
    with pytest.raises(UsageError, match="with another metric"):
        sweep(metric="knn/top5")
    graph.write_text(SIMCLR.replace("hidden: 16", "hidden: 24"))
    for vary in (FOUR, "s"):
        with pytest.raises(UsageError, match="of a graph, or files, that have changed since"):
            sweep(vary)
    assert len(rows()) == 4


def test_somebody_s_own_study_in_the_storage(fake: Path) -> None:
    storage = "sqlite:///book.db"
    optuna.create_study(study_name="s", storage=storage).enqueue_trial({"x": 1})
    with pytest.raises(UsageError, match="has a study 's' that is not of graphssl's making"):
        sweep(storage=storage)
    with pytest.raises(UsageError, match="the study 's' is not of graphssl's making, or was not begun"):
        sweep("s", storage=storage)
    assert len(optuna.load_study(study_name="s", storage=storage).trials) == 1


def test_a_study_that_is_not_begun_cannot_be_joined(fake: Path) -> None:
    with pytest.raises(UsageError, match="there is no study 's' under studies/"):
        sweep(join=True)
    with pytest.raises(UsageError, match="there is no study 's' in the storage"):
        sweep(join=True, storage="sqlite:///book.db")
    assert not (fake / "studies").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"jobs": 0}, "jobs is how many runs go on at once, 1 or more"),
        ({"device": "gpu"}, "'gpu' is no device here"),
        ({"metric": "knnn"}, "did you mean 'knn'"),
        ({"metric": "detection"}, "cannot be measured"),
        ({"name": "a/b"}, "cannot name a study"),
        ({"where": [f"{TEMPERATURE} > 5"]}, "the conditions leave out all 4"),
        ({"storage": "nonsense"}, "the storage, cannot be used"),
    ],
)
def test_what_is_wrong_leaves_nothing_behind(fake: Path, more: dict[str, Any], message: str) -> None:
    before = sorted(fake.iterdir())
    with pytest.raises(RunError, match=message):
        sweep(**more)
    assert sorted(fake.iterdir()) == before


def test_what_was_not_confirmed_leaves_nothing_behind(fake: Path) -> None:
    said: list[str] = []
    asked = study_of("graph.yaml", FOUR, {}, None)
    assert run_study(asked, Options(confirm=lambda: False), said.append) is None
    assert len(said) == 2
    assert not (fake / "studies").exists()


@pytest.mark.parametrize("where", ["studies", "studies/s"])
def test_a_place_that_is_none(fake: Path, where: str) -> None:
    Path(where).parent.mkdir(exist_ok=True)
    Path(where).write_text("a file")
    with pytest.raises(RunError, match=r"studies/s.* cannot be (written|used): (Not a directory|File exists)"):
        sweep()
    assert Path(where).read_text() == "a file"
    assert trained(fake) == []


# -- with runs that train --------------------------------------------------------------------------------------


SHORT = SIMCLR.replace("epochs: 2", "steps: 8, log_every: 1, checkpoint: {steps: 1}").replace("hidden: 16", "hidden: 8")


def started(folder: Path, *words: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [PYTHON, "-m", "graphssl", *words, "--device", "cpu"], cwd=folder, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    BEGUN.append(process)
    return process


def children_of(process: subprocess.Popen[str]) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_study_that_is_killed_twice_ends_in_the_same_table(graph: Path, store: str) -> None:
    here = graph.parent
    graph.write_text(SHORT)
    words = ("sweep", "graph.yaml", f"{TEMPERATURE}=0.1,0.2", f"{OUT}=8,12", "--jobs", "2")
    whole = started(here, *words, "--name", "whole")
    said, _ = whole.communicate(timeout=600)
    assert whole.returncode == 0, said
    first = started(here, *words, "--name", "torn")
    until(lambda: list(here.glob("runs/torn-*/checkpoints/*")), first)
    running = children_of(first)
    assert running
    for pid in (first.pid, running[0]):  # one run dies with it, others go on alone
        os.kill(pid, signal.SIGKILL)
    first.wait()
    second = started(here, *words, "--name", "torn")
    until(lambda: sum("finished" in path.read_text() for path in here.glob("runs/torn-*/run.json")) >= 2, second)
    second.kill()
    second.wait()
    last = started(here, *words, "--name", "torn")
    said, _ = last.communicate(timeout=600)
    assert last.returncode == 0, said
    assert (here / "studies/torn/runs.csv").read_text().replace("torn-", "whole-") == (
        here / "studies/whole/runs.csv"
    ).read_text()
    assert (here / "studies/torn/table.md").read_text() == (here / "studies/whole/table.md").read_text()
    check_tracked(here, store)


def check_tracked(here: Path, store: str) -> None:
    """The runs of both studies stand under these; also of the one whose first process was killed."""
    client = mlflow.MlflowClient(store)
    found = [run for e in client.search_experiments() for run in client.search_runs([e.experiment_id])]
    for name in ("whole", "torn"):
        (parent,) = (run for run in found if run.info.run_name == name)
        assert parent.data.tags["graphssl.study"] == name
        assert parent.info.status == "FINISHED"
        below = [run for run in found if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        assert {run.info.run_name for run in below} == {row["run"] for row in rows(here / "studies" / name)}
        best = max(float(row["knn"]) for row in rows(here / "studies" / name))
        assert parent.data.metrics["study/best/knn"] == pytest.approx(best)
        assert parent.data.metrics["study/runs"] == 4


@pytest.mark.slow
def test_a_rate_that_is_too_high_is_one_run_s_and_what_runs_do_not_measure_comes_after(graph: Path) -> None:
    graph.write_text(SHORT)
    study = graph.parent / "high.yaml"
    study.write_text("study: high\ngraph: graph.yaml\nvary: {train.optimizer.lr: [0.05, 1.0e+30]}\nmetric: logistic\n")
    process = started(graph.parent, "sweep", "-o", "table.tex", "high.yaml")
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 1, said
    good, bad = sorted(rows(graph.parent / "studies/high"), key=lambda row: row["state"])
    assert (good["state"], good["train.optimizer.lr"]) == ("complete", "0.05")
    assert 0.2 < float(good["logistic"]) <= 1
    assert (bad["state"], bad["logistic"]) == ("failed", "")
    assert "not finite" in said
    assert (graph.parent / "table.tex").read_text().count("\\\\") == 3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_ctrl_c_leaves_checkpoints(graph: Path) -> None:
    graph.write_text(SHORT.replace("steps: 8", "steps: 4000"))
    words = ("sweep", "graph.yaml", f"{TEMPERATURE}=0.1", "--set", "train.checkpoint.steps=3000", "--name", "s")
    process = started(graph.parent, *words)
    until(lambda: [p for p in graph.parent.glob("runs/s-*/metrics.csv") if ",loss/total," in p.read_text()], process)
    (child,) = children_of(process)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert not Path(f"/proc/{child}").exists()
    assert list(graph.parent.glob("runs/s-*/checkpoints/*")), "written as it was asked to stop"
    assert [row["state"] for row in rows()] == ["waiting"]

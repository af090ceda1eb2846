"""Tracking into real MLflow stores: what lands there, resumed runs, stores that are broken, reading back."""

from __future__ import annotations

import math
import os
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from graphssl.errors import RunError, UsageError
from graphssl.track import Tracker, compare, find_run
from graphssl.track.compare import _in_order
from graphssl.track.journal import Entry
from graphssl.track.store import MlflowStore, client

GRAPH = {"graph": "byol", "nodes": {"queue": {"use": "negatives.queue", "size": 64}}, "train": {"lr": 0.001}}


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One store for the module: its schema takes seconds to make."""
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)


def tracked(name: str, uri: str, folder: Path, losses: list[float], **options: Any) -> Tracker:
    params, tags = options.pop("params", GRAPH), {"graphssl.graph": "byol", **options.pop("tags", {})}
    t = Tracker(name, params=params, tags=tags, spool=folder / "left.jsonl", uri=uri, **options)
    for step, loss in enumerate(losses):
        t.metrics({"loss": loss}, step)
    return t


def history(uri: str, run_id: str, name: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in client(uri).get_metric_history(run_id, name)]


def test_a_run_lands_in_the_store(uri: str, tmp_path: Path) -> None:
    picture = tmp_path / "graph.svg"
    picture.write_text("<svg/>")
    t = tracked("whole", uri, tmp_path, [3.0, 2.0, 1.0])
    t.metrics({"knn": 0.25}, 3)
    t.text("graph: byol\n", "graph.yaml")
    t.file(picture, "pictures")
    assert t.finish("FINISHED") == []
    run = find_run("whole", uri)
    assert run.run_id == t.run_id
    assert run.status == "FINISHED"
    assert run.params == {
        "graph": "byol", "nodes.queue.use": "negatives.queue", "nodes.queue.size": "64", "train.lr": "0.001",
    }  # fmt: skip
    assert run.metrics == {"loss": 1.0, "knn": 0.25}
    assert run.tags["graphssl.graph"] == "byol"
    assert run.tags["mlflow.source.type"] == "LOCAL"
    assert history(uri, run.run_id, "loss") == [(0, 3.0), (1, 2.0), (2, 1.0)]
    store = client(uri)
    assert store.get_experiment(run.experiment_id).name == "graphssl"
    assert sorted(f.path for f in store.list_artifacts(run.run_id)) == ["graph.yaml", "pictures"]
    assert [f.path for f in store.list_artifacts(run.run_id, "pictures")] == ["pictures/graph.svg"]
    beside = Path(uri.removeprefix("sqlite:///")).parent / "mlartifacts"
    assert (beside / run.run_id / "artifacts" / "graph.yaml").read_text() == "graph: byol\n"


def test_more_than_mlflow_takes_at_once(uri: str, tmp_path: Path) -> None:
    params = {f"p{i}": "x" * 7000 if i == 0 else i for i in range(250)}
    t = tracked("many", uri, tmp_path, [], params=params, tags={f"t{i}": "y" * 9000 for i in range(120)})
    for step in range(120):
        t.metrics({f"m{i}": float(step) for i in range(30)}, step)
    assert t.finish("FINISHED") == []
    run = find_run("many", uri)
    assert len(run.params) == 250
    assert len(run.params["p0"]) == 6000
    assert history(uri, run.run_id, "m29") == [(step, float(step)) for step in range(120)]
    assert len(run.tags["t119"]) == 5000
    again = tracked("many", uri, tmp_path, [], params=params, resume=t.run_id, tags={f"t{i}": "z" for i in range(120)})
    assert again.finish("FINISHED") == []
    assert {find_run("many", uri).tags[f"t{i}"] for i in range(120)} == {"z"}


def test_strange_names_and_values(uri: str, tmp_path: Path) -> None:
    t = tracked("strange", uri, tmp_path, [math.nan, math.inf, 1.0], params={"a[0]//x": "ü", "n" * 400: None})
    t.metrics({"s[0]=x/../y": 1.0, "m" * 400: 2.0, "größe": 3.0}, 3)
    assert t.finish("FINISHED") == []
    run = find_run("strange", uri)
    assert run.params["a_0_/_/x"] == "ü"
    assert {"s_0__x/_/y", "größe", "m" * 250} <= run.metrics.keys()
    values = [value for _, value in history(uri, run.run_id, "loss")]
    assert math.isnan(values[0])
    assert values[1] > 1e300
    assert values[2] == 1.0


def test_a_resumed_run_has_each_step_once(uri: str, tmp_path: Path) -> None:
    first = tracked("resumed", uri, tmp_path, [4.0, 3.0, 2.0])
    assert first.finish("KILLED") == []
    assert find_run("resumed", uri).status == "KILLED"
    second = tracked("resumed", uri, tmp_path, [], resume=first.run_id, params={"train": {"lr": 5}})
    for step in (1, 2, 3):
        second.metrics({"loss": 4.0 - step, "knn": 0.5}, step)
    assert second.finish("FINISHED") == []
    assert second.run_id == first.run_id
    run = find_run("resumed", uri)
    assert run.status == "FINISHED"
    assert run.params["train.lr"] == "0.001", "MLflow refuses changed parameters"
    assert history(uri, run.run_id, "loss") == [(0, 4.0), (1, 3.0), (2, 2.0), (3, 1.0)]
    assert history(uri, run.run_id, "knn") == [(1, 0.5), (2, 0.5), (3, 0.5)]


def test_delivering_twice_leaves_one_entry(uri: str, tmp_path: Path) -> None:
    """A reply that is lost on the way makes us send again: the time of an entry is its own, so MLflow knows it."""
    lost: list[int] = []

    class Lossy(MlflowStore):
        def send(self, run_id: str, entries: Sequence[Entry]) -> None:
            super().send(run_id, entries)
            if len(lost) < 2:
                lost.append(len(entries))
                raise ConnectionError("the reply was lost")

    t = tracked("twice", uri, tmp_path, [1.0, 2.0], connect=lambda: Lossy(uri), wait=0.05)
    assert t.finish("FINISHED") == []
    assert lost
    assert history(uri, find_run("twice", uri).run_id, "loss") == [(0, 1.0), (1, 2.0)]


def test_a_deleted_run_is_not_written_to(uri: str, tmp_path: Path) -> None:
    first = tracked("deleted", uri, tmp_path, [1.0])
    assert first.finish("KILLED") == []
    assert first.run_id is not None
    client(uri).delete_run(first.run_id)
    said: list[str] = []
    second = tracked("deleted", uri, tmp_path, [1.0, 2.0], resume=first.run_id, warn=said.append)
    assert second.finish("FINISHED") == []
    assert second.run_id != first.run_id
    assert len(said) == 1
    assert find_run("deleted", uri).run_id == second.run_id


def test_experiment_from_the_environment(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    t = Tracker("named", params={}, tags={}, spool=tmp_path / "left.jsonl")
    assert t.finish("FINISHED") == []
    assert client(uri).get_experiment(find_run("named").experiment_id).name == "mine"


def test_a_deleted_experiment_is_said_plainly(uri: str, tmp_path: Path) -> None:
    store = client(uri)
    store.delete_experiment(store.create_experiment("gone"))
    t = tracked("x", uri, tmp_path, [1.0], experiment="gone", wait=0.05)
    (warning,) = t.finish("FINISHED")
    assert "the experiment 'gone' is deleted" in warning
    assert "1 metric could" in warning


# -- stores that are broken ----------------------------------------------------------------------------------


def broken(uri: str, tmp_path: Path) -> tuple[str, list[str]]:
    """The warning of a run into a broken store, and what was said meanwhile."""
    said: list[str] = []
    t = tracked("broken", uri, tmp_path, [1.0, 2.0], warn=said.append, wait=0.05)
    (warning,) = t.finish("FINISHED")
    assert t.run_id is None
    assert len((tmp_path / "left.jsonl").read_text().splitlines()) == 4  # the header, two metrics, the end
    return warning, said


def test_a_corrupt_database(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database, it is a note" * 100)
    warning, said = broken(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    assert "file is not a database" in warning
    assert len(said) == 1
    with pytest.raises(RunError, match="file is not a database"):
        find_run("x", f"sqlite:///{tmp_path / 'mlflow.db'}")


@pytest.mark.slow
def test_runs_that_start_together_in_an_empty_folder_share_one_store(tmp_path: Path) -> None:
    """MLflow's own way of making its tables breaks the database when two processes do it at once."""
    program = """
        import sys
        from pathlib import Path
        from graphssl.track import Tracker
        name = sys.argv[1]
        t = Tracker(name, params={"a": 1}, tags={}, spool=Path(name + ".jsonl"))
        t.metrics({"loss": 1.0}, 0)
        print(*t.finish("FINISHED", 120))
    """
    started = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program), f"run-{i}"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(3)
    ]
    assert [process.communicate()[0].strip() for process in started] == ["", "", ""]
    found = compare(["run-0", "run-1", "run-2"], f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert [(run.status, run.metrics) for run in found.runs] == [("FINISHED", {"loss": 1.0})] * 3
    assert sorted(f.name for f in tmp_path.iterdir()) == ["mlflow.db"], "something is left lying about"


def test_a_database_half_made_does_not_end_a_run(tmp_path: Path) -> None:
    """What a killed MLflow leaves: some of the tables."""
    connection = sqlite3.connect(tmp_path / "mlflow.db")
    connection.execute("CREATE TABLE _alembic_tmp_params (x)")
    connection.commit()
    connection.close()
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    warning, said = broken(uri, tmp_path)
    assert "2 metrics could not be delivered" in warning
    assert len(said) == 1
    with pytest.raises(RunError, match="cannot be read"):
        find_run("x", uri)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    warning, said = broken(f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}", tmp_path)
    assert "mlflow.db cannot be made" in warning
    assert len(said) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_is_read_only(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    warning, _ = broken(f"sqlite:///{folder / 'mlflow.db'}", tmp_path)
    assert "mlflow.db cannot be made" in warning


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    warning, said = broken("http://me:secret@127.0.0.1:9", tmp_path)
    assert "127.0.0.1" in warning
    assert "secret" not in warning + said[0]
    with pytest.raises(RunError, match="cannot be read") as error:
        find_run("x", "http://me:secret@127.0.0.1:9")
    assert "secret" not in str(error.value)


@pytest.mark.slow
def test_a_schema_of_another_version(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    MlflowStore(uri)
    connection = sqlite3.connect(tmp_path / "mlflow.db")
    connection.execute("UPDATE alembic_version SET version_num = 'ffff'")
    connection.commit()
    connection.close()
    # Another process: MLflow remembers the stores it has opened.
    program = f"""
        from pathlib import Path
        from graphssl.track import Tracker
        t = Tracker("x", params={{}}, tags={{}}, spool=Path({str(tmp_path / "left.jsonl")!r}), uri={uri!r}, wait=0.05)
        t.metrics({{"loss": 1.0}}, 0)
        print(*t.finish("FINISHED", 60))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert "database schema" in done.stdout
    assert "1 metric could not be delivered" in done.stdout


def test_mlflow_says_nothing(uri: str, tmp_path: Path) -> None:
    """Neither migrations nor addresses on the screen."""
    program = f"""
        from pathlib import Path
        from graphssl.track import Tracker
        t = Tracker("quiet", params={{}}, tags={{}}, spool=Path({str(tmp_path / "left.jsonl")!r}))
        t.metrics({{"loss": 1.0}}, 0)
        assert t.finish("FINISHED", 60) == []
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / "mlflow.db").is_file()


# -- reading back --------------------------------------------------------------------------------------------


def test_find_run_takes_the_latest_of_a_name(uri: str, tmp_path: Path) -> None:
    first = tracked("same", uri, tmp_path, [1.0])
    assert first.finish("FINISHED") == []
    time.sleep(0.01)
    second = tracked("same", uri, tmp_path, [2.0])
    assert second.finish("FINISHED") == []
    assert find_run("same", uri).run_id == second.run_id
    assert first.run_id is not None
    assert find_run(first.run_id, uri).metrics == {"loss": 1.0}


def test_an_unknown_run_is_answered_with_a_suggestion(uri: str, tmp_path: Path) -> None:
    assert tracked("moco_v2-1", uri, tmp_path, []).finish("FINISHED") == []
    with pytest.raises(RunError, match="no run called 'moco_v2-2': did you mean 'moco_v2-1'"):
        find_run("moco_v2-2", uri)
    with pytest.raises(RunError, match="no run called"):
        find_run('it\'s "odd" / ..', uri)


def test_reading_makes_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=r"there is no .*mlflow\.db yet"):
        find_run("x")
    assert list(tmp_path.iterdir()) == []


def test_compare(uri: str, tmp_path: Path) -> None:
    a = tracked("one", uri, tmp_path, [3.0, 1.0, math.nan, 2.0], params={"lr": 1, "k": 20, "only": "here"})
    a.metrics({"knn": 0.9, "s/std": 0.7}, 4)
    a.metrics({"knn": 0.8, "s/std": 0.6}, 5)
    assert a.finish("FINISHED") == []
    b = tracked("two", uri, tmp_path, [5.0, 4.0], params={"lr": 2, "k": 20})
    assert b.finish("FINISHED") == []
    found = compare(["one", "two"], uri)
    assert [run.name for run in found.runs] == ["one", "two"]
    assert found.params == {"lr": ("1", "2"), "only": ("here", None)}
    rows = {row.name: row for row in found.metrics}
    assert (rows["loss"].last, rows["loss"].best) == ((2.0, 4.0), (1.0, 4.0))
    assert (rows["knn"].last, rows["knn"].best) == ((0.8, None), (0.9, None))
    assert (rows["s/std"].last, rows["s/std"].best) == ((0.6, None), (None, None))
    with pytest.raises(RunError, match="no run called"):
        compare(["one", "three hundred"], uri)


def test_compare_tells_a_run_from_itself(uri: str, tmp_path: Path) -> None:
    t = tracked("itself", uri, tmp_path, [1.0])
    assert t.finish("FINISHED") == []
    with pytest.raises(UsageError, match="the run 'itself' is named twice"):
        compare(["itself", str(t.run_id)], uri)


def test_compare_leaves_out_sections_that_are_empty(uri: str, tmp_path: Path) -> None:
    for name, params in (("with", {"update": {"queue": "push(k)"}}), ("empty", {"update": {}}), ("none", {})):
        assert tracked(name, uri, tmp_path, [], params=params).finish("FINISHED") == []
    assert compare(["empty", "none"], uri).params == {}
    assert compare(["with", "empty"], uri).params == {"update.queue": ("push(k)", None)}


def test_compare_puts_together_what_belongs_together() -> None:
    one = dict.fromkeys(["graph", "nodes.a.use", "nodes.a.norm", "nodes.b.use", "train.lr"], "")
    two = dict.fromkeys(
        ["graph", "nodes.a.use", "nodes.a.norm.use", "nodes.a.norm.splits", "nodes.c.use", "train.k"], ""
    )
    assert _in_order([one, two, {"seed": ""}, {}]) == [
        "graph", "nodes.a.use", "nodes.a.norm", "nodes.a.norm.use", "nodes.a.norm.splits", "nodes.b.use", "nodes.c.use",
        "train.lr", "train.k", "seed",
    ]  # fmt: skip
    assert _in_order([{}, one]) == list(one)

"""Metrics under groups, and runs of before there were groups: read, compared and gone on with."""

from __future__ import annotations

from pathlib import Path

import pytest
from stores import FakeStore, tracker
from tracking import history, tracked

from graphssl.track import Addition, Rows, add_to_run, compare, curves, find_run, read_rows
from graphssl.track.grouped import best_of, evaluated, grouped, grouped_all, monitored, short, term
from graphssl.track.journal import Entry, Journal, Start

TABLE = {
    "loss": "loss/total",
    "loss/byol": "loss/byol",
    "mi/infonce": "mi/infonce",
    "lr": "train/lr",
    "images_per_second": "system/images_per_second",
    "knn": "eval/knn",
    "knn/top5": "eval/knn/top5",
    "knn k 200 of target.encoder on pets/top5": "eval/knn k 200 of target.encoder on pets/top5",
    "probe/train": "eval/probe/train",
    "label_free/rankme": "eval/label_free/rankme",
    "label_free/alignment": "eval/label_free/alignment",
    "label_free k 3/uniformity": "eval/label_free k 3/uniformity",
    "s/std": "collapse/s/std",
    "s/effective_rank": "collapse/s/effective_rank",
    "best/knn/top5": "study/best/knn/top5",
    "runs": "study/runs",
}


@pytest.mark.parametrize(("said", "full"), TABLE.items())
def test_the_table(said: str, full: str) -> None:
    assert (grouped(said), grouped(full)) == (full, full)
    assert (short(full), short(said)) == (said, said)


def test_whoever_logs_a_metric_says_its_group() -> None:
    """Also where its own name would say another."""
    assert evaluated("mine/alignment") == "eval/mine/alignment"
    assert short(evaluated("mine/alignment")) == "mine/alignment"
    assert short(monitored("knn", "std")) == "knn/std"
    assert best_of("knn") == "study/best/knn"


def test_a_term_of_the_loss_may_be_called_total() -> None:
    assert term("total") not in (term("byol"), grouped("loss"))
    assert short(term("total")) == "loss/total"
    assert grouped_all(["loss", "loss/total"]) == {"loss": "loss/total", "loss/total": term("total")}
    assert grouped_all(["loss/total", term("total")]) == {n: n for n in ("loss/total", term("total"))}


@pytest.mark.parametrize(
    ("kept", "full"),
    [("loss.total", "loss/total"), ("loss.byol", "loss/byol"), ("s.std", "collapse/s/std"), ("knn", "eval/knn"),
     ("collapse.s.std", "collapse/s/std"), ("eval.knn of target.encoder", "eval/knn of target.encoder")],
)  # fmt: skip
def test_of_a_store_of_files(kept: str, full: str) -> None:
    assert grouped(kept) == full


OLD = {"loss": 2.0, "loss/byol": 2.0, "knn": 0.5, "s/std": 0.9, "lr": 0.1}
NEW = {"loss/total": 1.0, "loss/byol": 1.0, "eval/knn": 0.7, "collapse/s/std": 0.8, "train/lr": 0.05}


def test_runs_of_before_are_compared_with_those_of_now(uri: str, tmp_path: Path) -> None:
    for name, values in (("before", OLD), ("now", NEW)):
        t = tracked(name, uri, tmp_path, [])
        t.metrics(values, 1)
        assert t.finish("FINISHED") == []
    rows = {row.name: (row.last, row.best) for row in compare(["before", "now"], uri).metrics}
    assert rows == {
        "loss": ((2.0, 1.0), (2.0, 1.0)), "loss/byol": ((2.0, 1.0), (2.0, 1.0)), "knn": ((0.5, 0.7), (0.5, 0.7)),
        "s/std": ((0.9, 0.8), (None, None)), "lr": ((0.1, 0.05), (None, None)),
    }  # fmt: skip
    assert find_run("now", uri).metrics == {short(name): value for name, value in NEW.items()}
    assert curves(find_run("now", uri), uri)["knn"] == [(1, 0.7)]


@pytest.mark.parametrize("files", [False, True])
def test_a_run_of_before_goes_on_with_its_curves(
    files: bool, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each stays one, and no point comes twice."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    where = (tmp_path / "mlruns").as_uri() if files else uri
    first = tracked("early", where, tmp_path, [])
    for step in (1, 2):
        first.metrics(OLD, step)
    assert first.finish("KILLED") == []
    second = tracked("early", where, tmp_path, [], resume=first.run_id)
    for step in (2, 3):
        second.metrics({**NEW, "eval/knn/top5": 0.9}, step)
    assert second.finish("FINISHED") == []
    run = find_run(str(first.run_id), where)
    found = curves(run, where)
    assert found["loss"] == [(1, 2.0), (2, 2.0), (3, 1.0)]
    assert {name: len(points) for name, points in found.items()} == {
        "loss": 3, "loss/byol": 3, "knn": 3, "s/std": 3, "lr": 3, "knn.top5" if files else "knn/top5": 2,
    }  # fmt: skip
    assert run.keys["loss"] == "loss"


def test_a_run_of_before_is_evaluated_again(uri: str, tmp_path: Path) -> None:
    first = tracked("judged", uri, tmp_path, [])
    first.metrics({"knn": 0.5}, 3)
    assert first.finish("FINISHED") == []
    file = tmp_path / "knn.json"
    file.write_text("{}")
    for value in (0.5, 0.6):  # what is there already is not logged again
        add_to_run(str(first.run_id), [Addition({"eval/knn": value}, 3, {}, file)], uri)
    assert history(uri, str(first.run_id), "knn") == [(3, 0.5), (3, 0.6)]


def test_what_a_run_of_before_has_left_is_not_taken_again(tmp_path: Path) -> None:
    spool = tmp_path / "left.jsonl"
    journal = Journal(spool, Start("early", 0))
    for step in (1, 2):
        journal.append(Entry("metrics", step, {"loss": 1.0, "loss/total": 0.5, "s/std": 0.9}, step))
    journal.lock.close()
    store = FakeStore()
    second = tracker(store, spool)
    for step in (2, 3):
        second.metrics({"loss/total": 1.0, term("total"): 0.5, "collapse/s/std": 0.9}, step)
    assert second.finish("FINISHED") == []
    sent = [(grouped_all(e.data)[name], e.step) for e in store.sent if e.kind == "metrics" for name in e.data]
    assert sorted(sent) == sorted(
        (name, step) for step in (1, 2, 3) for name in ("loss/total", term("total"), "collapse/s/std")
    )


def test_rows_of_before_have_the_names_of_now_once_the_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step,metric,value\n1,loss,2.0\n1,s/std,0.9\n1,knn,0.5\n2,loss,1.5\n")
    assert [(p.metric, p.name) for p in read_rows(path)][:3] == [
        ("loss", "loss/total"), ("s/std", "collapse/s/std"), ("knn", "eval/knn"),
    ]  # fmt: skip
    rows = Rows(path, 1, pytest.fail)
    rows.metrics({"eval/knn": 0.5}, 1)  # there already
    rows.metrics({"loss/total": 1.5}, 2)
    rows.close()
    assert path.read_text().splitlines()[1:] == [
        "1,loss/total,2.0", "1,collapse/s/std,0.9", "1,eval/knn,0.5", "2,loss/total,1.5",
    ]  # fmt: skip

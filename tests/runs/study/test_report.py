"""The page of a study, of one that has ended, goes on, was killed; in part or not here any more."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from conftest import SIMCLR
from kept_studies import begin_study, keep_study, keep_trial

from graphssl.errors import RunError, UsageError
from graphssl.runs.study import report as room
from graphssl.runs.study.book import find_book
from graphssl.runs.study.report import report_study

TEMPERATURE, OUT = "nodes.critic.temperature", "nodes.projector.out"
VARY = {TEMPERATURE: [0.1, 0.5], OUT: [8, 16]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    (tmp_path / "graph.yaml").write_text(SIMCLR)
    return tmp_path


def written(name: str = "warm", output: Path | None = None) -> str:
    """The page, without what Plotly is."""
    path = report_study(name, output, features=False)
    return re.sub(r"<script>.*?</script>", "", path.read_text(), flags=re.DOTALL)


def by_temperature(labels: dict[str, str], seed: int) -> float:
    return 0.9 - float(labels[TEMPERATURE]) / 2 + 0.02 * seed


def test_the_table_is_that_of_the_study(folder: Path) -> None:
    keep_study(VARY, "warm", by_temperature)
    text = written()
    assert (folder / "studies/warm/report.html").is_file()
    assert text.count("86.00 ± 12.71 %") == 2  # 12.706 * 0.02 / sqrt(2) / sqrt(2), of both widths
    assert text.count("66.00 ± 12.71 %") == 2
    assert "4 cells, 8 of 8 runs complete, compared by kNN accuracy" in text
    assert '"type":"parcoords"' in text
    assert "temperature 0.1, out 8" in text
    assert "~ projector" in text  # in the picture of what differs


def test_what_is_the_same_in_all_cells_is_said_once(folder: Path) -> None:
    keep_study({**VARY, "train.epochs": [2]}, "warm", by_temperature, seeds=1)
    text = written()
    assert "All with train.epochs 2." in text
    assert '<th scope="col">train.epochs</th>' not in text


def test_of_one_key_there_are_no_parallel_coordinates(folder: Path) -> None:
    keep_study({TEMPERATURE: [0.1, 0.5]}, "warm", by_temperature, seeds=1)
    text = written()
    assert '"type":"parcoords"' not in text
    assert "<h2" in text


def test_what_has_failed_is_told_with_the_reason(folder: Path) -> None:
    keep_study(VARY, "warm", lambda labels, seed: None if labels[OUT] == "16" else by_temperature(dict(labels), seed))
    text = written()
    assert "4 runs are failed." in text
    assert "the loss is not finite" in text


def test_a_study_of_which_nothing_has_ended(folder: Path) -> None:
    begin_study(VARY, "warm")
    text = written()
    assert "8 runs are waiting." in text
    assert "there are no metrics to draw" in text


def test_a_killed_study_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, book = begin_study(VARY, "warm")
    first, second = book.take(plan.asked.axes), book.take(plan.asked.axes)
    assert first is not None
    assert second is not None
    keep_trial(plan, first, [0.1, 0.2, 0.8])
    book.tell(first.number, 0.8)
    assert "1 run is running." in written()
    monkeypatch.setattr(room, "is_gone", lambda trial: True)
    text = written()
    assert "1 run is stopped." in text
    assert "6 runs are waiting." in text
    assert "goes on with it" in text


def test_runs_that_are_not_here_have_their_figures_from_the_book(folder: Path) -> None:
    keep_study(VARY, "warm", by_temperature)
    shutil.rmtree("runs")
    text = written()
    assert text.count("86.00 ± 12.71 %") == 2
    assert "Not under runs/ here: warm-" in text
    assert "there are no metrics to draw" in text


def test_a_study_is_named_by_its_file_or_its_folder(folder: Path) -> None:
    keep_study(VARY, "warm", by_temperature, seeds=1)
    (folder / "study.yaml").write_text(f"study: warm\ngraph: graph.yaml\nvary: {{{TEMPERATURE}: [0.1, 0.5]}}\n")
    one = written()
    assert written("study.yaml").partition("<footer")[0] == one.partition("<footer")[0]
    assert written("studies/warm/").partition("<footer")[0] == one.partition("<footer")[0]


def test_words_that_are_none(folder: Path) -> None:
    begin_study(VARY, "warm")
    with pytest.raises(UsageError, match=r"no study 'wram'.*did you mean 'warm'"):
        written("wram")
    with pytest.raises(UsageError, match=r"cannot be written as 'page.txt'"):
        written("warm", Path("page.txt"))
    with pytest.raises(UsageError, match=r"of the graph 'byol' nothing varies"):
        written("byol")


def test_a_damaged_book_is_told(folder: Path) -> None:
    begin_study(VARY, "warm")
    journal = folder / "studies/warm/journal.log"
    journal.write_text("what is this\n" + journal.read_text())
    with pytest.raises(RunError, match=r"journal.log, is damaged"):
        written()
    assert not (folder / "studies/warm/report.html").exists()


def test_markup_in_a_value_stays_text(folder: Path) -> None:
    bad = "</script><script>window.hacked=1</script>"
    keep_study(VARY, "warm", by_temperature, seeds=1)
    book = find_book("warm", folder / "studies/warm", None)
    assert book is not None
    key, fact = next((key, fact) for key, fact in book.facts().items() if key.startswith("cell "))
    book.note(**{key: {**fact, "labels": {**fact["labels"], OUT: bad}}})
    text = written()
    assert "<script>window" not in text
    assert "&lt;/script&gt;&lt;script&gt;window.hacked=1" in text


def test_an_ablation_is_held_beside_the_graph_as_it_is(folder: Path) -> None:
    plan, book = begin_study({TEMPERATURE: [0.1, 0.5]}, "warm", seeds=2)
    book.note(base="0.1")
    for value in (0.9, 0.7, 0.92, 0.71):
        trial = book.take(plan.asked.axes)
        assert trial is not None
        book.tell(trial.number, value)
    text = written()
    assert '<th class="number" scope="col">difference</th>' in text
    assert "-20.50 ±" in text

"""`graphssl sweep`: its words, what it asks, prints and writes, and that what is wrong is told before hours have passed."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_runs import Nobody, fake_python, say, trained
from typed_commands import Type

from graphssl.runs.study import sweep, verbs
from graphssl.runs.study.cost import Forecast

TEMPERATURES = "nodes.critic.temperature=0.1,0.2"


@pytest.fixture
def fake(tmp_path: Path, folder: Path, typed: Type, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own with my_simclr.yaml, in which runs are fake."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("graphssl.runs.study.children.sys.executable", fake_python(tmp_path))
    monkeypatch.setattr(verbs, "Parent", Nobody)
    monkeypatch.setattr("graphssl.runs.study.plan.forecast", lambda cells, device: Forecast({}, 0))
    monkeypatch.setattr(sweep, "PAUSE", 0.02)
    monkeypatch.setattr("pathlib.Path.cwd", lambda: tmp_path)
    (tmp_path / "my_simclr.yaml").write_text((folder / "my_simclr.yaml").read_text())
    say(tmp_path)
    return tmp_path


def test_from_words_to_a_table(fake: Path, typed: Type) -> None:
    told = typed(
        "sweep", "my_simclr.yaml", TEMPERATURES, "--seeds", "2", "--name", "s", "-o", "t.tex", "--device", "cpu"
    )
    assert told.splitlines()[0] == "study s: 2 cells, 2 seeds, 4 runs, cells compared by kNN accuracy"
    assert "nodes.critic.temperature  kNN" in told
    assert "wrote studies/s/table.md, studies/s/runs.csv\nwrote t.tex\n" in told
    assert Path("t.tex").read_text().splitlines()[1].startswith("\\begin{tabular}")
    assert len(trained(fake)) == 4
    again = typed("sweep", "s", "-o", "t.csv", "-o", "t.md")
    assert "4 of 4 runs are done" in again
    assert Path("t.md").read_text() == Path("studies/s/table.md").read_text()


def test_a_study_s_file_and_what_the_command_adds(fake: Path, typed: Type) -> None:
    Path("s.yaml").write_text("study: s\ngraph: my_simclr.yaml\nvary: {nodes.critic.temperature: [0.1, 0.2]}\n")
    told = typed("sweep", "--seeds", "7,", "--where", "nodes.critic.temperature < 0.2", "--name", "t", "s.yaml")
    assert told.startswith("study t: 1 cell, 1 seed, 1 run,")
    assert "1 left out by the conditions" in told
    assert [line.endswith("-s7 1") for line in trained(fake)] == [True]


def test_a_run_that_has_failed_is_the_exit_code(fake: Path, typed: Type) -> None:
    say(fake, fails=["-s1"])
    told = typed("sweep", "my_simclr.yaml", TEMPERATURES, "--seeds", "2", "--name", "s", code=1)
    assert told.count("the loss is not finite (studies/s/logs/") == 4, "as it happens, and at the end"
    assert "--retry runs again what has failed" in told
    say(fake)
    assert "[4/4]" in typed("sweep", "--retry", "s")


def test_it_asks_where_somebody_can_answer(fake: Path, typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def confirm(text: str, default: bool) -> bool:
        asked.append(text)
        return False

    monkeypatch.setattr("graphssl.cli.studies.typer.confirm", confirm)
    monkeypatch.setattr("graphssl.cli.studies._terminal", lambda: True)
    told = typed("sweep", "my_simclr.yaml", TEMPERATURES)
    assert (asked, told.splitlines()[-1]) == (["begin?"], "nothing was run")
    assert not Path("studies").exists()
    assert "wrote studies/s" in typed("sweep", "my_simclr.yaml", TEMPERATURES, "--yes", "--name", "s")
    typed("sweep", "s")
    assert len(asked) == 1, "nor is it asked where nothing is left to do"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--output", "x.pdf"), "--output 'x.pdf' ends in none of .md, .tex, .csv"),
        (("--output", "x"), "--output 'x' ends in none of"),
        (("--output", "no/x.tex"), "there is no folder 'no'"),
        (("--output", "folder.md"), "--output 'folder.md' is a folder"),
        (("--seeds", "0"), "--seeds is how many, 1 or more, or which"),
        (("--seeds", "9" * 5000), "--seeds is how many, 1 or more, or which"),
        (("--seeds", "5000"), "'seeds' is 5000"),
        (("--seeds", "-1"), "--seeds are whole numbers"),
        (("--seeds", "x"), "--seeds are whole numbers"),
        (("--seeds", "1,1"), "a seed stands in --seeds 1,1 twice"),
        (("--jobs", "0"), "--jobs is how many runs go on at once"),
        (("--jobs", "two"), "--jobs is how many runs go on at once"),
        (("--trials", "0"), "greater than or equal to 1"),
        (("--trials", "5"), "trials are drawn, and a grid has all cells"),
        (("--sampler", "randm"), "did you mean 'random'?"),
        (("--prune", "mediam"), "did you mean 'median'?"),
        (("--metric", "kn"), "did you mean 'knn'?"),
        (("--metric", ""), "'metric' is ''"),
        (("--name", ""), "'study' is ''"),
        (("--name", "a/b"), "cannot name a study"),
        (("--where", "a = 1"), "is no condition"),
        (("--where", "nodes.critic.temprature == 1"), "did you mean 'nodes.critic.temperature'?"),
        (("--set", "train.epohcs=2"), "did you mean 'epochs'?\n1 problem"),
        (("--join",), "there is no study 'simclr-"),
        (("nodes.critic.temperature=0.3",), "is said twice"),
        (("word",), "'word' does not say what varies"),
    ],
)
def test_one_wrong_word(fake: Path, typed: Type, words: tuple[str, ...], message: str) -> None:
    Path("folder.md").mkdir()
    told = typed("sweep", "my_simclr.yaml", TEMPERATURES, *words, code=2)
    assert message in told.replace("\n  ", " ") or message in told
    assert "Traceback" not in told
    assert len(told) < 1500
    assert not Path("studies").exists()
    assert trained(fake) == []


def test_a_study_is_no_graph_to_run(fake: Path, typed: Type) -> None:
    Path("s.yaml").write_text("study: s\ngraph: my_simclr.yaml\nvary: {nodes.critic.temperature: [0.1]}\n")
    for command in ("run", "check", "show"):
        told = typed(command, "s.yaml", code=2)
        assert "s.yaml:1:1: this is a study, and not a graph\n  hint: `graphssl sweep s.yaml` runs it" in told
        assert told.endswith("\n1 problem\n")
    assert "of a graph nothing varies" in typed("sweep", "my_simclr.yaml", code=2)

"""A study is read from a file or from words; all that is wrong is told with its place, before anything is looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import SIMCLR

from graphssl.errors import GraphError, UsageError
from graphssl.runs.study import axes_in_words, is_study, study_of
from graphssl.runs.study.reading import Asked

TEMPERATURE = "nodes.critic.temperature"
STUDY = f"study: warm\ngraph: graph.yaml\nvary: {{{TEMPERATURE}: [0.1, 0.2]}}\n"
Ask = Callable[..., Asked]


def test_a_file_says_all_of_it(asked: Ask) -> None:
    found = asked(
        STUDY + "set: [train.epochs=3]\nseeds: [4, 2]\nwhere: [nodes.critic.temperature < 0.2]\nmetric: knn\n"
    )
    assert (found.name, found.source) == ("warm", "graph.yaml")
    assert found.axes[TEMPERATURE].values == (0.1, 0.2)
    assert found.spec.all_seeds == (4, 2)
    assert found.graph.spec.train.epochs == 3
    assert [one.text for one in found.conditions] == ["nodes.critic.temperature < 0.2"]


def test_words_and_the_file_are_the_same_study(asked: Ask) -> None:
    words = asked(axes_in_words([f"{TEMPERATURE}=0.1,0.2"]), study="warm")
    assert words.digest == asked(STUDY).digest
    assert axes_in_words(["a={low: 0.1, high: 1, log: true}"]) == {"a": {"low": 0.1, "high": 1, "log": True}}
    assert axes_in_words(["a={use: x},{use: y, b: [1]}", "c=1,null,word,'1'"]) == {
        "a": [{"use": "x"}, {"use": "y", "b": [1]}], "c": [1, None, "word", "1"],
    }  # fmt: skip


def test_without_a_name_it_is_called_after_what_varies(asked: Ask) -> None:
    one, again, other = asked({TEMPERATURE: [0.1]}), asked({TEMPERATURE: [0.1]}, seeds=3), asked({TEMPERATURE: [0.2]})
    assert one.name == again.name, "more seeds are the same study"
    assert one.name.startswith("simclr-")
    assert one.name != other.name


def test_what_the_command_says_stands_beside_or_instead(asked: Ask) -> None:
    asked(STUDY + "set: [train.epochs=3]\nseeds: 2\nwhere: [nodes.critic.temperature > 0]\n")
    said = {"set": ["train.log_every=7"], "seeds": [5], "study": "other", "where": ["train.epochs == 3"]}
    found = study_of("study.yaml", {}, said, None)
    assert (found.graph.spec.train.epochs, found.graph.spec.train.log_every) == (3, 7)
    assert (found.name, found.spec.all_seeds, len(found.conditions)) == ("other", (5,), 2)


def test_another_graph_and_another_file_are_another_study(asked: Ask, graph: Path) -> None:
    Path("part.yaml").write_text("train: {epochs: 3}\n")
    text = "study: a\ngraph: graph.yaml\nvary: {part: [part.yaml, null]}\n"
    before = asked(text).digest
    Path("part.yaml").write_text("train: {epochs: 4}\n")
    after = asked(text).digest
    graph.write_text(SIMCLR.replace("hidden: 16", "hidden: 24"))
    assert len({before, after, asked(text).digest}) == 3


def test_paths_are_from_the_study_s_file(graph: Path) -> None:
    Path("own/parts").mkdir(parents=True)
    Path("own/parts/more.yaml").write_text("train: {epochs: 3}\n")
    Path("own/mine.yaml").write_text("extends: ../graph.yaml\n")
    Path("own/s.yaml").write_text("study: s\ngraph: mine.yaml\nvary: {epochs: [parts/more.yaml, null]}\n")
    found = study_of("own/s.yaml", {}, {}, None)
    assert (found.source, found.axes["epochs"].folder) == ("own/mine.yaml", Path("own"))
    Path("own/p.yaml").write_text("study: s\ngraph: moco_v2\nvary: {nodes.queue.size: [64, 128]}\n")
    assert study_of("own/p.yaml", {}, {}, None).source == "moco_v2"


@pytest.mark.parametrize(
    ("text", "study"),
    [
        (STUDY, True),
        ("{study: a, graph: b, vary: {}}", True),
        ('"study": a\n', True),
        ("graph: a\nvary: {}\n", True),
        ("stduy: a\nvary: {b: [1]}\n", True),
        ("study: [\n", True),
        (SIMCLR, False),
        ("nodes: {study: {use: x}}\nflow: [\n", False),
        ("", False),
        ("- study\n", False),
    ],
)
def test_files_of_studies(here: Path, text: str, study: bool) -> None:
    (here / "x.yaml").write_text(text)
    assert is_study("x.yaml") is study


def test_what_is_no_file_of_a_study(here: Path) -> None:
    assert not is_study("none.yaml")
    assert not is_study(".")
    (here / "folder.yaml").mkdir()
    assert not is_study("folder.yaml")
    (here / "text.txt").write_text(STUDY)
    assert not is_study("text.txt")


# -- what is wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "place", "message", "hint"),
    [
        ("vary:", "vari:", "3:1", "no key is called 'vari' here", "did you mean 'vary'?"),
        ("study: warm\n", "", "1:1", "'study' is missing", ""),
        ("study: warm", "stduy: warm", "1:1", "no key is called 'stduy' here", "did you mean 'study'?"),
        ("graph: graph.yaml", "graph: none.yaml", "2:8", "there is no graph file 'none.yaml'", ""),
        ("graph: graph.yaml", "graph: simcler", "2:8", "there is no graph file 'simcler'", "did you mean"),
        ("[0.1, 0.2]", "[]", "3:8", "'nodes.critic.temperature' is a list of 0", ""),
        ("[0.1, 0.2]", "0.1", "3:34", "it should be a list or a mapping", "[0.1]"),
        ("[0.1, 0.2]", "[0.1, 0.1]", "3:8", "0.1 stands in the list twice", ""),
        ("[0.1, 0.2]", "{low: 0.1}", "3:8", "'high' is missing", ""),
        ("[0.1, 0.2]", "{low: 0.1, hgih: 1}", "3:45", "no key is called 'hgih' here", "did you mean 'high'?"),
        ("[0.1, 0.2]", "{low: 2, high: 1}", "3:8", "low is 2, and high, 1, is not above it", ""),
        ("[0.1, 0.2]", "{low: 0, high: 1, log: true}", "3:8", "log needs a low above 0", ""),
        ("[0.1, 0.2]", "{low: 1, high: 2, log: true, step: 1}", "3:8", "log and step exclude each other", ""),
        ("[0.1, 0.2]", "{low: 0.1, high: 1}", "3:8", "this range has no step", "sampler: random"),
        ("[0.1, 0.2]", "{low: 0, high: 1, step: 0.0000001}", "3:1", "these are 10,000,001 cells", "sampler: random"),
        ("[0.1, 0.2]", "{low: 0, high: 1.0e+308, step: 1.0e-308}", "3:8", "more steps than can be counted", ""),
        ("[0.1, 0.2]", "[queue.yaml, null]", "3:8", "there is no file 'queue.yaml'", "relative to ./"),
        ("[0.1, 0.2]}", "[0.1], 'nodes..x': [1]}", "3:42", "'nodes..x' is no key of a graph", ""),
        ("[0.1, 0.2]}", "[0.1], train.seed: [0, 1]}", "3:41", "the seed does not vary as a value does", "seeds: 3"),
        ("{nodes.critic.temperature: [0.1, 0.2]}", "{}", "3:1", "'vary' is a mapping", ""),
        ("\nvary", "\nseeds: 0\nvary", "3:8", "'seeds' is 0", ""),
        ("\nvary", "\nseeds: []\nvary", "3:1", "'seeds' is a list", ""),
        ("\nvary", "\nseeds: [1, 1]\nvary", "3:1", "1 stands in the list twice", ""),
        ("\nvary", "\nseeds: 1000000000000\nvary", "3:8", "'seeds' is 1000000000000", ""),
        ("\nvary", "\nsampler: gird\nvary", "3:10", "'sampler' is 'gird'", "did you mean 'grid'?"),
        ("\nvary", "\nprune: mediam\nvary", "3:8", "'prune' is 'mediam'", "did you mean 'median'?"),
        ("\nvary", "\ntrials: 5\nvary", "3:9", "trials are drawn, and a grid has all cells", "sampler: random"),
        ("\nvary", "\nset: train.epochs=2\nvary", "3:6", "it should be a list", "[train.epochs=2]"),
        ("\nvary", "\nset: [train.seed=2]\nvary", "3:7", "the seed is no change of the graph", "seeds:"),
        ("\nvary", "\nset: [train.epochs=2, train.epohcs=2]\nvary", "3:23", "no key is called 'epohcs'", "'epochs'"),
        ("\nvary", "\nwhere: [a = 1]\nvary", "3:9", "'a = 1' is no condition", "as in"),
        ("\nvary", "\nmetric: 5\nvary", "3:9", "'metric' is 5; it should be text", ""),
    ],
)
def test_one_wrong_thing(asked: Ask, old: str, new: str, place: str, message: str, hint: str) -> None:
    assert old in STUDY
    with pytest.raises(GraphError) as caught:
        asked(STUDY.replace(old, new, 1))
    (problem,) = (p.render() for p in caught.value.problems)
    assert problem.startswith(f"study.yaml:{place}: ")
    assert message in problem
    assert hint in problem.partition("hint:")[2]


def test_all_that_is_wrong_is_told_at_once(asked: Ask) -> None:
    with pytest.raises(GraphError) as caught:
        asked(STUDY + "where: [a = 1]\ntrials: 2\nset: [train.seed=1]\n")
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("name", ["a/b", "..", "-a", "x" * 180, "a\nb", "NUL", " "])
def test_names_that_are_none(asked: Ask, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a study, which becomes a folder under studies/"):
        asked({TEMPERATURE: [0.1]}, study=name)


def test_a_name_leaves_room_for_those_of_its_runs(asked: Ask) -> None:
    assert len(asked({TEMPERATURE: [0.1]}, study="x" * 176).name) == 176


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("nodes.a", "does not say what varies"),
        ("nodes.a=", "does not say what varies"),
        ("=1", "does not say what varies"),
        ("a=[1", "cannot be read"),
        ("a=1],[2", "cannot be read"),
        ("a=#", "cannot be read"),
        ("a=*x", "cannot be read"),
    ],
)
def test_words_that_are_none(word: str, message: str) -> None:
    with pytest.raises(GraphError, match=message) as caught:
        axes_in_words([word])
    assert caught.value.problems[0].span is not None
    assert caught.value.problems[0].span.text == word


def test_a_key_that_is_said_twice() -> None:
    with pytest.raises(UsageError, match="'a' is said twice"):
        axes_in_words(["a=1", "b=2", "a=3"])


def test_a_graph_that_is_wrong_without_variation(asked: Ask, graph: Path) -> None:
    graph.write_text(SIMCLR.replace("temperature", "temprature"))
    with pytest.raises(GraphError, match=r"^graph\.yaml:8:.*no key is called 'temprature'"):
        asked({"data.batch": [16]})


def test_what_is_given_for_a_study_and_is_none(graph: Path) -> None:
    def message(source: str, vary: dict[str, Any] | None = None, storage: str | None = None) -> str:
        with pytest.raises((UsageError, GraphError)) as caught:
            study_of(source, vary or {}, {}, storage)
        return str(caught.value)

    Path("study.yaml").write_text(STUDY)
    assert "there is no file 'sutdy.yaml': did you mean 'study.yaml'?" in message("sutdy.yaml")
    assert "'graph.yaml' has no study:, graph: and vary:, and of a graph nothing varies" in message("graph.yaml")
    assert "of the graph 'byol' nothing varies: say what, as in" in message("byol")
    assert "in which vary: says what varies" in message("study.yaml", {TEMPERATURE: [0.1]})
    assert "'own.yaml' is a folder" in (Path("own.yaml").mkdir() or message("own.yaml"))  # type: ignore[func-returns-value]
    for nothing in ("nostudy", "", ".", "..", "a/b"):
        assert f"there is no study '{nothing}' under studies/" in message(nothing)
    Path("studies").write_text("no folder")
    assert "there is no study 'nostudy' under studies/" in message("nostudy")
    Path("latin.yaml").write_bytes(b"study: \xe9\ngraph: graph.yaml\n")
    assert "'latin.yaml' cannot be read" in message("latin.yaml")


def test_a_study_is_no_graph(graph: Path) -> None:
    from graphssl.graph.read import load

    Path("study.yaml").write_text(STUDY)
    with pytest.raises(GraphError) as caught:
        load("study.yaml")
    (problem,) = caught.value.problems
    assert problem.message == "this is a study, and not a graph"
    assert str(problem.hint).startswith("`graphssl sweep study.yaml` runs it")

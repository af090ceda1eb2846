"""The registry of evaluations: what may be one, how `evaluate:` follows from it, and what is said of its numbers."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from conftest import SIMCLR, Write, problems_of
from evaluations import registered
from pydantic import PositiveInt

from graphssl.cli.schema import graph_schema
from graphssl.evaluation.context import Context
from graphssl.evaluation.knn import Knn
from graphssl.evaluation.logistic import Logistic
from graphssl.evaluation.registry import (
    REGISTRY,
    Evaluation,
    EvaluationConfig,
    EvaluationError,
    evaluation,
    find_evaluation,
    metric_title,
    score_text,
)
from graphssl.graph.read import load
from graphssl.graph.spec import graph_file

BUILT_IN = [
    "clusters",
    "detection",
    "finetune",
    "knn",
    "label_free",
    "linear",
    "logistic",
    "probe",
    "retrieval",
    "transfer",
]


class Rank(Evaluation):
    """Two numbers, of which neither is a share."""

    title = "rank"
    quantity = "of the features"
    said = ("most", "share")
    more_is_better = False

    class Config(EvaluationConfig):
        """How many dimensions are used."""

        most: PositiveInt = 3
        share: float = 0.5

    config: Config

    def run(self, context: Context) -> dict[str, float]:
        return {"rank": 2.0, "rank/low": 1.0}

    @classmethod
    def text(cls, value: float) -> str:
        return f"{value:.1f}"


def test_those_of_the_framework() -> None:
    assert list(REGISTRY) == BUILT_IN
    assert find_evaluation("knn") is Knn
    with pytest.raises(LookupError, match="no evaluation is called 'lineer': did you mean 'linear'"):
        find_evaluation("lineer")


def section() -> Any:
    """The model of `evaluate:`."""
    return graph_file().model_fields["evaluate"].annotation


def test_the_section_has_the_options_of_each_and_the_monitor_last() -> None:
    assert list(section().model_fields) == ["features", *REGISTRY, "monitor"]
    with registered("rank", Rank):
        assert list(section().model_fields) == ["features", *REGISTRY, "monitor"]
        ((name, options),) = section()().asked.items()
        assert (name, options.model_dump()) == ("knn", Knn.Config().model_dump())
        assert isinstance(options, Knn.Config)
        assert set(section()(rank={}, knn=None).asked) == {"rank"}
    assert graph_file() is graph_file(), "made once, or every validation would build its schema"
    assert "rank" not in section().model_fields


def test_a_graph_that_does_not_ask_for_it_is_the_same_graph(write: Write) -> None:
    path = write(SIMCLR)
    before = load(path)
    with registered("rank", Rank):
        after = load(path)
        assert after.resolved() == before.resolved()
        assert after.hash() == before.hash()
        asks = load(path, ["evaluate.rank={most: 4}"])
    assert asks.resolved()["evaluate"]["rank"] == {"most": 4, "share": 0.5}
    assert asks.hash() != before.hash()


ASKED = "evaluate: {features: encoder, "


def test_its_options_are_checked_at_their_place(write: Write) -> None:
    def wrong(part: str) -> list[str]:
        return problems_of(load, write(SIMCLR, (ASKED, f"{ASKED}{part}, ")))

    with registered("rank", Rank):
        (unknown,), (value,), (name,) = wrong("rank: {mots: 4}"), wrong("rank: {most: 0}"), wrong("rnak: {}")
    assert "graph.yaml:17:38: no key is called 'mots' here" in unknown
    assert "hint: did you mean 'most'?" in unknown
    assert "graph.yaml:17:44: 'most' is 0; it should be greater than 0" in value
    assert "graph.yaml:17:31: no key is called 'rnak' here" in name
    assert "hint: did you mean 'rank'?" in name
    assert "no key is called 'rank' here" in wrong("rank: {}")[0], "it is not registered any more"


def test_the_schema_for_editors_has_it() -> None:
    with registered("rank", Rank):
        definitions = graph_schema()["$defs"]
    assert definitions["Rank"]["description"] == "How many dimensions are used."
    assert {"$ref": "#/$defs/Rank"} in definitions["Evaluate"]["properties"]["rank"]["anyOf"][0]["anyOf"]
    assert "Rank" not in graph_schema()["$defs"]


def test_what_lines_call_a_metric_and_how_its_number_reads() -> None:
    assert metric_title("knn") == "kNN"
    assert metric_title("knn", quantity=True) == "kNN accuracy"
    assert score_text("linear", 0.91234) == "91.23 %"
    with registered("rank", Rank):
        assert metric_title("rank", quantity=True) == "rank of the features"
        assert metric_title("rank/low", quantity=True) == metric_title("rank/low") == "rank low"
        assert score_text("rank/low", 1.25) == "1.2"
    assert metric_title("rank/low", quantity=True) == "rank/low", "of a file that is not loaded"
    assert score_text("rank/low", 1.25) == "1.25"


def test_the_options_that_are_said_with_a_score() -> None:
    assert Knn(Knn.Config(k=3_000_000)).settings() == "k 3000000, temperature 0.07"
    assert Logistic(Logistic.Config()).settings() == "penalty 0.001"
    assert Rank(Rank.Config(share=0.25)).settings() == "most 3, share 0.25"


def test_by_default_it_is_due_where_training_begins_and_ends() -> None:
    logistic = Logistic(Logistic.Config())
    assert [epoch for epoch in range(5) if logistic.due(epoch, ends=epoch in (0, 4))] == [0, 4]


@pytest.mark.parametrize("name", ["features", "monitor", "asked", "model_dump", "copy", "two words", "a/b", ""])
def test_names_that_the_section_has_otherwise(name: str) -> None:
    with pytest.raises(EvaluationError, match=f"Rank: '{name}' cannot name an evaluation"):
        evaluation(name)(Rank)


def test_what_is_no_evaluation() -> None:
    class Plain(Rank):
        Config = int  # type: ignore[assignment]

    class Says(Rank):
        said = ("least",)

    class Idle(Evaluation):
        title = "idle"
        Config = Rank.Config

    class Nameless(Idle):
        title = None  # type: ignore[assignment]

        def run(self, context: Context) -> dict[str, float]:
            return {}

    class Wanting(Nameless):
        title, default = "wanting", True

        class Config(EvaluationConfig):
            k: PositiveInt

    class Baseless:
        Config = Rank.Config

    with pytest.raises(EvaluationError, match="Baseless needs the base Evaluation"):
        evaluation("baseless")(Baseless)  # type: ignore[type-var]
    with pytest.raises(EvaluationError, match=r"Idle needs a method run\(self, context\)"):
        evaluation("idle")(Idle)
    with pytest.raises(EvaluationError, match="Nameless needs a title"):
        evaluation("nameless")(Nameless)
    with pytest.raises(EvaluationError, match=r"Wanting: graphs that say nothing .* needs a default"):
        evaluation("wanting")(Wanting)
    with pytest.raises(EvaluationError, match=r"Plain needs a class Config\(EvaluationConfig\)"):
        evaluation("plain")(Plain)
    with pytest.raises(EvaluationError, match="Says: there is no option 'least' to be said"):
        evaluation("says")(Says)
    with registered("rank", Rank):
        evaluation("rank")(Rank)  # as where a module is imported again
        with pytest.raises(EvaluationError, match=r"two evaluations are called 'rank': .*test_registry\.py and"):
            evaluation("rank")(type("Other", (Rank,), {}))
    assert list(REGISTRY) == BUILT_IN


def test_the_sections_need_no_torch_until_a_file_is_read() -> None:
    code = "import sys, graphssl.graph.spec\nassert not {'torch', 'graphssl.evaluation'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

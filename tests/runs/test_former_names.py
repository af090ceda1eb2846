"""A run of before a component was renamed."""

from __future__ import annotations

from pathlib import Path

from conftest import problems_of

import graphssl

SETS = ["train.steps=1", "data.batch=16", "evaluate.knn=null", "track=[csv]"]


def test_a_run_of_before_is_told_the_names_of_today(here: Path) -> None:
    """Its graph.yaml is read as any graph's; with the name of today in it, the run is what it was."""
    graphssl.run("barlow_twins", SETS, name="old", device="cpu", report=lambda text: None)
    file = here / "runs/old/graph.yaml"
    text = file.read_text()
    file.write_text(text.replace("objective.cross_correlation", "objective.barlow_twins"))
    for ask in (lambda: graphssl.evaluate("old", {"knn": {}}), lambda: graphssl.run(resume="old", device="cpu")):
        (found,) = problems_of(ask)
        assert "old/graph.yaml:" in found
        assert "it is called objective.cross_correlation now" in found
        assert "^^^^^" in found
    file.write_text(text)
    assert graphssl.evaluate("old", {"knn": {}}, device="cpu")

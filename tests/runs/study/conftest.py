"""A folder with a graph of which studies are made, and runs that take no time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import SIMCLR
from fake_runs import Nobody, fake_python, say

from graphssl.runs.study import study_of, sweep, verbs
from graphssl.runs.study.cost import Forecast
from graphssl.runs.study.reading import Asked

TEMPERATURE = "nodes.critic.temperature"
STUDY = f"study: warm\ngraph: graph.yaml\nvary: {{{TEMPERATURE}: [0.1, 0.2]}}\n"


@pytest.fixture
def graph(here: Path) -> Path:
    """graph.yaml, in the folder in which commands are given."""
    path = here / "graph.yaml"
    path.write_text(SIMCLR)
    return path


@pytest.fixture
def asked(graph: Path) -> Callable[..., Asked]:
    """asked(vary, where=[...]): a study of graph.yaml; of a text it is that of the file study.yaml."""

    def ask(vary: dict[str, Any] | str, **said: Any) -> Asked:
        if isinstance(vary, dict):
            return study_of("graph.yaml", vary, said, None)
        Path("study.yaml").write_text(vary)
        return study_of("study.yaml", {}, said, None)

    return ask


@pytest.fixture
def fake(graph: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, in which runs are fake, without a store and without a measured step."""
    python = fake_python(graph.parent)
    monkeypatch.setattr("graphssl.runs.study.children.sys.executable", python)
    monkeypatch.setattr(verbs, "Parent", Nobody)
    monkeypatch.setattr("graphssl.runs.study.plan.forecast", lambda cells, device: Forecast({}, 0))
    monkeypatch.setattr(sweep, "PAUSE", 0.02)
    say(graph.parent)
    return graph.parent

"""What the functions take for each argument, and that all else is told: which argument, what it is, what is right."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SIMCLR
from left_runs import left_run

import graphssl
from graphssl import api
from graphssl.errors import GraphError, RunError, UsageError
from graphssl.runs.arguments import TAKES, taking

VERBS: list[Callable[..., Any]] = [getattr(api, name) for name in api.__all__]
RUN = "nobody"  # a run that is not there is told after the arguments
GIVEN: dict[str, dict[str, Any]] = {
    "compare": {"runs": ["a", "b"]},
    "survey": {"source": "nowhere"},
    "ui": {"port": 0},
    "deliver": {"runs": [RUN]},
    "list_runs": {"where": ["="]},
    "evaluate_together": {"runs": [RUN]},
    "run": {"graph": "simclr", "device": "abacus"},
}
HOLDING: dict[str, Any] = {}
HOLDING["itself"] = HOLDING


def failing() -> Iterator[str]:
    raise LookupError("of the user's own")
    yield ""


WRONG: list[Any] = [
    None, True, 0, -1, 2.5, math.nan, "", " ", "a\0b", "\udcff", "~nobody_here/x", b"byol", (), [], {}, {"a": 1}, {1: 2},
    HOLDING, {"x"}, range(3), Path("nope"), Path(), Path("\udcff"), object(), int, torch.device("cpu"), torch.float32,
    torch.zeros(2), torch.tensor(3), np.float32(1.5), np.array("byol"), np.array(None), 1j, UsageError("x"),
    "graph: x\nnodes: {}\n", "{", memoryview(b"x"), ..., 10**400,
]  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_argument_of_every_function_has_its_row() -> None:
    assert {name for verb in VERBS for name in inspect.signature(verb).parameters} <= set(TAKES)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_nothing_but_the_errors_of_the_house(verb: Callable[..., Any]) -> None:
    """Whatever stands for whichever argument: what it has no meaning for is told."""
    needed = {
        "run": RUN,
        "graph": "nowhere.yaml",
        "images": [],
        "queries": [],
        "paths": [],
        "source": "nowhere",
        "reproduction": "nowhere",
        "study": "nowhere",
        "first": "nowhere",
        "other": "nowhere.yaml",
        "last": "nowhere",
        "model": "m",
    }
    names = inspect.signature(verb).parameters
    given = GIVEN.get(verb.__name__, {name: value for name, value in needed.items() if name in names})
    for name in names:
        if verb is api.run and name == "device":
            given = {"resume": RUN}
        for value in [*WRONG, failing()]:
            nothing = verb in (api.deliver, api.list_runs) and isinstance(value, list | tuple)  # of all runs here
            if nothing or (name == "report" and callable(value)):  # by then the arguments are right
                continue
            with pytest.raises((GraphError, RunError)):
                verb(**{**given, name: value})


@pytest.mark.parametrize(
    ("verb", "arguments", "message"),
    [
        (api.load, {"graph": None}, "graph is the path of a graph file, the name of a packaged graph, .*, not None"),
        (api.check, {"graph": b"byol"}, "graph is the path of a graph file, .*, not bytes"),
        (api.check, {"graph": "byol", "sets": 3}, r"sets is changes, as in \['train.epochs=2'\] or .*, not 3"),
        (api.check, {"graph": "byol", "sets": [2]}, r"sets\[0\] is a change, 'train.epochs=2', not 2"),
        (api.check, {"graph": "byol", "sets": {1: 2}}, "sets has the key 1: keys are text"),
        (api.check, {"graph": "byol", "sets": failing()}, "sets cannot be had: LookupError: of the user's own"),
        (api.check, {"graph": "byol", "without_data": "no"}, "without_data is True or False, not 'no'"),
        (api.compile, {"graph": "byol", "device": 2.5}, "device is auto, cpu, .* or a torch.device, not 2.5"),
        (api.compile, {"graph": "byol", "device": "abacus"}, "'abacus' is no device here"),
        (api.compile, {"graph": "byol", "processes": 0}, "processes is the number of processes, 1 or more, not 0"),
        (api.draw, {"graph": "byol", "form": 3}, "form is svg, png, html or mmd, .*, not 3"),
        (api.run, {"graph": "byol", "report": None}, "report is a function, .*, not None"),
        (api.run, {"graph": "byol", "name": 3}, "name is the name of a new run, not 3"),
        (api.evaluate, {"run": {"a": 1}}, "run is the name of a run, or its folder, not dict"),
        (api.evaluate, {"run": RUN, "options": ["knn"]}, "options is options by .* not list"),
        (api.evaluate, {"run": RUN, "options": {"knn": 3}}, r"options\['knn'\] is options of an evaluation .* not 3"),
        (api.export, {"run": RUN, "output": 3}, "output is the path of a file, not 3"),
        (api.compare, {"runs": "byol-1"}, "it takes two runs or more to compare"),
        (api.compare, {"runs": 3}, r"runs is runs, as in \['byol-1', 'byol-2'\], not 3"),
        (api.compare, {"runs": ["a", None]}, r"runs\[1\] is the name of a run, or its folder, not None"),
        (
            api.survey,
            {"source": "x", "most": math.inf},
            "most is the number of pictures to look at, 1 or more, not inf",
        ),
        (api.ui, {"port": 70_000}, "port is the number of a port, 1 to 65,535, not 70000"),
    ],
)
def test_what_is_told(verb: Callable[..., Any], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}"):
        verb(**arguments)


@pytest.mark.parametrize(
    "sets",
    [
        ["train.epochs=2"], ("train.epochs=2",), "train.epochs=2", {"train.epochs": 2}, {"train": {"epochs": 2}},
        [{"train.epochs": np.int64(2)}], (text for text in ["train.epochs=2"]), {"train.epochs=2"},
    ],
)  # fmt: skip
def test_changes_in_each_spelling(sets: Any) -> None:
    assert graphssl.load("simclr", sets).spec.train.epochs == 2


def test_a_graph_in_each_spelling(tmp_path: Path) -> None:
    file = tmp_path / "graph.yaml"
    file.write_text(SIMCLR)
    graph = graphssl.load(file)
    every = [str(file), SIMCLR, graph, graphssl.check(graph), {"extends": str(file), "graph": graph.name}]
    assert {graphssl.load(one).hash() for one in every} == {graph.hash()}
    assert {graphssl.draw(one) for one in every[1:4]} == {graphssl.draw(file)}
    for one in (graph, graphssl.check(graph)):  # which would be left out without a word
        for verb in (graphssl.load, graphssl.check):
            with pytest.raises(UsageError, match="sets change a graph as it is read"):
                verb(one, ["train.epochs=2"])


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu"), torch.device("cpu", 0), "meta", torch.device("meta")])
def test_a_device_in_each_spelling(device: Any) -> None:
    program = graphssl.compile("simclr", device)
    assert next(program.forward.parameters()).device.type == torch.device(device).type


def test_runs_in_each_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = left_run(tmp_path / "runs" / "one", SIMCLR)
    image = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    monkeypatch.setenv("HOME", str(tmp_path))
    for run in ("one", folder, folder.path, str(folder.path)):
        assert graphssl.embed(run, image, device=torch.device("cpu"), batch=np.int64(4)).shape == (1, 64)
    graphssl.export(folder, "~/weights.pt")
    assert (tmp_path / "weights.pt").is_file()


def test_a_call_that_names_no_argument_is_pythons_own() -> None:
    with pytest.raises(TypeError, match=r"run\(\) got an unexpected keyword argument 'procceses'"):
        graphssl.run("byol", procceses=2)  # type: ignore[call-arg]
    assert inspect.signature(taking(graphssl.load)) == inspect.signature(graphssl.load)

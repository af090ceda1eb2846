"""The user's own components: only what a graph lists is imported, and what is wrong with it is said at its line."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
from conftest import SIMCLR, Write, problems_of
from evaluations import forget

from graphssl.api import check
from graphssl.component import REGISTRY

MINE = '''\
from typing import Annotated

from torch import Tensor, nn

from graphssl.component import NodeConfig, component


@component("head.{name}")
class Mine(nn.Module):
    """Doubles what it gets."""

    class Config(NodeConfig):
        factor: float = 2.0

    def __init__(self, config, sizes):
        super().__init__()
        self.factor = config.factor

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b d"]:
        return x * self.factor
'''


def graph(write: Write, entry: str, name: str) -> Path:
    return write(
        SIMCLR,
        ("graph: simclr", f"components: [{entry}]\ngraph: simclr"),
        ("  others:", f"  mine:      {{use: head.{name}, factor: 3}}\n  others:"),
        ("z: projector(encoder(x, views=fold))", "z: mine(projector(encoder(x, views=fold)))"),
    )


def test_a_file_beside_the_graph(write: Write, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE.format(name="beside"))
    checked = check(graph(write, "./mine.py", "beside"))
    assert checked.graph.nodes["mine"].component.origin == str(tmp_path / "mine.py")
    assert checked.graph.resolved()["nodes"]["mine"] == {"use": "head.beside", "factor": 3.0}


def test_the_path_is_relative_to_the_file_that_lists_it(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/mine.py").write_text(MINE.format(name="relative"))
    parent = graph(write, "./mine.py", "relative").rename(tmp_path / "sub/parent.yaml")
    child = tmp_path / "child.yaml"
    child.write_text("extends: sub/parent.yaml\ngraph: child\n")
    monkeypatch.chdir("/")
    assert check(child).graph.name == "child"
    assert check(parent).graph.name == "simclr"


def test_an_installed_package(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mylab").mkdir()
    (tmp_path / "mylab/__init__.py").write_text("")
    (tmp_path / "mylab/ssl.py").write_text(MINE.format(name="installed"))
    monkeypatch.syspath_prepend(tmp_path)
    assert check(graph(write, "mylab.ssl", "installed"))
    assert "mylab.ssl" in sys.modules


def test_nothing_is_imported_that_is_not_listed(write: Write, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE.format(name="unlisted"))
    (tmp_path / "mylab.py").write_text("raise SystemExit('imported')")
    found = problems_of(check, write(SIMCLR, ("head.mlp", "head.unlisted")))
    assert "no component is called 'head.unlisted'" in found[0]
    assert "head.unlisted" not in REGISTRY


def test_a_file_is_loaded_once(write: Write, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE.format(name="once") + "\nopen(__file__ + '.log', 'a').write('x')\n")
    for _ in range(3):
        check(graph(write, "./mine.py", "once"))
    assert (tmp_path / "mine.py.log").read_text() == "x"


def test_what_is_imported_is_said_first_and_once(
    write: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "import logging; logging.getLogger('graphssl.graph.plugins').info('importing {}')\n"
    (tmp_path / "mine.py").write_text(said.format("mine") + MINE.format(name="said"))
    (tmp_path / "a_package_that_speaks.py").write_text(said.format("package"))
    monkeypatch.syspath_prepend(tmp_path)
    path = graph(write, "./mine.py, a_package_that_speaks, ./mine.py", "said")
    with caplog.at_level(logging.INFO, logger="graphssl.graph.plugins"):
        check(path)
        check(path)
    expected = ["imports ./mine.py", "importing mine", "imports a_package_that_speaks", "importing package"]
    assert caplog.messages == expected


OWN_EVALUATION = """\
from graphssl.evaluation import Context, Evaluation, EvaluationConfig, evaluation

@evaluation("own")
class Own(Evaluation):
    title = "own"

    class Config(EvaluationConfig):
        size: int = 3

    def run(self, context: Context) -> dict[str, float]:
        return {"own": 1.0}
"""


def test_an_evaluation_of_ones_own(write: Write, tmp_path: Path) -> None:
    """It is a line of `evaluate:` like another, with its place where it is wrong, once its file is listed."""
    (tmp_path / "own.py").write_text(OWN_EVALUATION)
    asks = ("evaluate: {", "evaluate: {own: {size: 4}, ")
    (unknown,) = problems_of(check, write(SIMCLR, asks))
    assert "graph.yaml:17:12: no key is called 'own' here" in unknown
    listed = ("graph: simclr", "components: [./own.py]\ngraph: simclr")
    try:
        checked = check(write(SIMCLR, asks, listed))
        assert checked.graph.resolved()["evaluate"]["own"] == {"size": 4}
        (wrong,) = problems_of(check, write(SIMCLR, ("evaluate: {", "evaluate: {own: {sise: 4}, "), listed))
        assert "graph.yaml:18:18: no key is called 'sise' here" in wrong
        assert "did you mean 'size'?" in wrong
    finally:
        forget("own")


def test_an_evaluation_of_a_file_that_does_not_load_is_no_second_problem(write: Write) -> None:
    listed = ("graph: simclr", "components: [./nowhere.py]\ngraph: simclr")
    found = problems_of(check, write(SIMCLR, ("evaluate: {", "evaluate: {own: {}, "), listed))
    assert ["there is no component file" in f for f in found] == [True]


BROKEN = [
    ("raise OSError('no licence')", "'./mine.py' does not load: OSError: no licence"),
    ("def (:", "'./mine.py' does not load: SyntaxError"),
    ("import nothing_of_that_name", "does not load: ModuleNotFoundError"),
    (MINE.format(name="bad").replace("Config(NodeConfig)", "Settings(NodeConfig)"), "needs a class Config(NodeConfig)"),
    (MINE.format(name="bad").replace('x: Annotated[Tensor, "b d"]', "x"), "the port 'x' has no annotation"),
    (MINE.format(name="mlp"), "two components are called 'head.mlp'"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_what_does_not_load_is_said_at_its_line(write: Write, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    found = problems_of(check, graph(write, "./mine.py", "bad"))
    assert any(message in f and "graph.yaml:1:" in f for f in found), found


def test_what_is_not_there(write: Write) -> None:
    found = problems_of(check, graph(write, "./nowhere.py", "x"))
    assert any("there is no component file './nowhere.py'" in f and "relative to the graph file" in f for f in found)
    found = problems_of(check, graph(write, "no.such.package", "x"))
    assert any("'no.such.package' does not load" in f for f in found)

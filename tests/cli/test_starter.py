"""`graphssl new`: what it writes is right as it stands, whatever it is called."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import graphssl
from graphssl.checks.checked import check
from graphssl.cli.starter import starter
from graphssl.code import load_file
from graphssl.component import REGISTRY
from graphssl.errors import UsageError
from graphssl.testing import check_component

# The last of these are words of Python, or names that the file imports.
NAMES = ["my_first_critic", "Critic2", "_", "none", "true", "f", "scores", "tensor", "class"]


@pytest.mark.parametrize("name", NAMES)
def test_a_started_component_passes_the_tests_for_components(tmp_path: Path, name: str) -> None:
    path, text = starter(str(tmp_path / f"{name}.py"))
    assert path == tmp_path / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    try:
        load_file(path, path.name)
        check_component(REGISTRY[f"critic.{name}"].cls)
    finally:
        REGISTRY.pop(f"critic.{name}", None)


def test_a_started_component_says_how_to_use_it(tmp_path: Path) -> None:
    _, text = starter("sub/my_critic.py")
    assert text.startswith(
        '"""A component of one\'s own. In a graph file: `components: [./my_critic.py]`, then `use: critic.'
    )
    assert "class MyCritic(nn.Module):" in text


@pytest.mark.parametrize("name", ["my_method", "my_method.yaml", "my_method.yml", "null", "true"])
def test_a_started_graph_is_valid_without_a_warning(tmp_path: Path, name: str) -> None:
    path, text = starter(str(tmp_path / name))
    assert path.name == (name if "." in name else f"{name}.yaml")
    path.write_text(text, encoding="utf-8")
    checked = check(path)
    assert checked.graph.name == path.stem
    assert checked.warnings == ()
    assert f"# graphssl run {path}" in text


@pytest.mark.parametrize("name", ["größe", "no-name", "my method", "2fast", "", "no-name.py", "sub/no-name.yaml"])
def test_names_that_neither_can_have(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a graph or a component here: letters, digits and _ can"):
        starter(name)


@pytest.mark.parametrize("name", ["my.txt", "my.critic.PY", "graph.json"])
def test_endings_that_neither_has(name: str) -> None:
    with pytest.raises(UsageError, match=r"neither a graph \(my_method\.yaml\) nor a component \(my_critic\.py\)"):
        starter(name)


# As the version before wrote them: users have such files.
GRAPH = """\
components: [./near.py]
allow: [G202]
graph: mine
data: {use: digits, batch: 256}
nodes:
  augment:   {use: augment.simclr, size: 32, flip: 0, blur: 0}
  encoder:   {use: encoder.resnet, depth: 10, width: 16}
  projector: {use: head.mlp, hidden: 256, out: 64}
  critic:    {use: critic.near}
  objective: {use: objective.regression}
flow:
  x: augment(batch.image)                              # two views
  z: projector(encoder(x))                             # one embedding per view
  s: critic(z, stopgrad(z), pairs=cross)               # both orders
loss:
  regression: objective(s)
train: {epochs: 30, optimizer: {use: adamw, lr: 1e-3}, schedule: {shape: cosine, warmup: 3}}
evaluate: {features: encoder, knn: null}
"""
COMPONENT = '''\
"""A component of one's own. In a graph file: `components: [./near.py]`, then `use: critic.near`."""

from typing import Annotated

from pydantic import PositiveFloat
from torch import Tensor, nn
from torch.nn import functional as F

from graphssl.component import NodeConfig, Scheduled, Sizes, component
from graphssl.ports import Scores


@component("critic.near", traits=("bounded",))  # a score is at most 0
class Near(nn.Module):
    """Minus the Euclidean distance, over a temperature."""

    class Config(NodeConfig):
        temperature: Scheduled[PositiveFloat] = 1.0

    temperature: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(
        self, query: Annotated[Tensor, "b d"], key: Annotated[Tensor, "b d"]
    ) -> Annotated[Scores, "b", "b n"]:
        return Scores(-F.pairwise_distance(query, key) / self.temperature)
'''


def test_files_of_the_version_before_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    Path("near.py").write_text(COMPONENT)
    Path("mine.yaml").write_text(GRAPH)
    try:
        result = graphssl.run("mine.yaml", ["train.steps=2"], device="cpu", report=str)
    finally:
        REGISTRY.pop("critic.near", None)
    assert (result.outcome.step, result.interrupted) == (2, False)
    assert math.isfinite(result.outcome.loss)

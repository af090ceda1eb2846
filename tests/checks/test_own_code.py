"""An error in the user's own component: told with the line in their file, and of common slips a hint."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import graphssl
from graphssl.cli.describe import describe
from graphssl.errors import GraphError, RunError

COMPONENT = '''"""Somebody's own."""
from typing import Annotated
import numpy as np
import torch
from pydantic import field_validator
from torch import Tensor, nn
from graphssl.component import NodeConfig, Sizes, component, update

def helper(x):
    return x + missing_name

@component("own.NAME")
class Own(nn.Module):
    class Config(NodeConfig):
        size: int = 3
        CONFIG
    def __init__(self, config: Config, sizes: Sizes) -> None:
        SUPER
        INIT
    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b d"]:
        FORWARD
        return x
AFTER
'''
PARTS = {"CONFIG": "pass", "SUPER": "super().__init__()", "INIT": "pass", "FORWARD": "pass", "AFTER": ""}
GRAPH = """graph: own
data: {use: digits, batch: 16}
components: [./NAME.py]
nodes:
  augment: {use: augment.simclr}
  encoder: {use: encoder.resnet, depth: 10, width: 8}
  own: {use: own.NAME, size: 4}
  critic: {use: critic.cosine}
  negatives: {use: negatives.in_batch}
  objective: {use: objective.infonce}
flow:
  x: augment(batch.image)
  z: own(encoder(x))
  s: critic(z[0], z[1], negatives(z[1]))
loss: {infonce: objective(s)}
train: {steps: 1}
evaluate: {features: z, knn: null, linear: null}
"""
REAL = "if type(x).__name__ == 'Tensor' and not x.is_meta: "  # in the step, and not in `check`
VALIDATOR = "@field_validator('size')\n        @classmethod\n        def _own(cls, size): return size + missing_name"
FAILS = """
def fails(i):
    try:
        raise ValueError(i)
    except ValueError as error:
        return error
"""
BACKWARD = """
class Fn(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x * 1
    @staticmethod
    def backward(ctx, g): return g + missing_name
"""


def written(folder: Path, name: str, parts: dict[str, str]) -> Path:
    """The graph of a component with these parts; its file beside it."""
    text = COMPONENT
    for key, value in {**PARTS, **parts}.items():
        text = text.replace(key, value)
    (folder / f"{name}.py").write_text(text.replace("NAME", name))
    graph = folder / f"{name}.yaml"
    graph.write_text(GRAPH.replace("NAME", name))
    return graph


IN_CHECK = [
    ({"FORWARD": "return x + missing_name"}, "NameError: name 'missing_name'", "return x + missing_name", ""),
    ({"FORWARD": "return helper(x)"}, "NameError: name 'missing_name'", "return x + missing_name", ""),
    ({"FORWARD": "return F.relu(x)"}, "NameError", "return F.relu(x)", "it lacks `from torch.nn import functional as F`"),
    ({"FORWARD": "x = torch.from_numpy(x.numpy())"}, "to numpy", "x.numpy()", "a step computes with torch alone"),
    ({"FORWARD": "if x.sum() > 0: pass"}, "item()", "if x.sum() > 0: pass", "torch.where(condition, a, b)"),
    ({"FORWARD": "raise ExceptionGroup('two', [KeyError('a'), ValueError('b')])"}, "ExceptionGroup: two (KeyError: 'a'; ValueError: b)", "raise ExceptionGroup", ""),
    ({"FORWARD": "raise ExceptionGroup('all', [fails(i) for i in range(5)])", "AFTER": FAILS}, "ValueError: 2; 2 more)", "raise ValueError(i)", ""),
    ({"FORWARD": "raise GeneratorExit"}, "cannot take this: GeneratorExit", "raise GeneratorExit", ""),
    ({"INIT": "raise GeneratorExit"}, "cannot be built: GeneratorExit", "raise GeneratorExit", ""),
    ({"AFTER": "raise GeneratorExit('no')"}, "does not load: GeneratorExit: no", "raise GeneratorExit('no')", ""),
    ({"FORWARD": "x = nn.Linear(64, 64, device='meta')(x)"}, "weights in forward", "def forward", "make them in __init__"),
    ({"INIT": "self.w = nn.Linear(5, 4)", "FORWARD": "x = self.w(x)"}, r"[16, 64] X [5, 4]", "self.w(x)", "sizes['d']"),
    ({"INIT": "self.t = torch.ones(64, device='cpu')", "FORWARD": "x = x + self.t"}, "device", "x + self.t", "buffer"),
    ({"INIT": "self.w = nn.Parameter(torch.ones(1))", "FORWARD": "self.w += 1"}, "its weights", "def forward", "@update"),
    ({"FORWARD": "return None"}, "gives None, but says [b d]", "def forward", "ends without `return`"),
    ({"FORWARD": "return x, x"}, "gives a tuple of 2, but says [b d]", "def forward", "its annotations"),
    ({"FORWARD": "return x.sum(1)"}, "gives [16], but says [b d]", "def forward", "annotations are wrong"),
    ({"FORWARD": "return x[:, 500]"}, "IndexError", "return x[:, 500]", "indices begin at 0"),
    ({"INIT": "self.k = config.sise"}, "'Config' object", "self.k = config.sise", "did you mean 'size'?"),
    ({"SUPER": "pass", "INIT": "self.w = nn.ReLU()"}, "before Module.__init__()", "nn.ReLU()", "super().__init__()"),
    ({"SUPER": "pass"}, "does not call super().__init__()", "", "begin it with that"),
    ({"CONFIG": "wide: float = 'two'"}, "a default is not of its own type: 'wide' is 'two'; it should be a number", "wide: float = 'two'", ""),
    ({"CONFIG": "wide: int = None"}, "a default is not of its own type: 'wide' is null; it should be a whole number", "wide: int = None", ""),
    ({"CONFIG": VALIDATOR}, "its config fails: NameError", "return size + missing_name", ""),
    ({"FORWARD": "return x +* 2"}, "does not load: SyntaxError: invalid syntax", "return x +* 2", ""),
    ({"AFTER": "import nosuchmodule"}, "No module named 'nosuchmodule'", "import nosuchmodule", "installed here?"),
    ({"FORWARD": "x = Fn.apply(x)", "AFTER": BACKWARD}, "the backward pass fails: NameError", "return g + missing_name", ""),
    ({"FORWARD": "y = x.exp(); z = y * y; y += 1; x = z"}, "'own' writes into a tensor that the backward", "y += 1", "out of"),
    ({"FORWARD": "y = x.exp(); z = y * y; y[0] = 1; x = z"}, "'own' writes into a tensor that the backward", "y[0] = 1", ""),
    ({"FORWARD": "y = x.exp(); z = y * y; nn.ReLU(True)(y); x = z"}, "'own' writes into a", "nn.ReLU(True)(y)", ""),
    ({"FORWARD": "return x.view(3, -1, 7)"}, "shape '[3, -1, 7]' is invalid", "x.view(3, -1, 7)", ""),
    ({"AFTER": "torch.set_default_dtype(torch.float64)"}, "'./mine.py' sets torch's default type", "", "dtype=torch.float64"),
    ({"AFTER": "from torch import Tensr"}, "cannot import name 'Tensr' from 'torch'", "import Tensr", "did you mean 'Tensor'?"),
    ({"AFTER": "@component\nclass A: pass"}, "@component takes a name", "@component", ""),
    ({"INIT": "pass\n    @staticmethod\n    def views(config): return config.no"}, "ports fail", "return config.no", ""),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "message", "line", "hint"), IN_CHECK)
def test_check_shows_the_line(
    parts: dict[str, str], message: str, line: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GraphError) as told:
        describe(graphssl.check(written(tmp_path, "mine", parts)))  # as the command does
    text = str(told.value)
    assert message in text
    assert "site-packages" not in text
    assert hint in text
    if line:
        shown = re.search(r"\n  at mine\.py:(\d+):(\d+):\n    (.*)\n( *)\^+", text)
        assert shown is not None, text
        assert line in shown[3]
        written_line = (tmp_path / "mine.py").read_text().splitlines()[int(shown[1]) - 1]
        assert written_line.strip() == shown[3].strip()


IN_RUN = [
    ({"FORWARD": REAL + "x = x + missing_name"}, r"mine.yaml:13:6: 'own' failed: NameError", "x = x + missing_name"),
    ({"FORWARD": REAL + "x = torch.tensor(x.numpy())"}, "'own' failed: RuntimeError: Can't call numpy()", "x.numpy()"),
    ({"FORWARD": "x = Fn.apply(x)", "AFTER": BACKWARD}, "the backward pass failed: NameError", "return g + missing_name"),
    ({"FORWARD": "y = x.exp(); z = y * y; y.add_(1); x = z"}, "'own' writes into a tensor", "y.add_(1)"),
    ({"FORWARD": REAL + "raise SystemExit(3)"}, "'own' failed: SystemExit: 3", "raise SystemExit(3)"),
    ({"INIT": "if not torch.empty(0).is_meta: raise SystemExit"}, "cannot be built: SystemExit", "raise SystemExit"),
    ({"INIT": "if not torch.empty(0).is_meta: raise KeyError('k')"}, "cannot be built: KeyError: 'k'", "raise KeyError"),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "message", "line"), IN_RUN)
def test_a_run_shows_the_line(
    parts: dict[str, str], message: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(RunError) as told:
        graphssl.run(written(tmp_path, "mine", parts), device="cpu", report=lambda text: None)
    assert message in str(told.value)
    assert line in str(told.value)
    assert not line or "\n  at mine.py:" in str(told.value)


def test_an_update_shows_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    method = "\n    @update\n    def push(self, x: Annotated[Tensor, 'b d']) -> None:\n        if not x.is_meta: missing_name"
    graph = written(tmp_path, "mine", {"AFTER": method})
    graph.write_text(graph.read_text().replace("loss:", "  y: stopgrad(z[0])\nloss:") + "update:\n  own: push(y)\n")
    with pytest.raises(RunError) as told:
        graphssl.run(graph, device="cpu", report=lambda text: None)
    assert re.match(r"mine\.yaml:20:8: 'own' failed: NameError", str(told.value).replace(f"{tmp_path}/", ""))
    assert "if not x.is_meta: missing_name" in str(told.value)


def test_a_class_without_its_decorator(tmp_path: Path) -> None:
    graph = written(tmp_path, "bare", {})
    file = tmp_path / "bare.py"
    file.write_text(file.read_text().replace('@component("own.bare")\n', ""))
    with pytest.raises(GraphError, match=r"no component is called 'own\.bare'") as told:
        graphssl.check(graph)
    assert "hint: ./bare.py has a class Own; @component('own.bare') before it makes it that component" in str(
        told.value
    )


def test_the_command_line_tells_it_too(tmp_path: Path) -> None:
    written(tmp_path, "mine", {"FORWARD": "return helper(x)"})
    command = [sys.executable, "-m", "graphssl", "check", "mine.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 2
    assert "  at mine.py:10:16:\n    return x + missing_name\n               ^^^^^^^^^^^^" in done.stderr
    assert "Traceback" not in done.stderr

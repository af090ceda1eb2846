"""Nodes that start with weights from elsewhere, by YAML alone: gone on with, distilled, begun with another method's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR, Write, problems_of
from helpers import CPU, batch
from torch import Tensor
from torchvision import models
from whole_runs import QUICK, assert_same, forget_the_last, weights

import graphssl
from graphssl.checks.checked import Checked
from graphssl.checks.weights.files import digest
from graphssl.checks.weights.wanted import pin
from graphssl.errors import GraphError, RunError
from graphssl.files import write_whole
from graphssl.graph.language.dump import dump
from graphssl.graph.spec import Train
from graphssl.program.assemble import compile_graph
from graphssl.program.program import Program
from graphssl.train.checkpoint import Checkpoints
from graphssl.train.precision import resolve
from graphssl.train.step import Step

ENCODER = "{use: encoder.resnet, depth: 10, width: 8}"
DISTIL = """\
graph: distil
data: {use: digits, batch: 16}
nodes:
  augment:   {use: augment.simclr, flip: 0, blur: 0}
  teacher:   {use: encoder.resnet, depth: 10, width: 8, weights: {run: first, node: encoder}, freeze: true}
  encoder:   {use: encoder.resnet, depth: 10, width: 8}
  predictor: {use: head.mlp, hidden: 16, out: 64}
  critic:    {use: critic.cosine}
  objective: {use: objective.regression}
flow:
  x: augment(batch.image)
  p: predictor(encoder(x))
  z: teacher(x)
  s: critic(p, z, pairs=zip)
loss:
  distil: objective(s)
train: {steps: 2, optimizer: {use: sgd, lr: 0.1}}
evaluate: {features: encoder}
"""


pytestmark = pytest.mark.usefixtures("here")


def silent(_text: str) -> None: ...


def first(write: Write, text: str = SIMCLR, name: str = "first") -> dict[str, Tensor]:
    """A finished run, as it lies in its folder: what its nodes have, which is nothing that a seed draws."""
    graph = write(text)
    drawn = graphssl.compile(graph, weights=False).forward.state_dict()
    state = {key: value + 0.25 if value.is_floating_point() else value + 3 for key, value in drawn.items()}
    folder = Path("runs", name)
    Checkpoints(folder / "checkpoints", 1).write(7, {"model": state, "graph_hash": "0", "step": 7})
    (folder / "graph.yaml").write_text(graph.read_text())
    return state


def program_of_loaded(checked: Checked) -> Program:
    return compile_graph(checked.graph, checked.shapes, CPU, 0, checked.weights)


def take_steps(program: Program, train: Train, steps: int) -> Step:
    step = Step(program, train, resolve("fp32", CPU), CPU, steps, steps)
    for i in range(steps):
        step(i, [batch(16, seed=i)])
    return step


def with_weights(text: str, weights: str, *changes: tuple[str, str], node: str = ENCODER) -> str:
    for old, new in (*QUICK, *changes, (node, f"{node[:-1]}, weights: {weights}}}")):
        assert old in text
        text = text.replace(old, new)
    return text


def of(state: dict[str, Tensor], node: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{node}."): value for name, value in state.items() if name.startswith(f"{node}.")}


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def started(graph: Path, **options: Any) -> dict[str, Tensor]:
    return graphssl.compile(graph, **options).forward.state_dict()


def test_a_run_goes_on_with_anothers_weights(write: Write) -> None:
    state = first(write)
    said: list[str] = []
    text = with_weights(SIMCLR, "{run: first}").replace("out: 8}", "out: 8, weights: {run: first}}")
    graph = write(text)
    assert_equal(started(graph), state)
    result = graphssl.run(graph, name="second", report=said.append)
    assert "weights of encoder: encoder of the run first: its names; all 72 loaded" in said
    assert sum("weights of" in line for line in said) == 2
    assert weights(result.folder.path)["encoder.conv1.weight"].shape == state["encoder.conv1.weight"].shape


def test_moco_starts_with_simclrs_encoder_and_so_does_its_target(write: Write) -> None:
    encoder = of(first(write), "encoder")
    text = with_weights(
        MOCO, "{run: first}", node="{use: encoder.resnet, depth: 10, width: 8, norm: {use: split_batch, splits: 4}}"
    )
    state = started(write(text))
    assert_equal(of(state, "encoder"), encoder)
    assert_equal(of(state, "target.encoder"), encoder)
    assert_equal(of(state, "target.projector"), of(state, "projector"))


def test_a_target_with_weights_of_its_own(write: Write) -> None:
    fresh, state = started(write(BYOL)), first(write, BYOL)
    made = started(write(BYOL.replace("to: 1.0}}", "to: 1.0}, weights: {run: first}}")))
    assert_equal(of(made, "target"), of(state, "target"))
    assert_equal(of(made, "encoder"), of(fresh, "encoder"))


@pytest.mark.parametrize("part", ["target", "target.encoder"])
def test_the_slow_copy_of_a_run(write: Write, part: str) -> None:
    state = first(write, BYOL.replace("of: [encoder, projector]", "of: [encoder, projector]"))
    made = started(write(with_weights(SIMCLR, f"{{run: first, node: {part}}}")))
    assert_equal(of(made, "encoder"), of(state, "target.encoder"))


def test_distillation_from_a_frozen_teacher(write: Write) -> None:
    encoder = of(first(write), "encoder")
    checked = graphssl.check(write(DISTIL))
    assert checked.shapes.trainable() == {"encoder", "predictor"}
    step = take_steps(program_of_loaded(checked), checked.graph.spec.train, 2)
    after = step.state()["model"]
    assert_equal(of(after, "teacher"), encoder)  # its running statistics too
    assert not torch.equal(after["encoder.conv1.weight"], started(write(DISTIL))["encoder.conv1.weight"])


def test_a_run_goes_on_and_is_used_when_the_file_is_gone(write: Write, tmp_path: Path) -> None:
    state = {"state_dict": {f"module.encoder_q.{name}": value for name, value in of(first(write), "encoder").items()}}
    torch.save(state, tmp_path / "it.pth.tar")
    text = with_weights(SIMCLR, "./it.pth.tar").replace("steps: 1", "steps: 2, checkpoint: {steps: 1, keep: 2}")
    graphssl.run(write(text), name="whole", report=silent)
    cut = graphssl.run(write(text), name="cut", report=silent).folder
    (tmp_path / "it.pth.tar").unlink()
    forget_the_last(cut.path)
    said: list[str] = []
    graphssl.run(resume="cut", report=said.append)
    assert not [line for line in said if "weights of" in line]
    assert_same(Path("runs/whole"), cut.path)
    exported = graphssl.export("cut", "out.pt")
    assert exported.tensors == 72
    assert "weights=False" in exported.code
    assert graphssl.evaluate("cut", device="cpu").scores
    with pytest.raises(GraphError, match=r"no file of weights '\./it\.pth\.tar'"):
        graphssl.run(write(text), report=silent)


def test_the_hash_says_which_weights(write: Write, tmp_path: Path) -> None:
    """Their content, wherever it lies."""
    encoder = of(first(write), "encoder")
    hashes = []
    torch.save(encoder, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes((tmp_path / "a.pt").read_bytes())
    torch.save({key: value * 2 for key, value in encoder.items()}, tmp_path / "c.pt")
    for name in "abc":
        checked = graphssl.check(write(with_weights(SIMCLR, f"./{name}.pt")))
        pinned = pin(checked.graph, checked.weights)
        said = pinned.resolved()["nodes"]["encoder"]["weights"]
        assert said == {"file": str(tmp_path / f"{name}.pt"), "sha256": digest(tmp_path / f"{name}.pt")}
        hashes.append(pinned.hash())
    assert hashes[0] == hashes[1] != hashes[2]
    assert graphssl.load(write(with_weights(SIMCLR, "./a.pt"))).hash() not in hashes
    assert graphssl.load(write(SIMCLR)).hash() not in hashes


def test_a_file_that_changed_after_the_run_had_begun(write: Write, tmp_path: Path) -> None:
    encoder = of(first(write), "encoder")
    torch.save(encoder, tmp_path / "it.pt")
    checked = graphssl.check(write(with_weights(SIMCLR, "./it.pt")))
    folder = Path("runs/second")
    folder.mkdir()
    write_whole(folder / "graph.yaml", dump(pin(checked.graph, checked.weights).resolved()))
    torch.save({name: value + 1 for name, value in encoder.items()}, tmp_path / "it.pt")
    with pytest.raises(RunError, match="not the file that it was"):
        graphssl.run(resume="second", report=silent)


def test_what_does_not_fit_is_found_by_check(write: Write, tmp_path: Path) -> None:
    encoder = of(first(write), "encoder")
    del encoder["layer4.0.bn2.weight"]
    torch.save({**encoder, "extra": torch.ones(3), "conv1.weight": torch.ones(8, 3, 7, 7)}, tmp_path / "it.pt")
    found = problems_of(graphssl.check, write(with_weights(SIMCLR, "./it.pt")))
    assert len(found) == 3
    assert all("graph.yaml:5:66: weights of 'encoder': ./it.pt, its names" in text for text in found)
    assert "has no layer4.0.bn2.weight" in found[0]
    assert "has extra, which the node has not" in found[1]
    assert "conv1.weight is 8 x 3 x 7 x 7, the node's 8 x 3 x 3 x 3" in found[2]
    assert not list(Path("runs").glob("simclr*"))
    loose = "{file: ./it.pt, missing: [conv1.*, layer4.0.bn2.weight], ignore: [extra]}"
    said = graphssl.check(write(with_weights(SIMCLR, loose))).weights["encoder"].fit
    assert (said.fits, said.kept, said.ignored) == (True, ["layer4.0.bn2.weight", "conv1.weight"], ["extra"])


BAD = {
    "./none.pt": "there is no file of weights './none.pt'",
    "./it.pd": "did you mean 'it.pt'?",
    "first": "there is a run of this name: weights: {run: first}",
    "{run: fist}": "did you mean 'first'?",
    "{run: first, node: encodr}": "did you mean 'encoder'?",
    "{torchvision: ResNet18_Weights.IMAGENET1K_V9}": "did you mean 'ResNet18_Weights.IMAGENET1K_V1'?",
    "{file: ./it.pt, run: first}": "it says file and run",
    "{prefix: module.}": "it says none",
    "{file: ./it.pt, node: encoder}": "'node' is of a run",
    "{fil: ./it.pt}": "did you mean 'file'?",
    "{file: ./it.pt, network: slow}": "choices are online, momentum",
    "3": "it should be text or a mapping",
}


@pytest.mark.parametrize("given", BAD)
def test_what_is_said_of_mistakes(write: Write, tmp_path: Path, given: str) -> None:
    Path("runs/first/checkpoints").mkdir(parents=True)
    Path("runs/first/graph.yaml").write_text("graph: simclr\n")
    torch.save({"model": {"encoder.conv1.weight": torch.ones(1)}}, "runs/first/checkpoints/step-00000002.pt")
    torch.save({"a": torch.ones(1)}, tmp_path / "it.pt")
    found = problems_of(graphssl.check, write(with_weights(SIMCLR, given)))
    assert len(found) == 1
    assert BAD[given] in found[0]
    assert "graph.yaml:5:" in found[0]


def test_a_node_without_weights(write: Write) -> None:
    (found,) = problems_of(
        graphssl.check, write(SIMCLR.replace("temperature: 0.2}", "temperature: 0.2, weights: ./x.pt}"))
    )
    assert "there is no file" in found
    torch.save({"a": torch.ones(1)}, "x.pt")
    (found,) = problems_of(
        graphssl.check, write(SIMCLR.replace("temperature: 0.2}", "temperature: 0.2, weights: ./x.pt}"))
    )
    assert "weights of 'critic': it is critic.cosine, and has none" in found


# -- libraries: without a network, by what lies in torch's cache ------------------------------------------------------

WIDE = ("{use: encoder.resnet, depth: 10, width: 8}", "{use: encoder.resnet, depth: 18, stem: imagenet}")
TAG = "ResNet18_Weights.IMAGENET1K_V1"


def test_torchvisions_weights_from_its_cache(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    graph = write(with_weights(SIMCLR, f"{{torchvision: {TAG}}}", WIDE, node=WIDE[1]))
    assert graphssl.check(graph).weights["encoder"].fit.fits  # nothing is there, and nothing is fetched
    state = models.resnet18().state_dict()
    file = Path(torch.hub.get_dir(), "checkpoints", models.ResNet18_Weights.IMAGENET1K_V1.url.rpartition("/")[2])
    file.parent.mkdir(parents=True)
    torch.save(state, file)
    found = graphssl.check(graph).weights["encoder"]
    assert list(found.fit.others) == ["fc.weight", "fc.bias"]
    assert torch.equal(started(graph)["encoder.layer4.1.conv2.weight"], state["layer4.1.conv2.weight"])


def unreachable(*_args: Any, **_more: Any) -> Any:
    raise OSError("no network here")


def test_what_cannot_be_fetched(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(models.ResNet18_Weights, "get_state_dict", unreachable)
    graph = write(with_weights(SIMCLR, f"{{torchvision: {TAG}}}", WIDE, node=WIDE[1]))
    with pytest.raises(RunError, match=r"cannot be fetched \(no network here\)") as failed:
        graphssl.compile(graph)
    assert "where there is no network" in str(failed.value)


def test_what_timm_cannot_fetch(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")
    plain = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: unreachable() if pretrained else plain(name))
    graph = write(with_weights(SIMCLR, "{timm: resnet18.a1_in1k}", WIDE, node=WIDE[1]))
    with pytest.raises(RunError, match=r"cannot be fetched \(no network here\)"):
        graphssl.compile(graph)


def test_timms_weights(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")
    plain = timm.create_model
    made = plain("resnet18")
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: made if pretrained else plain(name))
    graph = write(with_weights(SIMCLR, "{timm: resnet18.a1_in1k}", WIDE, node=WIDE[1]))
    assert graphssl.check(graph).weights["encoder"].fit.fits
    assert torch.equal(started(graph)["encoder.bn1.weight"], made.state_dict()["bn1.weight"])
    (found,) = problems_of(graphssl.check, write(with_weights(SIMCLR, "{timm: resnet18.a1_in2k}", WIDE, node=WIDE[1])))
    assert "did you mean 'resnet18.a1_in1k'?" in found


def test_without_timm(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    (found,) = problems_of(graphssl.check, write(with_weights(SIMCLR, "{timm: resnet18.a1_in1k}")))
    assert "graphssl[timm]" in found


def test_weights_in_parts(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphssl.train.checkpoint.in_parts", lambda _: True)
    first(write)
    found = "".join(problems_of(graphssl.check, write(DISTIL)))
    assert "the weights of the run 'first' are in parts of several processes" in found
    assert "`graphssl export first -o encoder.pt`" in found

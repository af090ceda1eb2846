"""The commands, as a user types them. Broken graphs have a file of their own, `test_broken`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from typed_commands import Type

from graphssl.cli.commands import app
from graphssl.graph.language.load import load
from graphssl.graph.language.packaged import packaged


def test_the_commands_are_those_of_the_design() -> None:
    names = {c.callback.__name__ for c in app.registered_commands if c.callback is not None}
    expected = (
        "run check show components new evaluate reproduce embed neighbours export data compare track explain schema ui "
        "sweep ablate bridge report diff runs rm mv register"
    )
    assert names == set(expected.split()), "a new command needs a line in the README and here"


def test_check_prints_nodes_values_and_totals(typed: Type) -> None:
    said = typed("check", "my_moco.yaml", "byol")
    assert "moco: valid" in said
    assert "byol: valid" in said
    assert "negatives.queue" in said
    assert "b e = 16 8" in said
    assert "trainable parameters" in said
    assert "GFLOP per image and step" in said


def test_check_warns_with_the_place(typed: Type) -> None:
    said = typed("check", "my_moco.yaml", "--set", "nodes.queue.size=50")
    assert "--set:1:18: warning: 'queue' holds 50 keys, no multiple of the 16" in said
    assert "[G302]" in said


@pytest.mark.parametrize("name", [n for n in packaged() if not n.startswith(("cifar10/", "imagenet/"))])
def test_every_packaged_graph_is_valid_without_a_warning(typed: Type, name: str) -> None:
    said = typed("check", name)
    assert f"{load(name).data['graph']}: valid" in said
    assert "warning" not in said


@pytest.mark.parametrize(
    ("ending", "start"), [("svg", b"<"), ("png", b"\x89PNG"), ("html", b"<!"), ("mmd", b"---\ntitle:")]
)
def test_show_draws(typed: Type, folder: Path, ending: str, start: bytes) -> None:
    said = typed("show", "my_byol.yaml", "-o", f"picture.{ending}")
    assert f"wrote picture.{ending}" in said
    assert (folder / f"picture.{ending}").read_bytes().startswith(start)


def test_no_picture_takes_the_place_of_a_pipe(typed: Type, folder: Path) -> None:
    os.mkfifo(folder / "pipe.svg")
    said = typed("show", "my_byol.yaml", "-o", "pipe.svg", code=1)
    assert said == "graphssl: pipe.svg cannot be written: it is a pipe, and no regular file\n"
    assert (folder / "pipe.svg").is_fifo()


def test_show_code_is_python(typed: Type) -> None:
    said = typed("show", "my_moco.yaml", "--code")
    compile(said, "step.py", "exec")
    assert "self.critic(" in said


def test_show_resolved_is_a_graph(typed: Type, folder: Path) -> None:
    said = typed("show", "my_moco.yaml", "--resolved")
    (folder / "again.yaml").write_text(said)
    assert "moco: valid" in typed("check", "again.yaml")
    assert typed("show", "again.yaml", "--resolved") == said


def test_what_cannot_be_written_is_said(typed: Type) -> None:
    assert "cannot be written: No such file" in typed("show", "byol", "-o", "nowhere/x.svg", code=1)


def test_components(typed: Type) -> None:
    listed = typed("components")
    for name in ("augment.simclr", "encoder.resnet", "target.ema", "negatives.queue", "critic.bilinear"):
        assert name in listed
    one = typed("components", "negatives.queue")
    assert "size" in one
    assert "65536" in one
    assert "update: NODE: push(key)" in one
    assert "source:" in one
    assert typed("components", "critic").count("source:") >= 3


def test_new_graph_and_component_work_as_written(typed: Type, folder: Path) -> None:
    typed("new", "fresh")
    assert "fresh: valid" in typed("check", "fresh.yaml")
    assert "is there already" in typed("new", "fresh", code=2)
    typed("new", "my_critic.py")
    graph = folder / "fresh.yaml"
    text = graph.read_text().replace("critic.cosine, temperature: 0.2", "critic.my_critic")
    text = text.replace("critic(z, z, negatives(z), pairs=cross)", "critic(z, stopgrad(z), pairs=cross)")
    graph.write_text(
        "components: [./my_critic.py]\nallow: [G202]\n" + text.replace("objective.infonce", "objective.regression")
    )
    assert "fresh: valid" in typed("check", "fresh.yaml")
    assert "'no-name' cannot name a graph or a component" in typed("new", "no-name", code=2)
    assert "is neither a graph (my_method.yaml) nor a component" in typed("new", "my.txt", code=2)


def test_explain(typed: Type) -> None:
    assert "G201" in typed("explain")
    said = typed("explain", "g201")
    assert "SimSiam" in said
    assert "allow: [G201]" in said


def test_schema_is_json(typed: Type, folder: Path) -> None:
    schema = json.loads(typed("schema"))
    assert "encoder_resnet" in schema["$defs"]
    typed("schema", "-o", "graph.schema.json")
    assert json.loads((folder / "graph.schema.json").read_text()) == schema


@pytest.mark.usefixtures("runs")
def test_run_says_where_it_is_and_how_to_see_it(typed: Type, folder: Path) -> None:
    said = typed("run", "my_byol.yaml", "--name", "said", "--device", "cpu")
    lines = said.splitlines()
    before = next(i for i, line in enumerate(lines) if "before training" in line)
    first_step = next(i for i, line in enumerate(lines) if line.startswith("epoch=1/1 step="))
    assert before < first_step
    assert "runs/said" in said
    assert "graphssl ui" in said
    assert "kNN" in lines[-4]
    assert (folder / "mlflow.db").is_file()


def test_evaluate(typed: Type, runs: tuple[str, str]) -> None:
    said = typed("evaluate", runs[0], "--device", "cpu")
    assert said.startswith("one: kNN accuracy ")
    assert "(k 5, temperature 0.07)" in said
    assert "(k 1, temperature 0.5)" in typed("evaluate", runs[0], "--k", "1", "--temperature", "0.5", "--device", "cpu")


def test_export_loads_into_plain_torchvision(typed: Type, folder: Path, runs: tuple[str, str]) -> None:
    said = typed("export", runs[0], "-o", "encoder.pt")
    assert "wrote encoder.pt" in said
    from torchvision.models.resnet import BasicBlock, ResNet

    plain = ResNet(BasicBlock, [1, 1, 1, 1])
    state = torch.load(folder / "encoder.pt", weights_only=True)
    assert set(state) == {k for k in plain.state_dict() if not k.startswith("fc.")}
    assert "has no node and no value 'nobody'" in typed("export", runs[0], "--node", "nobody", code=2)


def test_what_export_prints_loads_the_weights(typed: Type, folder: Path, runs: tuple[str, str]) -> None:
    for node in ("encoder", "projector"):
        *_, line = typed("export", runs[0], "-o", f"{node}.pt", "--node", node).splitlines()
        label, code = line.split("    ", 1)
        assert label == "  load it"
        names: dict[str, Any] = {}
        exec(code, names)
        assert not names["model"].training
        state = torch.load(folder / f"{node}.pt", weights_only=True)
        assert all(torch.equal(v, state[k]) for k, v in names["model"].state_dict().items())


def test_what_cannot_be_exported(typed: Type, folder: Path, runs: tuple[str, str]) -> None:
    said = typed("export", runs[0], "-o", "nowhere/encoder.pt", code=1)
    assert said == "graphssl: nowhere/encoder.pt cannot be written (No such file or directory)\n"
    assert "runs is a folder: name a file, such as runs/encoder.pt" in typed("export", runs[0], "-o", "runs", code=2)
    assert "'critic' has no weights to write" in typed("export", runs[0], "--node", "critic", "-o", "critic.pt", code=2)
    assert not (folder / "critic.pt").exists()


def test_compare(typed: Type, runs: tuple[str, str]) -> None:
    said = typed("compare", *runs)
    rows = {row[0]: row for row in (re.split(r"\s{2,}", line.strip()) for line in said.splitlines()) if row[0]}
    assert rows["nodes.critic.temperature"][1:] == ["0.2", "0.5"]
    assert "nodes.queue.size" not in rows
    assert len(rows["knn"]) == 3
    assert "did you mean 'one'?" in typed("compare", "one", "onne", code=2)


def test_compare_with_nothing_to_compare(typed: Type, runs: tuple[str, str]) -> None:
    assert typed("compare", "one", code=2) == "graphssl: it takes two runs or more to compare\n"
    assert typed("compare", "one", "runs/one", code=2) == "graphssl: the run 'one' is named twice\n"
    typed("run", "my_simclr.yaml", "--name", "again", "--device", "cpu")
    said = typed("compare", "one", "again")
    assert said.startswith("The graphs are the same.\n\nmetric: last (best)")
    assert "what differs" not in said


def test_a_run_without_labels_cannot_be_evaluated(typed: Type, folder: Path) -> None:
    (folder / "pictures").mkdir()
    for i in range(20):
        Image.new("RGB", (16, 16), (10 * i, 0, 0)).save(folder / f"pictures/{i:02d}.png")
    data = ("use=image_folder", "root=pictures", "size=16", "batch=8")
    said = typed(
        "run",
        "my_simclr.yaml",
        "--name",
        "plain",
        "--device",
        "cpu",
        *(x for d in data for x in ("--set", f"data.{d}")),
    )
    assert "evaluation is left out: the data set has no labels" in said
    said = typed("evaluate", "plain", "--device", "cpu", code=1)
    assert said.startswith(
        "graphssl: 'plain' cannot be evaluated by knn: the data set has no labels; pictures in a folder for"
    )


def test_ui_opens_the_store_in_use(
    typed: Type, folder: Path, runs: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Sequence[str]] = []
    monkeypatch.setattr("graphssl.track.serve", started.append)
    said = typed("ui", "--port", "5055")
    assert "http://127.0.0.1:5055" in said
    assert started[0][1:4] == ["-m", "mlflow", "ui"]
    assert f"sqlite:///{folder / 'mlflow.db'}" in started[0]

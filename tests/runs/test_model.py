"""A run's encoder as a model in MLflow: loaded by MLflow alone, registered once, also by a server that was down."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas
import pytest
from conftest import SIMCLR, Write
from PIL import Image
from whole_runs import QUICK, command, forget_the_last

import graphssl
from graphssl.errors import RunError, UsageError
from graphssl.runs import model as models
from graphssl.runs.features.model import Model
from graphssl.runs.membership import Membership

NOBODY = "http://127.0.0.1:9"
PICTURES = (np.random.default_rng(0).random((3, 20, 24, 3)) * 255).astype(np.uint8)


def nobody(line: str) -> None:
    pass


def trained(path: Path, *sets: str, name: str, register: str | None = None) -> Any:
    return graphssl.run(path, list(sets), name=name, register=register, device="cpu", report=nobody)


def versions(store: str, name: str) -> list[tuple[str, str]]:
    """By run and step."""
    found = mlflow.MlflowClient(store).search_model_versions(f"name = '{name}'")
    return sorted((one.run_id, one.tags["graphssl.step"]) for one in found)


def test_mlflow_loads_it_and_it_gives_what_embed_gives(here: Path, store: str, write: Write) -> None:
    name = f"loaded-{here.name}"
    result = trained(write(SIMCLR, *QUICK), name=name, register=f"encoder-{here.name}")
    assert result.warnings == ()
    assert versions(store, f"encoder-{here.name}") == [(result.run_id, "1")]
    mlflow.set_tracking_uri(store)
    model = mlflow.pyfunc.load_model(f"runs:/{result.run_id}/model")
    wanted = graphssl.embed(result.folder.path, PICTURES, device="cpu").numpy()
    found = model.predict(PICTURES)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(mlflow.pyfunc.load_model(f"models:/encoder-{here.name}/1").predict(PICTURES), wanted)
    signature = model.metadata.signature
    assert signature.inputs.inputs[0].shape == (-1, -1, -1, 3)
    assert signature.outputs.inputs[0].shape == (-1, wanted.shape[1])
    assert model.predict(model.input_example).shape == (1, wanted.shape[1])
    requirements = mlflow.pyfunc.get_model_dependencies(f"runs:/{result.run_id}/model")
    assert f"graphssl=={graphssl.__version__}" in Path(requirements).read_text()

    one = Image.fromarray(PICTURES[0])
    one.save("one.png")
    content = io.BytesIO()
    one.save(content, "png")
    forms = [
        "one.png", ["one.png"], one, [one], content.getvalue(), PICTURES[:1].tolist(), PICTURES[:1].astype(np.int64),
        pandas.DataFrame({"image": ["one.png"]}), pandas.DataFrame({"image": [content.getvalue()], "id": [7]}),
        pandas.Series([one]), {"image": PICTURES[:1]}, [PICTURES[0]],
    ]  # fmt: skip
    for form in forms:
        np.testing.assert_allclose(model.predict(form), wanted[:1], rtol=1e-4, atol=1e-5)
    for wrong, said in (
        (PICTURES.astype(np.float32), "got float32"),
        (["nowhere.png"], "there is no file or folder 'nowhere.png'"),
        (b"abc", "3 bytes are no picture"),
        (3, "are no pictures"),
        (PICTURES.astype(np.int64) + 300, "got int64"),
        (pandas.DataFrame({"a": [1], "b": [2]}), "of a data frame with several columns"),
        ({"pictures": 1}, "stand under 'image'"),
    ):
        with pytest.raises(UsageError, match=said):
            model.predict(wrong)


def test_a_version_each_of_other_weights_and_of_the_same_one(here: Path, store: str, write: Write) -> None:
    name, model = f"longer-{here.name}", f"longer-model-{here.name}"
    first = trained(write(SIMCLR, *QUICK), name=name, register=model)
    assert graphssl.register(name, model, report=nobody).node == "encoder"
    assert versions(store, model) == [(first.run_id, "1")]
    graphssl.run(resume=name, sets=["train.steps=2"], device="cpu", report=nobody)
    assert versions(store, model) == [(first.run_id, "1"), (first.run_id, "2")]
    with pytest.raises(
        UsageError, match=f"'{name}' has finished: `graphssl register {name} other` registers its model"
    ):
        graphssl.run(resume=name, register="other", device="cpu", report=nobody)
    forget_the_last(Path("runs") / name)
    again = trained(write(SIMCLR, *QUICK), "track=[csv]", name=f"{name}-csv")
    with pytest.raises(UsageError, match="MLflow does not know the run"):
        graphssl.register(again.folder.path, model, report=nobody)


def test_what_a_server_that_is_down_has_not_taken_is_registered_later_and_once(
    here: Path, store: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, model = f"late-{here.name}", f"late-model-{here.name}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    result = trained(write(SIMCLR, *QUICK), name=name, register=model)
    assert result.run_id is None
    assert "and delivered by `graphssl track" in " ".join(result.warnings)
    with pytest.raises(RunError, match="could not be delivered"):
        graphssl.register(name, model, report=nobody)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    graphssl.deliver(name, nobody)
    (found,) = versions(store, model)
    assert found[1] == "1"
    assert graphssl.deliver(name, nobody) == []
    assert len(versions(store, model)) == 1


def test_the_user_s_own_code_goes_with_it(here: Path, write: Write) -> None:
    Path("own.py").write_text(
        "import torch\nfrom graphssl.component import NodeConfig, Sizes, component\nfrom graphssl.ports import In\n\n"
        '@component("encoder.own_of_a_model")\nclass Own(torch.nn.Module):\n    """Means."""\n\n'
        "    class Config(NodeConfig):\n        pass\n\n"
        "    def __init__(self, config: Config, sizes: Sizes) -> None:\n        super().__init__()\n"
        "        self.scale = torch.nn.Linear(3, 4)\n\n"
        '    def forward(self, image: In["b c h w"]) -> In["b d"]:\n        return self.scale(image.mean((2, 3)))\n'
    )
    path = write(SIMCLR, *QUICK)
    text = path.read_text()
    start = text.index("  encoder:")
    text = text[:start] + "  encoder:   {use: encoder.own_of_a_model}" + text[text.index("\n", start) :]
    path.write_text(f"{text}components: [{Path('own.py').resolve()}]\n")
    result = trained(path, name=f"own-{here.name}")
    wanted = graphssl.embed(result.folder.path, PICTURES, device="cpu").numpy()
    data = result.folder.path / "model/data/graphssl"
    assert {file.name for file in data.iterdir()} == {"about.json", "graph.yaml", "own.py", "weights.safetensors"}
    assert str(here) not in (data / "graph.yaml").read_text()
    np.testing.assert_array_equal(Model(data, "cpu").predict(PICTURES), wanted)


def test_of_a_study_s_runs_the_one_that_is_chosen_is_registered(
    here: Path, store: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, model = f"cell-{here.name}", f"cell-model-{here.name}"
    for key, said in Membership("s", varied={"a": "1"}).environment.items():
        monkeypatch.setenv(key, said)
    result = trained(write(SIMCLR, *QUICK), name=name)
    assert not (result.folder.path / "model").exists()
    graphssl.register(name, model, report=nobody)
    assert versions(store, model) == [(result.run_id, "1")]


@pytest.mark.parametrize(
    ("name", "said"),
    [("a/b", "it has /"), ("a:b/", "it has / and :"), ("  ", "it is empty"), (" a", "blanks stand around it"),
     ("..", "it is a folder's name"), ("a\nb", "characters that are not seen"), ("a" * 300, "300 characters")],
)  # fmt: skip
def test_a_name_that_mlflow_refuses_is_told_before_anything_is_trained(name: str, said: str, write: Write) -> None:
    with pytest.raises(UsageError, match=said):
        trained(write(SIMCLR), name="never", register=name)
    with pytest.raises(UsageError, match="cannot name a registered model"):
        graphssl.register("never", name)
    assert not Path("runs").exists()


def test_without_mlflow_nothing_is_registered(here: Path, write: Write) -> None:
    with pytest.raises(UsageError, match="`track:` of the graph leaves out: add mlflow there"):
        trained(write(SIMCLR), "track=[csv]", name="never", register="a")
    assert not Path("runs/never").exists()


@pytest.mark.slow
def test_of_weights_that_lie_in_parts_it_has_the_whole(here: Path, write: Write) -> None:
    path = write(SIMCLR, *QUICK)
    words = ("run", str(path), "--set", "train.shard=full", "--name", "parts", "--processes", "2", "--device", "cpu")
    done = subprocess.run(command(*words), cwd=here, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "the model is not logged" not in done.stdout + done.stderr
    wanted = graphssl.embed("parts", PICTURES, device="cpu").numpy()
    np.testing.assert_array_equal(Model("runs/parts/model/data/graphssl", "cpu").predict(PICTURES), wanted)


def test_a_model_that_cannot_be_written_is_said_and_ends_nothing(
    here: Path, write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(models, "write_model", full)
    result = trained(write(SIMCLR, *QUICK), name="full")
    assert result.folder.facts()["status"] == "finished"
    assert not (result.folder.path / "model").exists()
    assert "the model is not logged, as it could not be written: " in capsys.readouterr().out

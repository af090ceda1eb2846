"""Features of pictures that a user brings: the same whatever form they come in, and those of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SIMCLR
from left_runs import left_run
from picture_files import picture, write_folder
from PIL import Image

import graphssl
from graphssl.checks.checked import check
from graphssl.data import open_data
from graphssl.errors import RunError, UsageError
from graphssl.evaluation import embed as embed_batches
from graphssl.runs.folder import RunFolder
from graphssl.runs.trained import load_trained
from graphssl.train.checkpoint import Checkpoints, load


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """photos/CLASS/*.jpg, 48 x 40 px, and the run `one` of a graph on them at 24 px."""
    root = tmp_path_factory.mktemp("features")
    write_folder(root / "photos", parts=("train", "test"), each=6)
    data = f"{{use: image_folder, root: {root / 'photos'}, size: 24, batch: 4, resident: workers, workers: 0}}"
    left_run(root / "one", SIMCLR.replace("{use: digits, batch: 16}", data), moved=True)
    return root


@pytest.fixture(autouse=True)
def _here(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)


def test_every_form_gives_the_same_features() -> None:
    path = Path("photos/test/ant/000.jpg")
    image = Image.open(path)
    array = np.array(image)
    forms = [path, str(path), image, array, torch.from_numpy(array).permute(2, 0, 1)]
    features = graphssl.embed("one", [*forms, array[None]], device="cpu")
    assert features.shape == (6, 64)
    for i, form in enumerate(forms):
        alone = graphssl.embed("one", form, device="cpu")
        torch.testing.assert_close(alone[0], features[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(features[i], features[0], rtol=1e-4, atol=1e-5)
    other = graphssl.embed("one", picture(77), device="cpu")
    assert (other - features[:1]).abs().max() > 1e-2


def test_they_are_the_features_that_an_evaluation_sees(root: Path) -> None:
    trained = load_trained(RunFolder(root / "one"), None, torch.device("cpu"))
    checked, module = trained.checked, trained.module
    data = open_data(checked.graph.spec.data, torch.device("cpu"), 0)
    facts = checked.data
    wanted, _ = embed_batches(module, data.test(4), facts.mean, facts.std, size=checked.image_size("encoder"))
    torch.testing.assert_close(graphssl.embed("one", "photos/test", device="cpu"), wanted, rtol=1e-4, atol=1e-5)


def test_a_table_has_a_row_for_each_file() -> None:
    told: list[tuple[int, int]] = []
    done = graphssl.embed_files(
        "one", ["photos/test", "photos/train/bee/003.jpg"], "f.parquet", device="cpu", batch=5,
        progress=lambda *n: told.append(n),
    )  # fmt: skip
    found = pd.read_parquet("f.parquet")
    assert told == [(5, 13), (10, 13), (13, 13)]
    assert tuple(found.file) == done.files
    assert done.files[0] == "photos/test/ant/000.jpg"
    assert done.files[-1] == "photos/train/bee/003.jpg"
    assert done.classes == ("ant",) * 6 + ("bee",) * 6 + (None,)
    assert (done.node, done.left_out) == ("encoder", {})
    assert np.array_equal(np.stack(found.features), done.features.numpy())
    wanted = graphssl.embed("one", list(done.files), device="cpu")
    torch.testing.assert_close(done.features, wanted, rtol=1e-4, atol=1e-5)


def test_another_node_and_another_batch() -> None:
    features = graphssl.embed("one", "photos/test", "z", "cpu", batch=1)
    assert features.shape == (12, 8)
    torch.testing.assert_close(
        graphssl.embed("one", "photos/test", "z", "cpu", batch=7), features, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch": "x"}, "batch is the number of pictures at a time, 1 or more, not 'x'"),
        ({"batch": 1.5}, "batch is the number of pictures at a time, 1 or more, not 1.5"),
        ({"batch": 0}, "batch is the number of pictures at a time, 1 or more, not 0"),
        ({"run": None}, "run is the name of a run, or its folder, not None"),
        ({"run": "r" * 300}, "there is no run called 'rrr"),
        ({"node": 3}, "node is the name of a node, or of a value of the flow, not 3"),
        ({"node": ""}, "node is the name of a node, or of a value of the flow, not ''"),
        ({"device": 2.5}, "device is auto, cpu, cuda, cuda:1 or a torch.device, not 2.5"),
        ({"images": "~nobody_here/a.jpg"}, "there is no file or folder '~nobody_here/a.jpg'"),
        ({"images": "n" * 300}, "cannot be read: File name too long"),
        ({"images": "a\0b"}, "there is no file or folder"),
    ],
)
def test_arguments_of_another_kind_are_said(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        graphssl.embed(**{"run": "one", "images": "photos", "device": "cpu", **arguments})


def test_runs_and_devices_may_be_objects(root: Path) -> None:
    found = graphssl.embed(root / "one", "photos/test", device=torch.device("cpu"), batch=np.int64(3))  # type: ignore[arg-type]
    assert len(found) == 12


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    for i in range(5):
        picture(i).save(tmp_path / f"{i}.png")
    (tmp_path / "1.png").write_bytes(b"nothing")
    (tmp_path / "3.png").write_bytes(b"")
    return tmp_path


def test_a_bad_picture_ends_it_and_nothing_is_written(bad: Path) -> None:
    output = bad / "f.csv"
    with pytest.raises(RunError, match=r"1.png' cannot be read as a picture: .*leave such pictures out with --skip"):
        graphssl.embed_files("one", bad, output, device="cpu")
    assert not output.exists()
    with pytest.raises(RunError, match=r"1.png' cannot be read"):
        graphssl.embed("one", bad, device="cpu")


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_bad_pictures_are_left_out_and_said(bad: Path, batch: int) -> None:
    done = graphssl.embed_files("one", bad, bad / "f.csv", device="cpu", skip=True, batch=batch)
    assert done.left_out == {str(bad / "1.png"): "no known picture format", str(bad / "3.png"): "the file is empty"}
    assert [Path(name).name for name in done.files] == ["0.png", "2.png", "4.png"]
    wanted = graphssl.embed("one", [picture(i) for i in (0, 2, 4)], device="cpu")
    torch.testing.assert_close(done.features, wanted, rtol=1e-4, atol=1e-5)
    assert pd.read_csv(bad / "f.csv").file.tolist() == list(done.files)


def test_where_none_can_be_read(bad: Path) -> None:
    with pytest.raises(RunError, match=r"none of 2 pictures can be read, the first one because: '.*1.png': no known"):
        graphssl.embed_files("one", [bad / "1.png", bad / "3.png"], bad / "f.csv", device="cpu", skip=True)
    assert not (bad / "f.csv").exists()


def test_features_that_are_not_finite_are_refused(root: Path, tmp_path: Path) -> None:
    folder = left_run(tmp_path / "wild", (root / "one/graph.yaml").read_text())
    checkpoints = Checkpoints(folder.checkpoints)
    (path,) = checkpoints.paths()
    payload = load(path)
    payload["model"]["encoder.conv1.weight"].fill_(float("nan"))
    checkpoints.write(payload["step"], payload)
    with pytest.raises(RunError, match="'encoder' gives features that are not finite, for 12 of 12 pictures"):
        graphssl.embed(str(folder.path), "photos/test", device="cpu")


def test_a_device_without_memory_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("graphssl.runs.features.embed.embed_batches", full)
    with pytest.raises(RunError, match="a batch of 4 pictures does not fit the memory of cpu: take fewer with --batch"):
        graphssl.embed("one", "photos/test", device="cpu")


def test_many_files_are_read_by_worker_processes(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same features as of one process, in the order of the names."""
    text = (root / "one/graph.yaml").read_text()
    assert "workers: 0" in text
    folder = left_run(tmp_path / "many", text.replace("workers: 0", "workers: 2"), moved=True)
    monkeypatch.setattr("graphssl.data.workers.FILES_PER_WORKER", 3)
    assert check(folder.graph).graph.spec.data.workers == 2
    found = graphssl.embed(str(folder.path), "photos", device="cpu")
    torch.testing.assert_close(found, graphssl.embed("one", "photos", device="cpu"), rtol=1e-4, atol=1e-5)

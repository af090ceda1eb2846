"""What encoders make of pictures, of real runs: also where their data, or their weights, are not here any more."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
import torch
from conftest import SIMCLR
from PIL import Image

import graphssl
from graphssl.runs.pages import compare_page
from graphssl.runs.pages import features as room
from graphssl.runs.pages.entries import entries_of
from graphssl.runs.pages.features import gathered
from graphssl.runs.pages.subject import subjects_of

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")
NAMES = ["one", "two"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of two steps on a folder of 24 pictures in two classes."""
    folder = tmp_path_factory.mktemp("features")
    for i in range(24):
        path = folder / "pictures" / ("cat" if i % 2 else "dog") / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (10 * i, 255 * (i % 2), 0)).save(path)
    text = SIMCLR.replace(
        "{use: digits, batch: 16}", "{use: image_folder, root: pictures, size: 16, batch: 8, held_out: 0.25}"
    ).replace("epochs: 2", "steps: 2")
    (folder / "graph.yaml").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.setenv("GRAPHSSL_FEATURE_CACHE", "0")
        for name, temperature in zip(NAMES, (0.2, 0.5), strict=True):
            graphssl.run(
                "graph.yaml", [f"nodes.critic.temperature={temperature}"], name=name, device="cpu",
                report=lambda _: None,
            )  # fmt: skip
    return folder


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, of which each test may lose something."""
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    monkeypatch.chdir(copy)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{copy / 'mlflow.db'}")
    return copy


def test_features_are_those_of_held_out_pictures_with_their_classes(here: Path) -> None:
    said: list[tuple[int, int]] = []
    found = gathered(entries_of(subjects_of(NAMES)), CPU, lambda done, total: said.append((done, total)))
    assert found.lacks == []
    assert set(found.features) == {0, 1}
    one, two = found.features[0], found.features[1]
    assert len(one.features) == len(one.labels) == len(one.pictures)
    assert {one.label(i) for i in range(len(one.labels))} <= {"cat", "dog"}
    assert not torch.equal(one.features, two.features)
    assert "held-out pictures of image_folder" in one.said
    assert [done for done, _ in said] == sorted(done for done, _ in said)
    assert all(done <= total for done, total in said)


def test_of_many_pictures_so_many_are_taken_and_the_same_again(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SAMPLES", 3)
    first, second = (gathered(entries_of(subjects_of(NAMES[:1])), CPU).features[0] for _ in range(2))
    assert len(first.features) == 3
    assert torch.equal(first.features, second.features)
    assert first.said.startswith("3 of the ")


def test_views_that_are_gone_are_drawn_again(here: Path) -> None:
    kept = (here / "runs/one/views.png").read_bytes()
    (here / "runs/one/views.png").unlink()
    found = gathered(entries_of(subjects_of(NAMES)), CPU)
    assert set(found.views) == {0}
    assert found.views[0] == kept


def test_without_its_data_a_run_has_a_page_that_says_so(here: Path) -> None:
    (here / "pictures").rename(here / "elsewhere")
    compare_page(NAMES, Path("page.html"))
    text = Path("page.html").read_text()
    assert "its data are not here any more, so that there are no features" in text
    assert "There are no features to show." in text
    assert "plot-curve-0" in text


def test_without_its_weights_a_run_has_a_page_that_says_so(here: Path) -> None:
    shutil.rmtree(here / "runs/two/checkpoints")
    found = gathered(entries_of(subjects_of(NAMES)), CPU)
    assert set(found.features) == {0}
    assert found.lacks == ["two: the run 'two' has no checkpoint yet"]


def test_features_that_are_not_finite_are_none(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = room.embed

    def broken(*given: object, **more: object) -> tuple[torch.Tensor, torch.Tensor]:
        features, labels = whole(*given, **more)  # type: ignore[arg-type]
        return features * float("nan"), labels

    monkeypatch.setattr(room, "embed", broken)
    found = gathered(entries_of(subjects_of(NAMES[:1])), CPU)
    assert found.features == {}
    assert "gives features that are not finite" in found.lacks[0]


def test_a_run_that_only_mlflow_has_is_shown_as_far_as_that_goes(here: Path) -> None:
    shutil.rmtree(here / "runs/two")
    compare_page(NAMES, Path("page.html"), features=False)
    text = Path("page.html").read_text()
    assert "two: its folder is not here: what stands on this page of it is what MLflow has." in text
    assert '<th scope="row">nodes.critic.temperature</th>' in text


def test_the_page_is_an_artifact_of_the_first_run(here: Path, trained: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "graphssl"):
        compare_page(NAMES, Path("page.html"), features=False)
    assert "in MLflow it is pages/page.html of the run 'one'" in caplog.text
    (kept,) = trained.glob("**/artifacts/pages/page.html")  # where the store has been made
    assert kept.read_bytes() == Path("page.html").read_bytes()

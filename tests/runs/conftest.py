"""A folder for runs with a store to track them in, and pictures to train on."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import SIMCLR, Write
from PIL import Image


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One MLflow store for all runs of these files: to create one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def here(tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.setenv("GRAPHSSL_FEATURE_CACHE", "0")  # which is the user's own, and not the test's
    return tmp_path


@pytest.fixture
def pictures(here: Path, write: Write) -> Path:
    """A graph on a folder of 20 small pictures without labels, two steps long, a checkpoint at each."""
    (here / "pictures").mkdir()
    for i in range(20):
        Image.new("RGB", (16, 16), (10 * i, 0, 0)).save(here / f"pictures/{i:02d}.png")
    return write(
        SIMCLR,
        ("{use: digits, batch: 16}", "{use: image_folder, root: pictures, size: 16, batch: 8}"),
        ("epochs: 2", "steps: 2, checkpoint: {steps: 1, keep: 2}"),
    )

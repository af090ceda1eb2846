"""A folder with runs that nobody has trained."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from kept_runs import Kept, keep_run


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    """See `kept_runs`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("GRAPHSSL_FEATURE_CACHE", "0")
    return partial(keep_run, tmp_path)

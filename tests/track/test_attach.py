"""A file added to a run in MLflow whose training has ended."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest

from graphssl.errors import RunError
from graphssl.track import attach


@pytest.mark.slow
def test_a_file_is_an_artifact_and_the_run_stays_as_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = mlflow.MlflowClient(uri)
    run = client.create_run(client.create_experiment("graphssl"), run_name="a")
    client.set_terminated(run.info.run_id, "KILLED")
    page = tmp_path / "page.html"
    for text in ("first", "second"):
        page.write_text(text)
        attach(run.info.run_id, page, "pages", uri)
    (found,) = client.list_artifacts(run.info.run_id, "pages")
    assert found.path == "pages/page.html"
    assert Path(client.download_artifacts(run.info.run_id, found.path)).read_text() == "second"
    assert client.get_run(run.info.run_id).info.status == "KILLED"
    with pytest.raises(RunError, match="there is no run"):
        attach("0" * 32, page, "pages", uri)


def test_no_store_is_made_for_it(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"there is no .*mlflow\.db"):
        attach("0" * 32, tmp_path / "page.html", "pages", f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert list(tmp_path.iterdir()) == []

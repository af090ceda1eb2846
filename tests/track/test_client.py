"""Where the store is, and stores that are broken: what is said, and that no run ends by them."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tracking import broken

from graphssl.errors import RunError
from graphssl.track import compare, find_run, store_uri
from graphssl.track.client import reason, without_password
from graphssl.track.store import MlflowStore


def test_passwords_are_left_out() -> None:
    assert without_password("POST http://me:pass@host:5000/api") == "POST http://host:5000/api"
    assert without_password("http://host/a b@c") == "http://host/a b@c"


def test_which_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert store_uri() == f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:5000")
    assert store_uri() == "http://host:5000"
    assert store_uri("sqlite:///sub/x.db") == f"sqlite:///{tmp_path / 'sub' / 'x.db'}"
    assert store_uri("postgresql://u:p@h/d") == "postgresql://u:p@h/d"


def test_a_corrupt_database(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database, it is a note" * 100)
    warning, said = broken(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    assert "file is not a database" in warning
    assert len(said) == 1
    with pytest.raises(RunError, match="file is not a database"):
        find_run("x", f"sqlite:///{tmp_path / 'mlflow.db'}")


@pytest.mark.slow
def test_runs_that_start_together_in_an_empty_folder_share_one_store(tmp_path: Path) -> None:
    """MLflow's own way of making its tables breaks the database when two processes do it at once."""
    program = """
        import sys
        from pathlib import Path
        from graphssl.track import Tracker
        name = sys.argv[1]
        t = Tracker(name, params={"a": 1}, tags={}, spool=Path(name + ".jsonl"))
        t.metrics({"loss": 1.0}, 0)
        print(*t.finish("FINISHED", 120))
    """
    started = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program), f"run-{i}"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(3)
    ]
    assert [process.communicate()[0].strip() for process in started] == ["", "", ""]
    found = compare(["run-0", "run-1", "run-2"], f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert [(run.status, run.metrics) for run in found.runs] == [("FINISHED", {"loss": 1.0})] * 3
    left = sorted(f.name for f in tmp_path.iterdir())
    assert left == [*(f".run-{i}.lock" for i in range(3)), "mlflow.db"], "a journal or a half-made store is left"


def test_a_database_half_made_does_not_end_a_run(tmp_path: Path) -> None:
    """What a killed MLflow leaves: some of the tables."""
    connection = sqlite3.connect(tmp_path / "mlflow.db")
    connection.execute("CREATE TABLE _alembic_tmp_params (x)")
    connection.commit()
    connection.close()
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    warning, said = broken(uri, tmp_path)
    assert "2 metrics could not be delivered" in warning
    assert len(said) == 1
    with pytest.raises(RunError, match="cannot be read"):
        find_run("x", uri)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    warning, said = broken(f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}", tmp_path)
    assert "mlflow.db cannot be made" in warning
    assert len(said) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_is_read_only(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    warning, _ = broken(f"sqlite:///{folder / 'mlflow.db'}", tmp_path)
    assert "mlflow.db cannot be made" in warning


def test_a_database_that_is_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite says so when it writes, and MLflow then logs a traceback a try."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    MlflowStore(uri)
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **how: real(f"file:{path}?mode=ro", uri=True, **how))
    with pytest.raises(RunError, match=r"mlflow\.db cannot be used: attempt to write a readonly database"):
        MlflowStore(uri)


def test_the_line_of_an_error_that_says_what_it_is() -> None:
    aside = "(raised as a result of Query-invoked autoflush; consider using a session.no_autoflush block)"
    assert reason(RuntimeError(f"{aside}\n(sqlite3.OperationalError) database is locked\n[SQL: ...]")) == (
        "(sqlite3.OperationalError) database is locked"
    )
    assert reason(RuntimeError(aside)) == "RuntimeError"


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    warning, said = broken("http://me:secret@127.0.0.1:9", tmp_path)
    assert "127.0.0.1" in warning
    assert "secret" not in warning + said[0]
    with pytest.raises(RunError, match="cannot be read") as error:
        find_run("x", "http://me:secret@127.0.0.1:9")
    assert "secret" not in str(error.value)


@pytest.mark.slow
def test_a_schema_of_another_version(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    MlflowStore(uri)
    connection = sqlite3.connect(tmp_path / "mlflow.db")
    connection.execute("UPDATE alembic_version SET version_num = 'ffff'")
    connection.commit()
    connection.close()
    # Another process: MLflow remembers the stores it has opened.
    program = f"""
        from pathlib import Path
        from graphssl.track import Tracker
        t = Tracker("x", params={{}}, tags={{}}, spool=Path({str(tmp_path / "left.jsonl")!r}), uri={uri!r}, wait=0.05)
        t.metrics({{"loss": 1.0}}, 0)
        print(*t.finish("FINISHED", 60))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert "database schema" in done.stdout
    assert "1 metric could not be delivered" in done.stdout


def test_mlflow_says_nothing(uri: str, tmp_path: Path) -> None:
    """Neither migrations nor addresses on the screen."""
    program = f"""
        from pathlib import Path
        from graphssl.track import Tracker
        t = Tracker("quiet", params={{}}, tags={{}}, spool=Path({str(tmp_path / "left.jsonl")!r}))
        t.metrics({{"loss": 1.0}}, 0)
        assert t.finish("FINISHED", 60) == []
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / "mlflow.db").is_file()

"""`graphssl ui`: what it starts, and that nothing of it is left, or said, when it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from graphssl.errors import RunError
from graphssl.track import serve, ui_command

# A server that starts another process, says the ids of both, and would say how it was interrupted.
SERVER = """
import os, subprocess, sys, time
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(os.getpid(), other.pid, flush=True)
time.sleep(60)
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER
SERVING = """
import sys
from graphssl.track import serve, ui
ui.PATIENCE = 0.5
serve([sys.executable, "-c", sys.argv[1]])
"""


def test_the_command_names_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(RunError, match=r"there is no .*mlflow\.db yet: `graphssl run` makes it"):
        ui_command(5000)
    assert not (tmp_path / "mlflow.db").exists()
    (tmp_path / "mlflow.db").touch()
    command = ui_command(5055)
    assert command[1:6] == ["-m", "mlflow", "ui", "--backend-store-uri", f"sqlite:///{tmp_path / 'mlflow.db'}"]
    assert command[6:8] == ["--port", "5055"]
    with pytest.raises(RunError, match="open http://host:5000 in a browser"):
        ui_command(5000, "http://me:pass@host:5000")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("server", [SERVER, STUBBORN], ids=["quick", "stubborn"])
def test_an_end_that_is_asked_for_is_quiet_and_whole(number: int, server: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVING, server], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 2
        assert all(alive(pid) for pid in pids)
        os.killpg(process.pid, number)  # as a terminal does
        assert process.wait(30) == 0
        assert process.stdout.read() + process.stderr.read() == ""
    assert not any(alive(pid) for pid in pids)


def test_a_server_that_ends_by_itself_is_an_error() -> None:
    with pytest.raises(RunError, match=r"has ended \(exit code 3\)"):
        serve([sys.executable, "-c", "raise SystemExit(3)"])


@pytest.mark.slow
def test_mlflow_answers_and_says_nothing_when_interrupted(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    subprocess.run(
        [sys.executable, "-c", "from graphssl.track.client import make_database as m; m('sqlite:///mlflow.db')"],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    with subprocess.Popen(
        [sys.executable, "-m", "graphssl", "ui", "--port", str(port)], cwd=tmp_path, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            deadline = time.time() + 60
            while not answers(port):
                assert time.time() < deadline, "no answer"
                time.sleep(0.2)
            os.killpg(process.pid, signal.SIGINT)
            said, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert f"http://127.0.0.1:{port} (Ctrl-C ends it)" in said
    assert "Traceback" not in said
    assert "INFO" not in said
    assert not answers(port)


def answers(port: int) -> bool:
    try:
        return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5).status == 200)
    except OSError:
        return False

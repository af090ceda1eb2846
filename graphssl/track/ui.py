"""MLflow's own user interface on the store in use, started and ended without a word that is not an error."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from types import FrameType

from ..errors import RunError
from .client import check_database, store_uri, without_password

PATIENCE = 10.0  # seconds that the server has to end itself
QUIET = {
    "UVICORN_LOG_LEVEL": "warning",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # half a dozen more processes, for what graphssl does not log
    "PYTHONWARNINGS": "ignore",
}


def ui_command(port: int, uri: str | None = None) -> list[str]:
    """The command that shows the store in MLflow's own interface.

    Raises RunError where there is nothing to show, and for a server, which shows itself.
    """
    uri = store_uri(uri)
    if re.match(r"https?://", uri):
        raise RunError(f"the store is a server: open {without_password(uri)} in a browser")
    check_database(uri, write=False)
    return [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--port", str(port), "--workers", "1"]


def serve(command: Sequence[str]) -> None:
    """Runs a server until Ctrl-C, SIGTERM or SIGHUP; raises RunError when it ends by itself.

    It and what it starts are a group of their own, which Ctrl-C does not reach: each would say how it was interrupted.
    """
    environment = {**QUIET, **os.environ}
    with _interruptible(), subprocess.Popen(command, env=environment, start_new_session=True) as server:
        try:
            code = server.wait()
        except KeyboardInterrupt:
            return
        finally:
            _end(server)
    raise RunError(f"MLflow's server has ended (exit code {code})")


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Other requests to end are like Ctrl-C."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    previous = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _end(server: subprocess.Popen[bytes]) -> None:
    """Ends the server and all that it has started."""
    _signal(server, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        server.wait(PATIENCE)
    _signal(server, getattr(signal, "SIGKILL", signal.SIGTERM))


def _signal(server: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(server.pid, number)
        else:
            server.send_signal(number)

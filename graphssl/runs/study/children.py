"""A run of a study as a process of its own: what happens to it happens to no other."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ...errors import RunError, escaped
from ...files import writing
from ..folder import RUNS, RunFolder

__all__ = ["Child", "Place"]

TAIL = 4096  # bytes of what a run has said that are looked at for why it has failed


@dataclass(frozen=True)
class Place:
    """Where a run computes. environment: beside that of this process: of which GPU it sees, how many cores it uses."""

    device: str
    environment: Mapping[str, str]


@dataclass
class Child:
    """`graphssl run`, and after it `graphssl evaluate` where the figure is measured then.

    graph: the cell's file. then: the evaluation after it. log: gets what they say.
    """

    run: str
    graph: Path
    seed: int
    place: Place
    log: Path
    then: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    stopped: bool = False
    _process: subprocess.Popen[bytes] | None = None
    _evaluates: bool = False

    @property
    def folder(self) -> RunFolder:
        return RunFolder(RUNS / self.run)

    def poll(self) -> int | None:
        """The exit code of what has ended, None while it goes on. Starts what comes next.

        A run that another process still trains, of a study that was killed, is waited for: one that has only begun
        holds the log, later the run's folder.
        """
        if self._process is None:
            if not self.folder.is_claimed():
                self._start()
            return None
        code = self._process.poll()
        if code == 0 and self.then is not None and not self._evaluates and not self.stopped:
            self._evaluates = True
            self._begin("evaluate", self.run, "--protocol", self.then, "--device", self.place.device)
            return None
        return code

    def _start(self) -> None:
        seed = f"train.seed={self.seed}"
        words = ("run", str(self.graph), "--set", seed, "--name", self.run, "--resume", "auto")
        self._begin(*words, "--device", self.place.device)

    def _begin(self, *words: str) -> None:
        environment = {**os.environ, **self.environment, **self.place.environment}
        with self._opened() as out:
            if self._process is None and not _held(out):
                return
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "graphssl", *words], stdin=subprocess.DEVNULL, stdout=out,
                    stderr=subprocess.STDOUT, env=environment, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise RunError(f"no process can be started: {error.strerror or error}") from error

    def _opened(self) -> IO[bytes]:
        with writing(self.log):
            self.log.parent.mkdir(parents=True, exist_ok=True)
            return self.log.open("ab")

    def stop(self) -> None:
        """Asks it to end after its step, with a checkpoint."""
        self.stopped = True
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it at once."""
        self.stopped = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                return

    @property
    def waits(self) -> bool:
        """Whether it has not been started: the run is another process's."""
        return self._process is None

    def reason(self) -> str:
        """Why it has failed, in its own words: the last message."""
        code = self._process.returncode if self._process is not None else None
        if code is not None and code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
            return f"ended by {name}" + (", as by a system that has no memory left" if name == "SIGKILL" else "")
        lines: list[str] = []
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - TAIL, 0))
            lines = file.read().decode("utf-8", "replace").replace("\r", "\n").splitlines()
        told = [line for line in lines if line.startswith("graphssl: ")]
        said = told or [line for line in lines if line.strip()]
        return escaped(said[-1].removeprefix("graphssl: ")) if said else f"exit code {code}"


def _held(file: IO[bytes]) -> bool:
    """Whether a file is locked now, for as long as it is open here or in a process that was started with it."""
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True

"""A tracking server that can be ended and started, and a proxy before it that is slow, answers 500 or not at all."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["Proxy", "Server", "free_port"]

LOCAL = "127.0.0.1"
PATIENCE = 120.0  # seconds for a server to come up
HOPS = {"connection", "transfer-encoding", "keep-alive", "host", "content-length", "date", "server"}


def free_port() -> int:
    with socket.socket() as found:
        found.bind((LOCAL, 0))
        return int(found.getsockname()[1])


class Server:
    """`mlflow server` on a store in a folder, always at the same address."""

    def __init__(self, folder: Path) -> None:
        self.port, self._folder = free_port(), folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://{LOCAL}:{self.port}"

    def start(self) -> None:
        """Until it answers."""
        store, files = f"sqlite:///{self._folder / 'server.db'}", self._folder / "artifacts"
        words = ["--backend-store-uri", store, "--artifacts-destination", str(files), "--host", LOCAL, "--workers", "1"]
        command = [sys.executable, "-m", "mlflow", "server", *words, "--port", str(self.port)]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                return
            time.sleep(0.2)
        raise RuntimeError(f"mlflow server does not come up: see {self._folder / 'server.log'}")

    def kill(self) -> None:
        """With -9, and all that it has started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        self.start()
        try:
            yield self
        finally:
            self.kill()


class Proxy:
    """Passes requests on while it runs; before and after nobody is there.

    delay: seconds before each. fails: of so many requests one is answered 500; 0: none is.
    """

    def __init__(self, server: Server, delay: float = 0.0, fails: int = 0) -> None:
        self.target, self.delay, self.fails = server, delay, fails
        self.port, self.failed = free_port(), 0
        self._count, self._lock = 0, threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                """Nothing."""

            def handle_one_request(self) -> None:
                with contextlib.suppress(ConnectionError, TimeoutError):
                    super().handle_one_request()

            def _pass(self) -> None:
                proxy._answer(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass  # noqa: N815

        self._handler = Handler

    @property
    def uri(self) -> str:
        return f"http://{LOCAL}:{self.port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Proxy]:
        with ThreadingHTTPServer((LOCAL, self.port), self._handler) as served:
            served.daemon_threads = True
            threading.Thread(target=served.serve_forever, daemon=True).start()
            try:
                yield self
            finally:
                served.shutdown()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        time.sleep(self.delay)
        with self._lock:
            self._count += 1
            fails = bool(self.fails) and self._count % self.fails == 0
            self.failed += fails
        status, headers, content = (500, {}, b"no") if fails else self._ask(request, body)
        request.send_response(status)
        for name, value in headers.items():
            if name.lower() not in HOPS:
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _ask(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOPS}
        connection = http.client.HTTPConnection(LOCAL, self.target.port, timeout=60)
        try:
            connection.request(request.command, request.path, body, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        except OSError:
            return 502, {}, b"the server is down"
        finally:
            connection.close()

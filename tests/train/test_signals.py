"""Interruption: what the first and the second signal do, and that handlers come back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from graphssl.train.signals import Interrupt

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def send(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(0.01)  # handlers run between bytecodes


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks(number: int) -> None:
    with Interrupt() as interrupt:
        assert not interrupt.requested
        send(number)
        assert interrupt.requested


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_ends_at_once(first: int) -> None:
    with Interrupt() as interrupt:
        send(first)
        assert interrupt.requested
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_a_second_sigterm_waits() -> None:
    with Interrupt() as interrupt:
        send(signal.SIGTERM)
        send(signal.SIGTERM)
        assert interrupt.requested


def test_the_user_is_told_once(capfd: pytest.CaptureFixture[str]) -> None:
    with Interrupt():
        send(signal.SIGINT)
        send(signal.SIGTERM)
    # pytest keeps the real stderr as sys.__stderr__, and captures its file descriptor.
    assert capfd.readouterr().err.count("Ctrl-C again stops at once") == 1


def test_handlers_come_back() -> None:
    def mine(*args: object) -> None: ...

    signal.signal(signal.SIGINT, mine)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with Interrupt():
        assert signal.getsignal(signal.SIGINT) is not mine
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is mine
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_handlers_come_back_after_an_error() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), Interrupt():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interrupt() as interrupt:
        send(signal.SIGINT)
        assert not interrupt.requested
        send(signal.SIGTERM)
        assert interrupt.requested
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_it_can_be_entered_again() -> None:
    interrupt = Interrupt()
    with interrupt:
        pass
    with interrupt:
        send(signal.SIGINT)
        assert interrupt.requested


def test_in_another_thread_it_does_nothing() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def work() -> None:
        with Interrupt() as interrupt:
            seen.extend([signal.getsignal(signal.SIGINT), interrupt.requested])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before, False]


SCRIPT = """
import sys, time
from graphssl.train.signals import Interrupt
with Interrupt() as stop:
    print("ready", flush=True)
    while not stop.requested:
        time.sleep(0.01)
print("clean end")
sys.exit(130)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_ends_cleanly(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "clean end\n")
    assert ("stopping after this step" in err) == (number == signal.SIGINT)
    assert "Traceback" not in err

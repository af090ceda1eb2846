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

from graphssl.console import INTERRUPTED, STOPPED
from graphssl.errors import Stopped
from graphssl.train.signals import OUTSIDE, Interrupt

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, *OUTSIDE)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def send(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(0.01)  # handlers run between bytecodes


def under_way() -> Interrupt:
    interrupt = Interrupt()
    interrupt.training, interrupt.at_once = True, False
    return interrupt


@pytest.mark.parametrize("number", [signal.SIGINT, *OUTSIDE])
def test_the_first_signal_asks(number: int) -> None:
    with under_way() as interrupt:
        assert not interrupt.requested
        send(number)
        assert interrupt.requested
        assert interrupt.code == (INTERRUPTED if number == signal.SIGINT else STOPPED)


@pytest.mark.parametrize("number", OUTSIDE)
def test_before_a_step_is_done_a_signal_from_outside_ends_at_once(number: signal.Signals) -> None:
    with Interrupt() as interrupt:
        with pytest.raises(Stopped) as caught:
            send(number)
        assert (caught.value.signal, caught.value.run) == (number.name, None)
        send(number)  # what is closed meanwhile is not disturbed
        assert interrupt.requested


def test_ctrl_c_before_training_is_as_ever() -> None:
    with Interrupt(), pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)


def test_an_error_that_a_signal_caused_is_the_signal() -> None:
    """Who catches everything, as some packages do while they are imported, may make something else of it."""

    def unhappy() -> None:
        with Interrupt():
            try:
                send(signal.SIGTERM)
            except BaseException:
                raise ImportError from None

    with pytest.raises(Stopped, match="SIGTERM"):
        unhappy()


def test_entered_within_it_is_the_same() -> None:
    with Interrupt() as outer:
        with Interrupt() as inner:
            assert inner is outer
        assert Interrupt.entered is outer
        with pytest.raises(Stopped):
            send(signal.SIGTERM)
    assert Interrupt.entered is None


def test_an_agent_that_is_gone_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    interrupt = Interrupt()
    assert not interrupt.requested
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert (interrupt.requested, interrupt.code) == (True, STOPPED)


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_ends_at_once(first: int) -> None:
    with under_way() as interrupt:
        send(first)
        assert interrupt.requested
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_a_second_sigterm_waits() -> None:
    with under_way() as interrupt:
        send(signal.SIGTERM)
        send(signal.SIGTERM)
        assert interrupt.requested


def test_the_user_is_told_once(capfd: pytest.CaptureFixture[str]) -> None:
    with under_way():
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
    with under_way() as interrupt:
        send(signal.SIGINT)
        assert not interrupt.requested
        send(signal.SIGTERM)
        assert interrupt.requested
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_it_can_be_entered_again() -> None:
    interrupt = under_way()
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
    stop.training, stop.at_once = True, False
    print("ready", flush=True)
    while not stop.requested:
        time.sleep(0.01)
print("clean end")
sys.exit(stop.code)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, *OUTSIDE])
def test_a_process_ends_cleanly(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130 if number == signal.SIGINT else 75, "clean end\n")
    assert ("stopping after this step" in err) == (number == signal.SIGINT)
    assert "Traceback" not in err

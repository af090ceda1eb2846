"""Progress on terminals, in files and on pipes that nobody reads."""

from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console

from graphssl.console import printable
from graphssl.train import display, progress
from graphssl.train.progress import Progress

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Clock:
    """Stands in for the modules' time."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (progress, display):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def live_console(width: int = 120, **options: Any) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system="standard", **options)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def last_line(console: Console) -> str:
    """What stands on the screen in the live line's place."""
    return re.split(r"[\r\n]", ESCAPES.sub("", written(console)).strip())[-1]


# -- lines ---------------------------------------------------------------------------------------------------


def test_lines_in_a_file(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with Progress(3, 10) as progress:
        progress.update(1, 2.5, 0.03, 5210.4)
        clock.now += 11
        progress.update(12, 1.25, 0.02, 5000.0)
        clock.now += 7
        progress.update(30, 0.5, 0.0, 5000.0)
    assert capsys.readouterr().out.splitlines() == [
        "epoch=1/3 step=1/30 loss=2.5 lr=0.03 images_per_second=5210.4 left=-",
        "epoch=2/3 step=12/30 loss=1.25 lr=0.02 images_per_second=5000 left=0:00:18",
        "epoch=3/3 step=30/30 loss=0.5 lr=0 images_per_second=5000 left=0:00:00",
    ]


def test_lines_are_throttled(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with Progress(10, 1000) as progress:
        for step in range(1, 5001):
            clock.now += 0.01
            progress.update(step, 1.0 if step % 10 == 0 else None, 0.1, 100.0 if step % 10 == 0 else None)
    lines = capsys.readouterr().out.splitlines()
    assert 5 <= len(lines) <= 7
    assert "loss=-" in lines[0]  # something is said at the first step, before a loss is read
    assert "step=10/10000 loss=1 " in lines[1]  # and as soon as there is one


def test_what_was_not_measured_stays(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with Progress(1, 100) as progress:
        progress.update(1, 3.0, 0.1, 50.0)
        clock.now += 60
        progress.update(2, None, 0.1, None)
    assert capsys.readouterr().out.splitlines()[1].startswith("epoch=1/1 step=2/100 loss=3 lr=0.1 images_per_second=50")


def test_a_resumed_run_counts_from_where_it_was(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with Progress(4, 10, 20) as progress:
        progress.update(21, 1.0, 0.1, 10.0)
        clock.now += 10
        progress.update(22, 1.0, 0.1, 10.0)
    assert capsys.readouterr().out.splitlines()[1].startswith("epoch=3/4 step=22/40 ")
    with Progress(4, 10, 20) as progress:
        progress.update(21, 1.0, 0.1, 10.0)
        clock.now += 10
        progress.update(22, 1.0, 0.1, 10.0)
    assert capsys.readouterr().out.splitlines()[1].endswith(" left=0:03:00")  # 18 steps of 10 s


def test_a_training_that_ends_within_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(2, 10, steps=15) as progress:
        progress.update(15, 1.0, 0.1, 10.0)
    assert capsys.readouterr().out.startswith("epoch=2/2 step=15/15 ")


def test_the_first_step_is_not_in_the_pace(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with Progress(1, 101) as progress:
        clock.now += 3600  # compiling
        progress.update(1, 1.0, 0.1, 10.0)
        clock.now += 10
        progress.update(2, 1.0, 0.1, 10.0)
    assert capsys.readouterr().out.splitlines()[-1].endswith("left=0:16:30")


def test_epoch_boundaries(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with Progress(2, 10) as progress:
        for step in (10, 11):
            clock.now += 11
            progress.update(step, 1.0, 0.1, 1.0)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["epoch=1/2", "epoch=2/2"]


def test_epoch_end_and_messages(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(5, 10) as progress:
        progress.epoch_end(2, {"knn": 0.91234, "spread": float("nan")})
        progress.message("warning: tab\tbell\a escape\x1b[31m é\nsecond line")
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "epoch=2/5 knn=0.91234 spread=-"
    assert out.endswith(r"warning: tab\tbell\x07 escape\x1b[31m é\nsecond line" + "\n")
    assert not CONTROL.search(out)


def test_numbers_that_are_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(1, 1) as progress:
        progress.update(1, float("inf"), 0.1, 1.0)
    assert "loss=inf" in capsys.readouterr().out


def test_no_control_characters_and_no_rich_when_piped() -> None:
    code = (
        "import sys\nfrom graphssl.train.progress import Progress\n"
        "with Progress(2, 2) as p:\n    p.update(1, 1.0, .1, 10.)\n    p.epoch_end(1, {'knn': .5})\n"
        "    p.message('x')\n"
        "assert not {'rich', 'torch'} & set(sys.modules)"
    )
    environment = {**os.environ, "TERM": "xterm"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert not CONTROL.search(done.stdout)
    assert len(done.stdout.splitlines()) == 3


def test_letters_that_the_output_lacks() -> None:
    code = (
        "from graphssl.train.progress import Progress\n"
        "with Progress(1, 1) as p:\n    p.message('caf\\u00e9')\n    p.update(1, 1.0, .1, 10.)"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.splitlines()[0] == r"caf\xe9"
    assert done.stdout.splitlines()[1].startswith("epoch=1/1 step=1/1")


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    monkeypatch.setenv("TERM", term)
    console = live_console()
    with Progress(1, 2, console=console) as progress:
        progress.update(1, 1.0, 0.1, 10.0)
    assert written(console) == "epoch=1/1 step=1/2 loss=1 lr=0.1 images_per_second=10 left=-\n"


def test_a_dumb_stdout_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stdout = Terminal()
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setenv("TERM", "dumb")
    with Progress(1, 2) as progress:
        progress.update(1, 1.0, 0.1, 10.0)
    assert stdout.getvalue().startswith("epoch=1/1 step=1/2 loss=1 ")


# -- the live line -------------------------------------------------------------------------------------------


def test_the_live_line(clock: Clock) -> None:
    console = live_console(140)
    with Progress(30, 70, console=console) as progress:
        progress.update(1, 2.0, 0.03, 5000.0)
        progress.epoch_end(1, {"knn": 0.9216})
        clock.now += 100
        progress.update(101, 1.23456, 0.03, 5210.4)
    line = last_line(console)
    assert line.endswith("epoch 2/30  step 101/2100  loss 1.2346  0:33:19 left  knn 0.9216  5,210 images/s  lr 0.03")
    assert "━" in line


@pytest.mark.parametrize("width", [1, 5, 12, 20, 40, 60, 80, 100, 300])
def test_it_stays_one_line_on_any_width(clock: Clock, width: int) -> None:
    console = live_console(width)
    with Progress(1000, 1000, console=console) as progress:
        for step in (1, 500_000):
            clock.now += 1
            progress.update(step, 123.456, 1e-5, 1234567.0)
    shown = ESCAPES.sub("", written(console))
    assert all(len(line) <= width for line in re.split(r"[\r\n]+", shown))
    assert len(shown.rstrip("\n").split("\n")) == 1
    if width >= 20:
        assert "epoch 500/1000" in shown
    assert ("loss 123.4560" in shown) == (width >= 60)


def test_messages_stand_above(clock: Clock) -> None:
    console = live_console()
    with Progress(2, 2, console=console) as progress:
        progress.update(1, 1.0, 0.1, 10.0)
        progress.message("kNN accuracy, [bold]untrained[/bold]: 12.34 %")
        progress.update(4, 1.0, 0.1, 10.0)
    lines = [ESCAPES.sub("", line).split("\r")[-1] for line in written(console).split("\n")]
    assert "kNN accuracy, [bold]untrained[/bold]: 12.34 %" in lines[0]
    assert last_line(console).endswith("step 4/4  loss 1.0000  0:00:00 left  10 images/s  lr 0.1")


def test_a_long_message_is_not_cut() -> None:
    console = live_console(20)
    with Progress(1, 1, console=console) as progress:
        progress.message("word " * 30 + "end")
    assert "word " * 30 + "end" in ESCAPES.sub("", written(console))


def test_the_live_line_is_throttled(clock: Clock) -> None:
    console = live_console()
    with Progress(1, 10_000, console=console) as progress:
        progress.update(1, 1.0, 0.1, 10.0)
        size = len(written(console))
        for step in range(2, 1000):
            progress.update(step, None, 0.1, None)
        assert len(written(console)) == size
        clock.now += 1
        progress.update(1000, None, 0.1, None)
        assert len(written(console)) > size


def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    console = live_console()
    with Progress(1, 4, console=console) as progress:
        progress.update(2, 1.0, 0.1, 10.0)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", written(console))


def test_the_cursor_comes_back_after_an_error() -> None:
    console = live_console()

    def fails() -> None:
        with Progress(1, 4, console=console) as progress:
            progress.update(2, 1.0, 0.1, 10.0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert written(console).count("\x1b[?25l") == written(console).count("\x1b[?25h") == 1


def test_no_thread_is_left_running() -> None:
    import threading

    before = threading.active_count()
    with Progress(1, 4, console=live_console()):
        assert threading.active_count() == before


def test_a_real_terminal() -> None:
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    code = (
        "from graphssl.train.progress import Progress\n"
        "with Progress(2, 2) as p:\n    p.update(1, 1.5, .1, 10.)\n    p.message('hello')\n    p.update(4, 1., .1, 10.)"
    )
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=follower, stderr=subprocess.PIPE, env=environment)
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:  # Linux says so when the other side is closed
            break
        if not part:
            break
        shown += part
    os.close(leader)
    assert process.wait(timeout=20) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    text = ESCAPES.sub("", shown.decode())
    assert "hello" in text
    assert "epoch 2/2  step 4/4  loss 1.0000" in text
    assert b"\x1b[?25h" in shown


# -- nobody reads --------------------------------------------------------------------------------------------


class Broken(io.StringIO):
    """A file that fails from its second write on."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error, self.writes = error, 0

    def write(self, text: str) -> int:
        self.writes += 1
        if self.writes > 1:
            raise self.error
        return super().write(text)


@pytest.mark.parametrize(
    "error",
    [
        BrokenPipeError(errno.EPIPE, "Broken pipe"),
        OSError(errno.EIO, "gone"),
        ValueError("I/O operation on closed file"),
    ],
    ids=lambda e: type(e).__name__,
)
@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_broken_output_never_stops_training(error: Exception, is_terminal: bool, clock: Clock) -> None:
    file = Broken(error)
    console = Console(file=file, force_terminal=is_terminal, width=80)
    stdout = os.fstat(1)
    with Progress(10, 10, console=console) as progress:
        for step in range(1, 101):
            clock.now += 20
            progress.update(step, 1.0, 0.1, 10.0)
            progress.message("x")
            progress.epoch_end(step // 10, {"knn": 0.5})
    assert file.writes <= 3, "it goes on writing to what is gone"
    assert (os.fstat(1).st_dev, os.fstat(1).st_ino) == (stdout.st_dev, stdout.st_ino)  # not ours to redirect


def test_a_pipe_that_is_closed() -> None:
    """graphssl run ... | head -1"""
    code = (
        "import sys, time\nfrom graphssl.train.progress import Progress\n"
        "with Progress(2000, 1) as p:\n"
        "    for step in range(2000):\n        p.message('line ' * 100)\n        p.update(step + 1, 1., .1, 1.)\n"
        "print('more')\nprint('trained', file=sys.stderr)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith(b"line ")
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == b"trained\n"
    process.stderr.close()


# -- what is kept ---------------------------------------------------------------------------------------------


def test_evaluations_of_a_later_epoch_replace_those_of_an_earlier_one(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(3, 10) as progress:
        progress.epoch_end(1, {"knn": 0.5, "std": 0.1})
        progress.epoch_end(2, {"knn": 0.6})
        progress.epoch_end(3, {})
        assert progress._state.values == {"knn": 0.6, "std": 0.1}
    told = [line for line in capsys.readouterr().out.splitlines() if "knn" in line]
    assert told == ["epoch=1/3 knn=0.5 std=0.1", "epoch=2/3 knn=0.6"]


def test_a_step_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(1, 10) as progress:
        progress.update(10, 1.0, 0.1, 10.0)
        progress.update(10, 2.0, 0.1, 10.0)
        progress.epoch_end(1, {})
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb", "a\tb"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\nb", "a\nb"),
        ("é漢", "é漢"),
        ("a\r\n", "a\\r\n"),
        ("\u202e\u200b", r"\u202e\u200b"),
        ("\x9b1m", r"\x9b1m"),
        ("\udcff", r"\udcff"),
        ("\u3164", r"\u3164"),
    ],
)
def test_messages_hold_nothing_that_moves_the_cursor(text: str, shown: str) -> None:
    assert printable(text) == shown

"""Text from files, folders and arguments only shows on the terminal: nothing of it moves, colours, hides or breaks."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from conftest import SIMCLR
from PIL import Image
from typed_commands import Type

from graphssl.console import put, say
from graphssl.errors import Problem, RunError, Span, UsageError, escaped, told

ODD = "a\x1b[31mb\x9b1m\x07\r\u202ec\u200bd"
SHOWN = r"a\x1b[31mb\x9b1m\x07\r\u202ec\u200bd"


def only_read(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é漢 😀", "plain é漢 😀"), (ODD, SHOWN), ("a\nb\tc", r"a\nb\tc"), ("\x00\x7f", r"\x00\x7f"), ("\ufeff", r"\ufeff"),
        ("\u2066x\u2069\u061c", r"\u2066x\u2069\u061c"), ("\u2028\x85", r"\u2028\x85"), ("\udcff", r"\udcff"),
        ("\U000e0041", r"\U000e0041"), ("\u3164\u2800\u034f", r"\u3164\u2800\u034f"), (r"C:\n", r"C:\n"), ("", ""),
    ],
)  # fmt: skip
def test_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown
    assert escaped(escaped(text)) == shown


def test_a_message_keeps_its_own_lines_and_no_other() -> None:
    assert told(f"{ODD}\n  next\nlast") == f"{SHOWN}\n  next\\nlast"
    assert str(RunError(f"no '{ODD}\nx'")) == f"no '{SHOWN}\\nx'"
    assert str(UsageError("plain")) == "plain"


def test_a_problem_is_told_of_any_file_and_line() -> None:
    problem = Problem(f"no {ODD}\n", Span(f"{ODD}\n.yaml", 3, 5, 1, f"a\x1b: {ODD}"), f"did you mean '{ODD}\n'?")
    text = problem.render()
    assert only_read(text)
    lines = text.split("\n")
    assert len(lines) == 4
    assert lines[0] == f"{SHOWN}\\n.yaml:3:5: no {SHOWN}\\n"
    assert lines[2].index("^") == lines[1].index(SHOWN), "the caret stands below what it marks"


def test_the_last_word_is_the_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever has forgotten to escape."""
    say(f"{ODD}\nb")
    say(ODD, err=True)
    put(ODD, end="")
    said = capsys.readouterr()
    assert said.out == f"{SHOWN}\nb\n{SHOWN}"
    assert said.err == f"{SHOWN}\n"


def test_what_an_encoding_lacks_is_an_escape_too(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", file)
    put(f"é{ODD}", end="")
    assert file.buffer.getvalue().decode() == f"\\xe9{SHOWN}"  # type: ignore[attr-defined]


@pytest.fixture
def odd_folder(tmp_path: Path) -> Path:
    for split in ("train", "test"):
        for name in (ODD, f"{ODD}\n"):
            (tmp_path / split / name).mkdir(parents=True)
            Image.new("RGB", (16, 16)).save(tmp_path / split / name / f"{ODD}\n.png")
    (tmp_path / "train" / ODD / f"bad{ODD}\n.png").write_bytes(b"none")
    (tmp_path / f"{ODD}\n.yaml").write_text(SIMCLR)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "check {}/none.yaml", "run {}", "run --resume {}", "evaluate {}", "components {}", "explain {}", "new {}",
        "track {}", "check --{}", "check simclr --set nodes.{}=1", "{}", "embed {} x", "run simclr --name {}",
    ],
)  # fmt: skip
def test_an_argument_is_told_as_what_it_is(typed: Type, command: str) -> None:
    said = typed(*(part.replace("{}", ODD) for part in command.split()), code=2)
    assert only_read(said)
    assert r"\x1b[31m" in said


def test_pictures_and_classes_of_such_names(typed: Type, odd_folder: Path) -> None:
    said = typed("data", str(odd_folder))
    assert only_read(said)
    assert f"bad{SHOWN}\\n.png" in said


def test_a_graph_file_of_such_a_name(typed: Type, odd_folder: Path) -> None:
    path = odd_folder / f"{ODD}\n.yaml"
    assert only_read(typed("check", str(path)))
    path.write_text(SIMCLR.replace("critic(z", "critik(z"))
    said = typed("check", str(path), code=2)
    assert only_read(said)
    assert f"{SHOWN}\\n.yaml:13:6" in said

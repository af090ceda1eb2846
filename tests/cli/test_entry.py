"""The command line as a whole: what it imports, exit codes, errors in one line, outputs that cannot be written."""

from __future__ import annotations

import ast
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typed_commands import Type

import graphssl
import graphssl.cli
from graphssl.cli.commands import app


def test_help_names_every_command_and_imports_nothing_slow(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.argv = ['graphssl', '--help']\nfrom graphssl.cli import main\n"
        "try:\n    main()\nexcept SystemExit as e:\n    print('CODE', e.code)\n"
        "slow = {'torch', 'mlflow', 'numpy', 'pydantic', 'networkx', 'matplotlib', 'rich', 'ruamel.yaml', 'sklearn'}\n"
        "print('SLOW', sorted(slow & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "SLOW []" in done.stdout
    assert "CODE 0" in done.stdout
    for command in app.registered_commands:
        assert command.callback is not None
        assert command.callback.__name__ in done.stdout


FULL = Path("/dev/full")  # takes nothing


@pytest.mark.skipif(not FULL.exists(), reason="there is no such device here")
@pytest.mark.parametrize(
    "command",
    ["check my_moco.yaml", "show my_moco.yaml --code", "show my_moco.yaml -o full.svg", "components", "schema", "explain",
     "compare one two", "export one -o full.pt", "new full", "--help", "run --help"],
)  # fmt: skip
def test_an_output_that_cannot_be_written_is_said(
    typed: Type, runs: tuple[str, str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FULL.open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        said = typed(*command.split(), code=1)
    assert said == "graphssl: the output cannot be written: No space left on device\n"


def test_an_error_of_another_file_is_none_of_the_output(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("graphssl.cli.starter.starter", refused)
    said = typed("new", "x", code=1)
    assert "OSError: [Errno 28] No space left on device" in said
    assert "output" not in said


def test_exit_codes(typed: Type, runs: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    typed("check", "byol")
    for wrong in (["check", "nowhere.yaml"], ["check"], ["nonsense"], ["explain", "G999"], ["components", "no.such"],
                  ["evaluate", "one", "--device", "abacus"], ["run"], ["run", "byol", "--resume", "one"],
                  ["run", "--resume", "one", "--name", "two"], ["run", "my_simclr.yaml", "--name", "one"],
                  ["run", "my_simclr.yaml", "--name", "a/b"], ["show", "byol", "-o", "x.bmp"]):  # fmt: skip
        assert "Traceback" not in typed(*wrong, code=2)
    assert "keeps its name, 'one': leave the name 'two' out" in typed("run", "--resume", "one", "--name", "two", code=2)

    monkeypatch.setattr("graphssl.cli.starter.starter", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    assert typed("new", "x", code=130) == "interrupted\n"


@pytest.mark.parametrize(
    "command", ["check {} {}", "show {} --code", "run {} --device cpu --set train.steps=1 --set evaluate.knn=null"]
)
def test_every_command_says_what_it_imports_before_it_does(
    folder: Path, typed: Type, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"said_by_{command.split()[0]}"
    (folder / f"{name}.py").write_text("import sys\nprint('importing', file=sys.stderr)\n")
    text = (folder / "my_simclr.yaml").read_text()
    (folder / f"{name}.yaml").write_text(f"components: [./{name}.py, ./{name}.py]\n{text}")
    said = typed(*command.replace("{}", f"{name}.yaml").split()).splitlines()
    assert said.count(f"imports ./{name}.py") == 1
    assert said.index("importing") == said.index(f"imports ./{name}.py") + 1


def test_an_internal_error_is_one_line(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = eval("lambda *_: 1 // 0")  # of no file: it is not the user's own
    monkeypatch.setattr("graphssl.cli.starter.starter", broken)
    said = typed("new", "x", code=1)
    assert said.startswith("graphssl: internal error: ZeroDivisionError: integer division")
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "ends", ["SystemExit(0)", "SystemExit", "BaseException('all')", "GeneratorExit", "KeyboardInterrupt"]
)
def test_what_ends_a_program_in_own_code_is_told_and_no_success(
    folder: Path, typed: Type, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """sys.exit(0) in a backward pass had ended `run` with the exit code of success, and not a word."""
    (folder / "ending.py").write_text(f"def end(*_):\n    raise {ends}\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "ending", raising=False)
    monkeypatch.setattr("graphssl.cli.starter.starter", importlib.import_module("ending").end)
    said = typed("new", "x", code=1)
    assert said.startswith(f"graphssl: {ends.partition('(')[0]}")
    assert "ending.py:2:5" in said
    assert "Traceback" not in said


def test_a_folder_that_is_gone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.setattr("sys.argv", ["graphssl", "check", "simclr"])
    with pytest.raises(SystemExit):
        graphssl.cli.main()
    assert capsys.readouterr().err.startswith("graphssl: the folder in which this is called cannot be entered")


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m graphssl schema | head -1",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "{"
    assert "Traceback" not in done.stderr


SLIPS: list[tuple[str, Callable[[], object]]] = [
    ("run", graphssl.run),
    ("run byol --resume one", lambda: graphssl.run("byol", resume="one")),
    ("run --resume one --name two", lambda: graphssl.run(resume="one", name="two")),
    ("run --resume onee", lambda: graphssl.run(resume="onee")),
    ("run my_simclr.yaml --name one", lambda: graphssl.run("my_simclr.yaml", name="one", report=str)),
    ("run my_simclr.yaml --name a/b", lambda: graphssl.run("my_simclr.yaml", name="a/b", report=str)),
    ("run byol --device abacus", lambda: graphssl.run("byol", device="abacus")),
    ("show byol -o x.bmp", lambda: graphssl.draw("byol", "x.bmp")),
    ("evaluate onee", lambda: graphssl.evaluate("onee")),
    ("evaluate one --k 0", lambda: graphssl.evaluate("one", {"knn": {"k": 0}})),
    ("evaluate one --temperature 0", lambda: graphssl.evaluate("one", {"knn": {"temperature": 0.0}})),
    ("embed onee my_byol.yaml", lambda: graphssl.embed_files("onee", "my_byol.yaml")),
    ("embed one nothing", lambda: graphssl.embed_files("one", "nothing")),
    ("embed one runs/one/checkpoints", lambda: graphssl.embed_files("one", "runs/one/checkpoints")),
    ("embed one my_byol.yaml -o x.bmp", lambda: graphssl.embed_files("one", "my_byol.yaml", "x.bmp")),
    ("embed one my_byol.yaml --batch 0", lambda: graphssl.embed_files("one", "my_byol.yaml", batch=0)),
    ("embed one my_byol.yaml --node augment", lambda: graphssl.embed_files("one", "my_byol.yaml", node="augment")),
    ("export one --node nobody", lambda: graphssl.export("one", node="nobody")),
    ("export one --to onx", lambda: graphssl.export("one", to="onx")),
    ("export one --to timm", lambda: graphssl.export("one", to="timm")),
    ("export one -o one.onnx", lambda: graphssl.export("one", "one.onnx")),
    ("neighbours one nothing runs", lambda: graphssl.neighbours("one", ["nothing"], "runs")),
    ("neighbours one runs runs -k 0", lambda: graphssl.neighbours("one", ["runs"], "runs", 0)),
    ("export one -o runs", lambda: graphssl.export("one", "runs")),
    ("compare one", lambda: graphssl.compare(["one"])),
    ("compare one onee", lambda: graphssl.compare(["one", "onee"])),
    ("compare one one", lambda: graphssl.compare(["one", "one"])),
]


@pytest.mark.parametrize(("command", "call"), SLIPS, ids=[command for command, _ in SLIPS])
@pytest.mark.usefixtures("runs")
def test_a_slip_has_the_same_words_in_python(typed: Type, command: str, call: Callable[[], object]) -> None:
    said = typed(*command.split(), code=2)
    with pytest.raises(graphssl.UsageError) as caught:
        call()
    assert (
        said.splitlines(keepends=True)[-1] == f"graphssl: {caught.value}\n"
    )  # after what is said of files, if anything


def test_commands_are_words_around_the_api() -> None:
    """Of the framework they import the functions of `graphssl.api`, errors, and what writes lines and files.

    And what hears signals, which come before the api is there.
    """
    folder = Path(graphssl.cli.__file__).parent
    for name in ("entry", "commands", "outputs", "arguments"):
        tree = ast.parse((folder / f"{name}.py").read_text())
        hidden = {n for b in ast.walk(tree) if isinstance(b, ast.If) for n in ast.walk(b)}  # types alone
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level == 2 and node not in hidden:
                rooms = {node.module.split(".")[0]} if node.module else {a.name for a in node.names}
                assert rooms <= {"api", "code", "errors", "console", "files"} or node.module == "train.signals", (
                    ast.unparse(node)
                )

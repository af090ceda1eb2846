"""The commands of the pages: those of the tutorial and of the how-tos are run in their order, all others are parsed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from fences import Fence, faults, fences, shape, unlike

from graphssl.api import check
from graphssl.cli.entry import app
from graphssl.graph.language.packaged import packaged

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
RUN = [DOCS / "tutorial.md", *sorted((DOCS / "howto").glob("*.md"))]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "components" / "README.md", *sorted(DOCS.rglob("*.md"))]
OTHERS = ("cp", "ls", "mkdir", "pre-commit", "FUZZ=6000", ".ci/run", "pytest", "sbatch", "scancel", "watch", "mkdocs")


def called(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_pages_of_docs_are_looked_at() -> None:
    assert len(RUN) > 6
    assert sum(bool(fence.commands) for page in PAGES for fence in fences(page)) > 40


@pytest.mark.parametrize("page", PAGES, ids=called)
def test_every_fence_is_of_a_kind_that_is_tested(page: Path) -> None:
    found = [f"{called(page)}:{fence.line} {fault}" for fence in fences(page) for fault in faults(fence)]
    assert found == []


# -- valid ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=called)
def test_commands_are_valid(page: Path) -> None:
    for fence in fences(page):
        for line in fence.commands:
            for command in re.split(r" && | \| ", line):
                valid(shlex.split(command), f"{called(page)}:{fence.line} {line}")


def valid(words: list[str], where: str) -> None:
    """Fails where a command cannot be meant so."""
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if words[0] in ("torchrun", "srun"):
        words = ["graphssl", *words[words.index("graphssl") + 1 :]]
    if words[:3] == ["python", "-m", "graphssl"]:
        words = ["graphssl", *words[3:]]
    if words[0] == "graphssl":
        words = words[: words.index(">")] if ">" in words else words
        valid_call(words[1:], where)
    elif words[0] == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        asked = re.findall(r"\[(\w+)\]", words[-1])
        assert set(asked) <= set(extras), where
    elif words[0] == "python":
        script = words[1]
        assert (ROOT / script).is_file() or any(f.file == script for page in RUN for f in fences(page)), where
    else:
        assert words[0] in OTHERS, f"{where}: nobody knows whether it is valid"


def valid_call(words: list[str], where: str) -> None:
    group: Any = typer.main.get_command(app)
    if words[0].startswith("--"):
        assert words[0] in ("--version", "--install-completion", "--help"), where
        return
    command = group.commands[words[0]]
    if words[1:] == ["--help"]:
        return
    parsed = command.make_context(words[0], list(words[1:])).params
    graph = parsed.get("graph") or parsed.get("first") or ""
    if graph in packaged() and words[0] in ("run", "check", "show", "ablate", "bridge"):
        check(graph, parsed.get("sets") or [], without_data=True)


@pytest.mark.parametrize(
    "line",
    ["graphssl run byol --nmae a", "graphssl run byol --set nodes.targt.momentum=1", "graphssl rnu byol", "frob x"],
)
def test_what_is_not_valid_is_found(line: str) -> None:
    with pytest.raises((Exception, SystemExit)):
        valid(shlex.split(line), "here")


# -- run -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=called)
def test_the_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    """From an empty folder: its files are written, its commands run, and what it shows looks like what they print."""
    printed, ran = "", 0
    for fence in fences(page):
        where = f"{called(page)}:{fence.line}"
        if fence.file is not None:
            (tmp_path / fence.file).write_text(fence.text)
        elif fence.commands and fence.why is None:
            printed = run(fence, tmp_path, where)
            ran += 1
        elif fence.language == "" and printed:
            missing = unlike(fence.text, printed)
            assert missing == [], f"{where} shows what was not printed:\n{printed}"
    assert ran > 0


def run(fence: Fence, folder: Path, where: str) -> str:
    """What the commands print. Those whose page says so by `# exit code 2` end with it."""
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "MLFLOW", "GRAPHSSL", "COLUMNS"))}
    environment = {
        **kept, "PATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true",
        "COLUMNS": "120", "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip
    code = re.search(r"# exit code (\d+)", fence.text)
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", fence.text], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == (int(code[1]) if code else 0), f"{where}\n{done.stdout}"
    return done.stdout


def test_lines_are_compared_by_their_shape() -> None:
    assert shape("  kNN        84.18 % before, 97.98 % after") == shape("  kNN  9 % before, 100.00 % after")
    assert shape("as it is     79.91 ± 5.57 %  3      best") == shape("as it is  1.0 ± 2 %  3")
    assert shape("run (MLflow e136c20b0ae0)") == shape("run (MLflow 68590d4d8b0a)")
    assert shape("finished after step 69") != shape("ended after step 69")
    assert unlike("a 1\n...\nb 2\n", "b 3\na 4\n") == []
    assert unlike("a 1\n...\nc 2\n", "b 3\na 4\n") == ["c 2"]

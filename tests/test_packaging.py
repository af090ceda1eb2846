"""What is installed: every package of the tree is named, and a wheel has all of it, without the checkout beside it."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "graphssl": "graphssl", "components": "graphssl.components", "graphs": "graphssl.graphs",
    "reproductions": "graphssl.reproductions",
}  # fmt: skip


def packages() -> set[str]:
    """The packages of the checkout by the names under which they are installed."""
    found = set()
    for folder, name in FOLDERS.items():
        for file in (ROOT / folder).rglob("__init__.py"):
            found.add(".".join([name, *file.parent.relative_to(ROOT / folder).parts]))
    return found


def modules() -> set[str]:
    """The files of these packages as they stand in a wheel."""
    return {
        "/".join([*FOLDERS[folder].split("."), *file.relative_to(ROOT / folder).parts])
        for folder in FOLDERS
        for file in (ROOT / folder).rglob("*")
        if file.suffix in (".py", ".yaml", ".json") and "__pycache__" not in file.parts
    }


def run(*command: str | Path, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "COV"))}
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_package_is_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(project["tool"]["setuptools"]["packages"]) == packages()
    assert len(packages()) > 30


def test_every_folder_with_code_is_a_package() -> None:
    for folder in FOLDERS:
        for file in (ROOT / folder).rglob("*.py"):
            assert (file.parent / "__init__.py").exists(), f"{file.parent} has no __init__.py"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment's Python: the wheel is there, and the packages that it depends on; the checkout is not."""
    folder = tmp_path_factory.mktemp("installed")
    tree = folder / "tree"
    tree.mkdir()
    for name in (*FOLDERS, "pyproject.toml", "README.md", "LICENSE"):  # a copy: building writes beside the sources
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tree / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run(*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", folder, tree, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    assert {
        n for n in zipfile.ZipFile(wheel).namelist() if n.endswith((".py", ".yaml")) or "/results/" in n
    } == modules()
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])", cwd=folder).strip())
    # Of the packages beside it, not of the checkout: files that name folders are read in an environment's own only.
    others = [p for p in sys.path if p.endswith("site-packages")] or [sysconfig.get_paths()["purelib"]]
    (site / "others.pth").write_text("\n".join(others) + "\n")
    run(*pip, "install", "--no-deps", "--no-index", "--target", site, wheel, cwd=folder)
    return python


@pytest.mark.slow
def test_a_wheel_has_every_room(installed: Path, tmp_path: Path) -> None:
    names = sorted(packages())
    code = f"import importlib\nfor name in {names}: print(importlib.import_module(name).__file__)"
    files = run(installed, "-c", code, cwd=tmp_path).split()
    assert len(files) == len(names)
    assert all(Path(file).is_relative_to(installed.parents[1]) for file in files), files


@pytest.mark.slow
def test_a_wheel_checks_a_packaged_graph(installed: Path, tmp_path: Path) -> None:
    said = run(installed, "-m", "graphssl", "check", "byol", cwd=tmp_path)
    assert said.startswith("byol")
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_versions_are_the_lower_bounds() -> None:
    """What `.ci/run --lowest` installs is what pyproject.toml promises to work with."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    lines = (ROOT / "constraints-lowest.txt").read_text().splitlines()
    oldest = dict(line.split("==") for line in lines if not line.startswith("#"))
    bounds = {}
    for requirement in asked:
        name, _, bound = requirement.partition(">=")
        bounds[re.sub(r"[._]", "-", name).lower()] = bound
    assert bounds.keys() == oldest.keys()
    for name, bound in bounds.items():
        assert not bound or oldest[name].split(".")[: bound.count(".") + 1] == bound.split("."), name

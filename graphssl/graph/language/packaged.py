"""Graph files by name: the user's own by their path, those that come with graphssl by a short name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path

from ...errors import Problems, suggest
from ...files import special
from .kinds import TITLES, FileKind, taken_by

__all__ = [
    "find", "is_packaged", "near", "other_kind", "packaged", "packaged_evaluations", "packaged_file",
    "packaged_reproductions",
]  # fmt: skip

EVALUATIONS = "detection"  # the folders of recipes of evaluations, which are no graphs


def packaged() -> list[str]:
    """Names of the graphs that come with graphssl: `byol`, `cifar10/byol`."""
    return [name for name in _names() if EVALUATIONS not in name.split("/")]


def packaged_evaluations() -> list[str]:
    """Names of the recipes of evaluations that come with graphssl: `imagenet/detection/voc_c4`."""
    return [name for name in _names() if EVALUATIONS in name.split("/")]


def packaged_reproductions() -> list[str]:
    """Names of the reproductions that come with graphssl."""
    files = resources.files("graphssl.reproductions").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def other_kind(name: str, wanted: FileKind) -> str | None:
    """A hint where what comes with graphssl by this name is of another kind; None where it is not, or nothing is."""
    ours: dict[FileKind, Callable[[], list[str]]] = {
        "graph": packaged, "recipe": packaged_evaluations, "reproduction": packaged_reproductions
    }  # fmt: skip
    kind = next((kind for kind, names in ours.items() if kind != wanted and name in names()), None)
    return None if kind is None else f"'{name}' is {TITLES[kind]}: {taken_by(kind, name)}"


def _names() -> list[str]:
    root = _root()
    return sorted(p.relative_to(root).with_suffix("").as_posix() for p in root.rglob("*.yaml"))


def packaged_file(name: str) -> Path:
    """Where the packaged graph of a name is, if there is one."""
    return _root() / f"{name}.yaml"


def is_packaged(file: str) -> bool:
    """Whether a file comes with graphssl."""
    return Path(file).resolve().is_relative_to(_root().resolve())


def find(name: str, problems: Problems) -> Path | None:
    """The graph file of a path, or of a packaged graph's name; None where there is none, which is noted."""
    path = Path(name)
    if os.path.isfile(path):
        return path
    ours = packaged_file(name)
    if name and not name.endswith((".yaml", ".yml")) and os.path.isfile(ours):
        return ours
    if found := special(path):
        inside = path / "x" if os.path.isdir(path) else path
        problems.add(f"'{name}' is {found}, not a graph file", hint=near(inside, packaged()))
    else:
        problems.add(f"there is no graph file '{name}'", hint=other_kind(name, "graph") or near(path, packaged()))
    return None


def near(path: Path, names: Iterable[str]) -> str:
    """A hint: a file of nearly that name, or the packaged graphs."""
    there = path.parent.glob("*.yaml") if os.path.isdir(path.parent) else ()
    beside = [str(p) for p in there if os.path.isfile(p)]
    known = list(names)
    close = suggest(str(path), beside)
    if close.near:
        return str(close)
    if path.stem in known:
        return f"did you mean the packaged graph '{path.stem}'?"
    return str(suggest(str(path), known, "packaged graphs are"))


def _root() -> Path:
    return Path(str(resources.files("graphssl.graphs")))

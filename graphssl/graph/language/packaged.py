"""Graph files by name: the user's own by their path, those that come with graphssl by a short name."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from ...errors import Problems, suggest

__all__ = ["find", "is_packaged", "near", "packaged", "packaged_file"]


def packaged() -> list[str]:
    """Names of the graphs that come with graphssl: `byol`, `cifar10/byol`."""
    root = _root()
    return sorted(str(p.relative_to(root).with_suffix("")) for p in root.rglob("*.yaml"))


def packaged_file(name: str) -> Path:
    """Where the packaged graph of a name is, if there is one."""
    return _root() / f"{name}.yaml"


def is_packaged(file: str) -> bool:
    """Whether a file comes with graphssl."""
    return Path(file).resolve().is_relative_to(_root().resolve())


def find(name: str, problems: Problems) -> Path | None:
    """The graph file of a path, or of a packaged graph's name; None where there is none, which is noted."""
    path = Path(name)
    if path.is_file():
        return path
    ours = packaged_file(name)
    if name and not name.endswith((".yaml", ".yml")) and ours.is_file():
        return ours
    if path.is_dir():
        problems.add(f"'{name}' is a folder, not a graph file", hint=near(path / "x", packaged()))
    else:
        problems.add(f"there is no graph file '{name}'", hint=near(path, packaged()))
    return None


def near(path: Path, names: Iterable[str]) -> str:
    """A hint: a file of nearly that name, or the packaged graphs."""
    beside = [str(p) for p in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
    known = list(names)
    close = suggest(str(path), beside)
    if close.near:
        return str(close)
    if path.stem in known:
        return f"did you mean the packaged graph '{path.stem}'?"
    return str(suggest(str(path), known, "packaged graphs are"))


def _root() -> Path:
    return Path(str(resources.files("graphssl.graphs")))

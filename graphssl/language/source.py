"""A graph file with all that it extends and all that `--set` changes, as one mapping that knows where each part stands.

`extends` takes a file or a list of files; later ones win, the file itself wins over them, `--set` over all.
Mappings merge key by key, null removes (a node's option that takes null is null then), everything else replaces. A
mapping that names another `use:` replaces the old one whole, because the old keys belong to another component; `data:`
merges, and `sections` leaves out what the new set has no use for.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from ..errors import GraphError, Problem, Span, suggest
from . import yaml
from .yaml import Places, dump

__all__ = ["Source", "dump", "is_packaged", "load", "packaged"]

Table = dict[yaml.Path, Places]
SET = "--set"
SWITCHES = (("evaluate",), ("train", "checkpoint"))  # sections in which null is a value, off, and not a removal
START = "graph:, nodes:, flow: and loss: make a graph; `graphssl new NAME` writes one to start from"


@dataclass
class Source:
    """The merged data, where its parts stand, and the files that it is made of, the graph's own last.

    removed: where a null took out what stood at a path.
    """

    data: dict[str, Any] = field(default_factory=dict)
    places: Table = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    removed: dict[yaml.Path, Span] = field(default_factory=dict)

    def at(self, path: Sequence[str | int], key: bool = False) -> Span:
        """Where a value stands, or its key; what is not in the file stands where the section around it does."""
        whole = tuple(path)
        for end in range(len(whole), 0, -1):
            if (found := self.places.get(whole[:end])) is not None:
                return found.key if key or end < len(whole) else found.value
        return Span(str(self.files[-1]) if self.files else "graph", 1)

    def removal(self, path: Sequence[str | int]) -> str | None:
        """Where that which stood at a path was taken out, in words; None if nothing was."""
        at = self.removed.get(tuple(path))
        if at is None:
            return None
        return f"it was removed by --set {at.text}" if at.file == SET else f"it was removed at {at.file}:{at.line}"

    def merge(self, other: Source) -> None:
        """Lays another source over this one."""
        self._merge(self.data, other.data, (), other.places)
        self.removed |= other.removed
        self.files = tuple(dict.fromkeys((*self.files, *other.files)))

    def _merge(self, old: dict[str, Any], new: dict[str, Any], path: yaml.Path, places: Table) -> None:
        for key, value in new.items():
            at = (*path, key)
            if value is None and key in old and path not in SWITCHES:
                del old[key]
                self._forget(at)
                self.removed[at] = places[at].key
            elif isinstance(value, dict) and isinstance(old.get(key), dict) and not _other_use(old[key], value, at):
                self.places[at] = places[at]
                self._merge(old[key], value, at, places)
            else:
                old[key] = value
                self._forget(at)
                self.removed = {p: where for p, where in self.removed.items() if p[: len(at)] != at}
                self.places.update((p, where) for p, where in places.items() if p[: len(at)] == at)

    def _forget(self, path: yaml.Path) -> None:
        for at in [p for p in self.places if p[: len(path)] == path]:
            del self.places[at]


def _other_use(old: dict[str, Any], new: dict[str, Any], path: yaml.Path) -> bool:
    return path != ("data",) and "use" in new and "use" in old and new["use"] != old["use"]


def load(path: str | Path, sets: Sequence[str] = ()) -> Source:
    """Reads a graph file, or a packaged graph by its name. Raises GraphError with what is wrong with the files."""
    problems: list[Problem] = []
    source = _read(_find(str(path)), (), problems)
    for changes in _changes(sets, problems):
        source.merge(changes)
    if problems:
        raise GraphError(problems)
    return source


# -- files -------------------------------------------------------------------------------------------------------


def packaged() -> list[str]:
    """Names of the graphs that come with graphssl: `byol`, `cifar10/byol`."""
    root = _packaged_root()
    return sorted(str(p.relative_to(root).with_suffix("")) for p in root.rglob("*.yaml"))


def is_packaged(file: str) -> bool:
    """Whether a file comes with graphssl."""
    return Path(file).resolve().is_relative_to(_packaged_root().resolve())


def _packaged_root() -> Path:
    return Path(str(resources.files("graphssl.graphs")))


def _find(name: str) -> Path:
    path = Path(name)
    if path.is_file():
        return path
    ours = _packaged_root() / f"{name}.yaml"
    if name and not name.endswith((".yaml", ".yml")) and ours.is_file():
        return ours
    if path.is_dir():
        raise GraphError([Problem(f"'{name}' is a folder, not a graph file", hint=_near(path / "x", packaged()))])
    raise GraphError([Problem(f"there is no graph file '{name}'", hint=_near(path, packaged()))])


def _near(path: Path, names: Iterable[str]) -> str:
    """A hint: a file of nearly that name, or the packaged graphs."""
    beside = [str(p) for p in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
    known = list(names)
    close = suggest(str(path), beside).text or ""
    if close.startswith("did you mean"):
        return close
    if path.stem in known:
        return f"did you mean the packaged graph '{path.stem}'?"
    return suggest(str(path), known, "packaged graphs are").text or ""


def _read(path: Path, parents: tuple[Path, ...], problems: list[Problem]) -> Source:
    """A file on top of all that it extends. Where it cannot be read, that is noted and it counts as empty."""
    try:
        document = yaml.read(_text(path), str(path))
    except GraphError as error:
        problems.extend(error.problems)
        return Source(files=(path,))
    if not isinstance(document.data, dict):
        what = "the file is empty" if document.data is None else "a graph file is a mapping of sections"
        problems.append(Problem(what, Span(str(path), 1), START))
        return Source(files=(path,))
    own = Source({k: v for k, v in document.data.items() if k != "extends"}, document.places, (path,))
    merged = Source()
    for parent, at in _parents(document, path, problems):
        if parent.resolve() in [p.resolve() for p in (*parents, path)]:
            ring = " -> ".join(str(p) for p in (*parents, path, parent))
            problems.append(Problem(f"a graph extends itself: {ring}", at))
        else:
            merged.merge(_read(parent, (*parents, path), problems))
    merged.merge(own)
    return merged


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > 4 * yaml.LARGEST:
            raise GraphError([Problem(f"{path.stat().st_size:,} bytes: this is no graph file", Span(str(path), 1))])
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise GraphError([Problem(f"'{path}' cannot be read: {error.strerror or error}")]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        message = f"this is no text in UTF-8: byte 0x{error.object[error.start]:02x} at position {error.start:,}"
        raise GraphError([Problem(message, Span(str(path), line))]) from None


def _parents(document: yaml.Document, path: Path, problems: list[Problem]) -> Iterator[tuple[Path, Span]]:
    """The files that a file extends, and where it says so."""
    value = document.data.get("extends")
    if value is None:
        return
    for i, name in enumerate(value if isinstance(value, list) else [value]):
        place = document.places.get(("extends", i)) or document.places[("extends",)]
        if not isinstance(name, str):
            hint = "as in extends: ../byol.yaml"
            problems.append(Problem("extends: takes a file, or a list of files", place.value, hint))
            continue
        found = Path(os.path.normpath(path.parent / name))
        ours = _packaged_root() / f"{name}.yaml"
        if found.is_file():
            yield found, place.value
        elif not found.suffix and ours.is_file():
            yield ours, place.value
        else:
            hint = f"the path is relative to {path.parent or '.'}/; {_near(found, packaged())}"
            problems.append(Problem(f"there is no graph file '{name}' to extend", place.value, hint))


# -- changes from the command line ---------------------------------------------------------------------------------


def _changes(sets: Sequence[str], problems: list[Problem]) -> Iterator[Source]:
    for text in sets:
        try:
            yield _change(text)
        except GraphError as error:
            problems.extend(error.problems)


def _change(text: str) -> Source:
    """`nodes.queue.size=65536` as a source that holds just that; the value is YAML."""
    name, equals, value = text.partition("=")
    span = Span(SET, 1, 1, max(len(name), 1), text)
    keys = tuple(k.strip() for k in name.split("."))
    if not equals or not all(keys):
        raise GraphError([Problem("a change is written KEY=VALUE", span, "as in --set nodes.queue.size=65536")])
    for i, key in enumerate(keys):
        if key.isdecimal():
            hint = f"change the whole list: --set {'.'.join(keys[:i])}=[...]"
            raise GraphError([Problem("an entry of a list has no key of its own", span, hint)])
    document = yaml.read(value, SET)
    start = len(name) + 1

    def moved(inner: Span) -> Span:
        return Span(SET, 1, inner.column + start, inner.length, text) if inner.line == 1 else span

    whole = Span(SET, 1, start + 1, max(len(value), 1), text)
    data: Any = document.data
    for key in reversed(keys):
        data = {key: data}
    places: Table = {keys[:i]: Places(span, span) for i in range(1, len(keys))}
    places[keys] = Places(span, whole)
    places |= {(*keys, *p): Places(moved(w.key), moved(w.value)) for p, w in document.places.items()}
    return Source(data, places)

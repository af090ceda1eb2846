"""From a graph file, all that it extends and all that `--set` changes, to one source."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import Problems, Span
from . import yaml
from .characters import LARGEST
from .given import GIVEN, is_text, text_of
from .overrides import read_change
from .packaged import find, near, packaged, packaged_file
from .source import Source

__all__ = ["START", "load"]

START = "graph:, nodes:, flow: and loss: make a graph; `graphssl new NAME` writes one to start from"


def load(graph: str | Path | Mapping[str, Any], sets: Sequence[str] = ()) -> Source:
    """Reads a graph file, a packaged graph by its name, or a graph's text. Raises GraphError with what is wrong."""
    problems = Problems()
    source = Source()
    text = None if isinstance(graph, Path) or not is_text(graph) else text_of(graph)
    file = find(str(graph), problems) if text is None else Path(GIVEN)
    if file is not None:
        source = _read(file, (), problems, text)
        for text in sets:
            if (change := read_change(text, problems)) is not None:
                source.merge(change)
    problems.stop()
    return source


def _read(path: Path, parents: tuple[Path, ...], problems: Problems, text: str | None = None) -> Source:
    """A file on top of all that it extends. Where it cannot be read, that is noted and it counts as empty.

    text: what it holds, where it is no file.
    """
    text = _text(path, problems) if text is None else text
    document = yaml.read(text, str(path), problems) if text is not None else None
    if document is None:
        return Source(files=(path,))
    if not isinstance(document.data, dict):
        what = "the file is empty" if document.data is None else "a graph file is a mapping of sections"
        problems.add(what, Span(str(path), 1), START)
        return Source(files=(path,))
    own = Source({k: v for k, v in document.data.items() if k != "extends"}, document.places, (path,))
    merged = Source()
    for parent, at in _parents(document, path, problems):
        if parent.resolve() in [p.resolve() for p in (*parents, path)]:
            ring = " -> ".join(str(p) for p in (*parents, path, parent))
            problems.add(f"a graph extends itself: {ring}", at)
        else:
            merged.merge(_read(parent, (*parents, path), problems))
    merged.merge(own)
    return merged


def _text(path: Path, problems: Problems) -> str | None:
    try:
        if path.stat().st_size > 4 * LARGEST:
            problems.add(f"{path.stat().st_size:,} bytes: this is no graph file", Span(str(path), 1))
            return None
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problems.add(f"'{path}' cannot be read: {error.strerror or error}")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        message = f"this is no text in UTF-8: byte 0x{error.object[error.start]:02x} at position {error.start:,}"
        problems.add(message, Span(str(path), line))
    return None


def _parents(document: yaml.Document, path: Path, problems: Problems) -> Iterator[tuple[Path, Span]]:
    """The files that a file extends, and where it says so."""
    value = document.data.get("extends")
    if value is None:
        return
    for i, name in enumerate(value if isinstance(value, list) else [value]):
        place = document.places.get(("extends", i)) or document.places[("extends",)]
        if not isinstance(name, str):
            problems.add("extends: takes a file, or a list of files", place.value, "as in extends: ../byol.yaml")
            continue
        found = Path(os.path.normpath(path.parent / name))
        ours = packaged_file(name)
        if found.is_file():
            yield found, place.value
        elif not found.suffix and ours.is_file():
            yield ours, place.value
        else:
            hint = f"the path is relative to {path.parent or '.'}/; {near(found, packaged())}"
            problems.add(f"there is no graph file '{name}' to extend", place.value, hint)

"""From a graph file, all that it extends and all that `--set` changes, to one source."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import Problems, Span
from ...files import read_regular
from . import yaml
from .characters import LARGEST
from .given import GIVEN, is_text, text_of
from .overrides import read_change
from .packaged import find, near, packaged, packaged_file
from .source import Source

__all__ = ["START", "load"]

DEEPEST, MOST = 64, 256  # files that extend one another in a row; in all
START = "graph:, nodes:, flow: and loss: make a graph; `graphssl new NAME` writes one to start from"


def load(
    graph: str | Path | Mapping[str, Any], sets: Sequence[str] = (), fragments: Sequence[Path] = ()
) -> Source:  # fmt: skip
    """Reads a graph file, a packaged graph by its name, or a graph's text. Raises GraphError with what is wrong.

    fragments: files that are laid over it in turn, before the sets; one may extend the graph, which it is laid over.
    """
    problems = Problems()
    source = Source()
    files = _Files(problems)
    text = None if isinstance(graph, Path) or not is_text(graph) else text_of(graph)
    file = find(str(graph), problems) if text is None else Path(GIVEN)
    if file is not None:
        source = files.read(file, (), text)
        for fragment in fragments:
            files.lay(fragment, source)
        for text in sets:
            if (change := read_change(text, problems)) is not None:
                source.merge(change)
    problems.stop()
    return source


class _Files:
    """The files of one graph, each read once, however many ways lead to it."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._merged: dict[str, Source] = {}
        self._full = False

    def read(self, path: Path, parents: tuple[Path, ...], text: str | None = None) -> Source:
        """A file on top of all that it extends. Where it cannot be read, that is noted and it counts as empty.

        text: what it holds, where it is no file.
        """
        known = os.path.realpath(path)
        if known not in self._merged:
            self._merged[known] = self._merge(path, parents, text)
        return self._merged[known].copy()

    def lay(self, path: Path, onto: Source, parents: tuple[Path, ...] = ()) -> None:
        """Lays a file over a source, after those of the files that it extends that are no part of the source yet."""
        document = self._document(path, None)
        if document is None:
            return
        there = set(map(os.path.realpath, onto.files))
        for parent, at in _parents(document, path, self._problems):
            if os.path.realpath(parent) in there:
                continue
            if (ring := self._refused(parent, (*parents, path))) is None:
                self.lay(parent, onto, (*parents, path))
            elif ring:
                self._problems.add(ring, at)
        onto.merge(_own(document, path))

    def _merge(self, path: Path, parents: tuple[Path, ...], text: str | None) -> Source:
        document = self._document(path, text)
        if document is None:
            return Source(files=(path,))
        merged = Source()
        for parent, at in _parents(document, path, self._problems):
            if (ring := self._refused(parent, (*parents, path))) is None:
                merged.merge(self.read(parent, (*parents, path)))
            elif ring:
                self._problems.add(ring, at)
        merged.merge(_own(document, path))
        return merged

    def _document(self, path: Path, text: str | None) -> yaml.Document | None:
        """What a file says; None where that is no mapping of sections, which is noted."""
        text = _text(path, self._problems) if text is None else text
        document = yaml.read(text, str(path), self._problems) if text is not None else None
        if document is not None and not isinstance(document.data, dict):
            what = "the file is empty" if document.data is None else "a graph file is a mapping of sections"
            self._problems.add(what, Span(str(path), 1), START)
            return None
        return document

    def _refused(self, parent: Path, parents: tuple[Path, ...]) -> str | None:
        """Why a file is not read too, in words that are empty where they have been said; None where it is."""
        if os.path.realpath(parent) in map(os.path.realpath, parents):
            return f"a graph extends itself: {' -> '.join(map(str, (*parents, parent)))}"
        if len(parents) >= DEEPEST:
            return f"a graph extends a file that extends a file, and so on: {DEEPEST} in a row are the most"
        if len(self._merged) >= MOST and os.path.realpath(parent) not in self._merged:
            said, self._full = self._full, True
            return "" if said else f"a graph extends more than {MOST} files: that many are the most"
        return None


def _own(document: yaml.Document, path: Path) -> Source:
    """What a file says itself, without what it extends."""
    return Source({k: v for k, v in document.data.items() if k != "extends"}, document.places, (path,))


def _text(path: Path, problems: Problems) -> str | None:
    try:
        content = read_regular(path, 4 * LARGEST)
        if content is not None:
            return content.decode("utf-8-sig")
        problems.add(f"more than {4 * LARGEST:,} bytes: this is no graph file", Span(str(path), 1))
    except (OSError, ValueError) as error:
        if not isinstance(error, UnicodeDecodeError):
            problems.add(f"'{path}' cannot be read: {getattr(error, 'strerror', None) or error}")
            return None
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
        if os.path.isfile(found):
            yield found, place.value
        elif not found.suffix and os.path.isfile(ours):
            yield ours, place.value
        else:
            hint = "; ".join(filter(None, (f"the path is relative to {path.parent}/", near(found, packaged()))))
            problems.add(f"there is no graph file '{name}' to extend", place.value, hint)

"""Strict YAML: plain data, and for each key and value the place where it stands.

YAML 1.2's core schema, from ruamel's events: `5e-4` is a number, `no` is a string. Tags, anchors, aliases, keys
that stand twice and numbers that are not finite are refused. Nothing is ever constructed but dicts, lists and scalars.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...errors import GraphError, Problem, Problems, Span
from .characters import refuse_characters
from .scalars import scalar

__all__ = ["Document", "Path", "Places", "read"]

Path = tuple[str | int, ...]
DEEPEST = 30
HALF = re.compile("[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]")  # alone, of UTF-16

# What ruamel says, and what to do about it.
HINTS = {
    "'\\t' that cannot start": "this is a tab: write a space",
    "mapping values are not allowed": "a value that holds ': ' needs quotes; or the line is indented too far",
    "could not find expected ':'": "a key is followed by ': '",
    "expected <block end>": "lines of one section begin in the same column",
    "expected ',' or '}'": "a '{' is not closed, or an expression with commas inside of { } needs quotes",
    "expected ',' or ']'": "a '[' is not closed",
    "cannot start any token": "text that begins with this character needs quotes",
}


@dataclass(frozen=True)
class Places:
    """Where a key and its value stand; for an entry of a list both are the entry's."""

    key: Span
    value: Span


@dataclass(frozen=True)
class Document:
    """The data of one text, and the places by path: `("nodes", "encoder", "depth")`."""

    data: Any
    places: dict[Path, Places]


def read(text: str, name: str, problems: Problems) -> Document | None:
    """Reads a text, which messages call `name`; None where something is wrong with it, which is noted."""
    text = text.removeprefix("\ufeff")
    before = len(problems)
    refuse_characters(text, name, problems)
    if len(problems) > before:
        return None
    composer = _Composer(text, name, problems)
    data = composer.compose(text)
    return Document(data, composer.places) if len(problems) == before else None


def mapping_in(text: str) -> dict[str, Any]:
    """The mapping that a text is; nothing for another, and for one with mistakes, which `read` tells."""
    document = read(text, "", Problems())
    return document.data if document is not None and isinstance(document.data, dict) else {}


class _Composer:
    """Makes plain data of parser events, without recursion of ruamel's own."""

    def __init__(self, text: str, name: str, problems: Problems) -> None:
        self.lines, self.end, self.name = text.splitlines(), len(text), name
        self.problems = problems
        self.places: dict[Path, Places] = {}

    def compose(self, text: str) -> Any:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        try:
            with self.problems.gathering():
                return self._document(iter(YAML(typ="safe", pure=True).parse(text)))
        except MarkedYAMLError as error:
            self._syntax(error)
        except YAMLError as error:
            self.problems.add(f"this is not YAML: {error}", Span(self.name, 1))
        return None

    def _document(self, events: Iterator[Any]) -> Any:
        """The data of the one document that there may be."""
        data, documents = None, 0
        for event in events:
            if type(event).__name__ == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    hint = "take the second '---' out"
                    self.problems.add("a graph file holds one document", self._span(event), hint)
                    break
                data = self._value(next(events), events, ())
        return data

    def _value(self, event: Any, events: Iterator[Any], path: Path) -> Any:
        self._refuse_extras(event)
        if len(path) > DEEPEST:
            raise GraphError([Problem("this is nested too deeply for a graph", self._span(event))])
        kind = type(event).__name__
        if kind == "MappingStartEvent":
            return self._mapping(events, path)
        if kind == "SequenceStartEvent":
            return self._sequence(events, path)
        if kind == "AliasEvent":
            return None
        return self._scalar(event)

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.style is not None:  # quoted or folded
            return text
        try:
            return scalar(text)
        except ValueError as error:
            self.problems.add(str(error), self._span(event))
            return None

    def _mapping(self, events: Iterator[Any], path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        while type(event := next(events)).__name__ != "MappingEndEvent":
            key = self._key(event, events, path)
            span = self._span(event)
            value_event = next(events)
            at = (*path, key)
            twice = key in data
            if twice:
                first = self.places[at].key.line
                hint = f"it stands in line {first} already" if first != span.line else "it stands before on this line"
                self.problems.add(f"the key '{key}' stands twice", span, hint)
                at = (*path, f"{key}, again")  # its problems are still told, its places lost
            self.places[at] = self._places(span, value_event)
            value = self._value(value_event, events, at)
            if not twice:
                data[key] = value
        return data

    def _places(self, key: Span, value: Any) -> Places:
        """A mapping or a list stands where its key does; where nothing is written, the key stands for it."""
        if not type(value).__name__.startswith(("Scalar", "Alias")) or value.start_mark.index == value.end_mark.index:
            return Places(key, key)
        return Places(key, self._span(value))

    def _key(self, event: Any, events: Iterator[Any], path: Path) -> str:
        unread = f"key {event.start_mark.line}:{event.start_mark.column}"
        if type(event).__name__ != "ScalarEvent":
            self._value(event, events, (*path, unread))
            if type(event).__name__ != "AliasEvent":
                self.problems.add("a key is a word", self._span(event), "text with { or [ needs quotes")
            return unread
        self._refuse_extras(event)
        key: str = event.value
        if "\n" in key or not key.strip():
            self.problems.add("a key is a word on one line", self._span(event))
        elif key.count("(") != key.count(")"):
            hint = "an expression with commas inside of { } needs quotes"
            self.problems.add(f"the key '{key}' is a piece of an expression", self._span(event), hint)
        return key

    def _sequence(self, events: Iterator[Any], path: Path) -> list[Any]:
        data: list[Any] = []
        while type(event := next(events)).__name__ != "SequenceEndEvent":
            at = (*path, len(data))
            span = self._span(event)
            self.places[at] = Places(span, span)
            data.append(self._value(event, events, at))
        return data

    def _refuse_extras(self, event: Any) -> None:
        if type(event).__name__ == "AliasEvent":
            message, hint = f"aliases such as *{event.anchor} are not used here", "write the value out, or use extends:"
        elif getattr(event, "anchor", None):
            message, hint = f"anchors such as &{event.anchor} are not used here", "write the value out, or use extends:"
        elif getattr(event, "tag", None) is not None:
            message, hint = f"tags such as {event.tag} are not used here", "take the tag out"
        elif "\0" in getattr(event, "value", ""):
            message, hint = "no text of a graph has a null character", "take the \\0 out"
        elif HALF.search(getattr(event, "value", "")):
            message, hint = (
                "half of a character, as in \\ud800, is no text",
                "write the character itself, or \\U0001f600",
            )
        else:
            return
        self.problems.add(message, self._span(event), hint)

    # -- places --------------------------------------------------------------------------------------------

    def _span(self, event: Any) -> Span:
        """Where an event stands; of a quoted text what is inside, of several lines the first."""
        start, end = event.start_mark, event.end_mark
        text = self.lines[start.line] if start.line < len(self.lines) else ""
        stop = end.column if end.line == start.line else len(text)
        quoted = getattr(event, "style", None) in ("'", '"')
        column, length = start.column + quoted, stop - start.column - quoted * (2 if end.line == start.line else 1)
        if not type(event).__name__.startswith("Scalar"):
            length = 1
        return Span(self.name, start.line + 1, column + 1, max(length, 1), text)

    def _syntax(self, error: Any) -> None:
        mark = error.problem_mark or error.context_mark
        if error.context_mark and mark.index >= self.end:  # what is not closed begins there
            mark = error.context_mark
        reason = " ".join(p for p in (error.problem, error.context and f"({error.context})") if p) or "a syntax error"
        line = min(mark.line, max(len(self.lines) - 1, 0)) if mark else 0
        text = self.lines[line] if self.lines else ""
        at = Span(self.name, line + 1, min(mark.column, len(text)) + 1 if mark else 1, 1, text)
        hint = next((hint for words, hint in HINTS.items() if words in reason), None)
        self.problems.add(f"this is not YAML: {reason}", at, hint)

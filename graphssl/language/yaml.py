"""Strict YAML: plain data, and for each key and value the place where it stands.

YAML 1.2's core schema, from ruamel's events: `5e-4` is a number, `no` is a string. Tags, anchors, aliases, keys
that stand twice and numbers that are not finite are refused. Nothing is ever constructed but dicts, lists and scalars.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import GraphError, Problem, Span

Path = tuple[str | int, ...]
LARGEST = 400_000  # characters; a graph of a thousand nodes has 150,000
DEEPEST = 30
INTEGERS = 2**63  # what is as large fits no tensor

# What YAML calls printable, but for U+FEFF, which is unseen, and the line ends U+0085, U+2028 and U+2029, as unseen.
STRANGE = re.compile("[^\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
BREAK = re.compile(r"\r\n|\r|\n")
UNQUOTED = re.compile("^[?:]|[\x85\u2028\u2029]")  # text that ruamel leaves bare and then reads as something else

INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
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


def read(text: str, name: str) -> Document:
    """Reads a text; `name` stands for it in messages. Raises GraphError with everything that can be told at once."""
    text = text.removeprefix("\ufeff")
    _check_characters(text, name)
    composer = _Composer(text, name)
    data = composer.compose(text)
    if composer.problems:
        raise GraphError(composer.problems)
    return Document(data, composer.places)


def scalar(text: str) -> Any:
    """A plain scalar by YAML 1.2's core schema. Raises ValueError for a number that is not finite."""
    if text in WORDS:
        return WORDS[text]
    if INTEGER.fullmatch(text):
        if len(text) > 30 or abs(number := int(text, 0) if text[:2] in ("0o", "0x") else int(text)) >= INTEGERS:
            raise ValueError("this number is too large")
        return number
    if NOT_FINITE.fullmatch(text):
        raise ValueError("a number is finite")
    if FLOAT.fullmatch(text):
        if math.isinf(real := float(text)):
            raise ValueError("this number is too large")
        return real
    return text


def _check_characters(text: str, name: str) -> None:
    """Refuses what is no text of a graph, before a parser spends time on it."""
    if len(text) > LARGEST:
        message = f"{len(text):,} characters: this is no graph file ({LARGEST:,} are the most)"
        raise GraphError([Problem(message, Span(name, 1))])
    for number, line in enumerate(BREAK.split(text), 1):
        indent = line[: len(line) - len(line.lstrip())]
        found = re.search("[^ ]", indent) or STRANGE.search(line)
        if found:
            what = "a tab" if found.group() == "\t" else f"the character U+{ord(found.group()):04X}"
            why = ": YAML is indented with spaces" if found.start() < len(indent) else " has no place in a graph file"
            raise GraphError([Problem(what + why, Span(name, number, found.start() + 1, 1, line))])


class _Composer:
    """Makes plain data of parser events, without recursion of ruamel's own."""

    def __init__(self, text: str, name: str) -> None:
        self.lines, self.end, self.name = text.splitlines(), len(text), name
        self.problems: list[Problem] = []
        self.places: dict[Path, Places] = {}

    def compose(self, text: str) -> Any:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        data, documents = None, 0
        try:
            events = iter(YAML(typ="safe", pure=True).parse(text))
            for event in events:
                if type(event).__name__ == "DocumentStartEvent":
                    documents += 1
                    if documents > 1:
                        hint = "take the second '---' out"
                        self.problems.append(Problem("a graph file holds one document", self._span(event), hint))
                        break
                    data = self._value(next(events), events, ())
        except MarkedYAMLError as error:
            self._syntax(error)
        except YAMLError as error:
            self.problems.append(Problem(f"this is not YAML: {error}", Span(self.name, 1)))
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
            self.problems.append(Problem(str(error), self._span(event)))
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
                self.problems.append(Problem(f"the key '{key}' stands twice", span, hint))
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
                self.problems.append(Problem("a key is a word", self._span(event), "text with { or [ needs quotes"))
            return unread
        self._refuse_extras(event)
        key: str = event.value
        if "\n" in key or not key.strip():
            self.problems.append(Problem("a key is a word on one line", self._span(event)))
        elif key.count("(") != key.count(")"):
            hint = "an expression with commas inside of { } needs quotes"
            self.problems.append(Problem(f"the key '{key}' is a piece of an expression", self._span(event), hint))
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
        else:
            return
        self.problems.append(Problem(message, self._span(event), hint))

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
        self.problems.append(Problem(f"this is not YAML: {reason}", at, hint))


def dump(data: Mapping[str, Any]) -> str:
    """Plain data as YAML that `read` takes to the same data: a block for each section, a line for each entry."""
    from io import StringIO

    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    def inline(value: Any) -> Any:
        line: CommentedMap | CommentedSeq
        if isinstance(value, Mapping):
            line = CommentedMap((k, inline(v)) for k, v in value.items())
        elif isinstance(value, list):
            line = CommentedSeq(inline(v) for v in value)
        elif isinstance(value, str) and UNQUOTED.search(value):
            return DoubleQuotedScalarString(value)
        else:
            return value
        line.fa.set_flow_style()
        return line

    def block(value: Any) -> Any:
        return CommentedMap((k, inline(v)) for k, v in value.items()) if isinstance(value, Mapping) and value else value

    yaml = YAML()
    yaml.width = 10_000
    out = StringIO()
    yaml.dump(CommentedMap((k, block(v) if isinstance(v, Mapping) else inline(v)) for k, v in data.items()), out)
    return out.getvalue()

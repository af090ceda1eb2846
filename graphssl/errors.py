"""Problems a user can cause, and how they are shown: file:line:column, the line, a caret, a hint.

A `Problem` is data. Functions that look for mistakes are handed a `Problems`, note what they find in it and go on, so
that one run reports everything; `GraphError` carries it to the command line, which prints it and exits with 2.
No code reads a message's words: what has to be known of a problem or a suggestion are its fields.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

LONGEST_REASON = 2_000  # characters of an error that are told
RAISED = (Exception, SystemExit, GeneratorExit)  # by somebody's code: Ctrl-C and signals are left out
UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"  # counts as printable
Kind = Literal["unknown", "missing", "value"]  # nobody knows a name; something is not there; what is there is wrong
Severity = Literal["error", "warning"]


def escaped(text: str, keep: str = "") -> str:
    r"""Text that a file, a name or a library has given, so that it can only be read: one line, without anything that
    moves a cursor, colours, turns the direction of writing or is not seen. Such characters become escapes.

    keep: characters that stay as they are.

    >>> escaped("cat\x1b[2J\u202e.jpg")
    'cat\\x1b[2J\\u202e.jpg'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c in keep or (c.isprintable() and c not in UNSEEN) else c.encode("unicode_escape").decode() for c in text
    )


def told(text: str) -> str:
    """A message of several lines, escaped: those after the first begin with two blanks, any other break is data's."""
    return "\n  ".join(escaped(part) for part in text.split("\n  "))


@dataclass(frozen=True)
class Span:
    """A stretch of one source line. Lines and columns count from 1; `text` is the whole line."""

    file: str
    line: int
    column: int = 1
    length: int = 1
    text: str = ""

    def part(self, start: int, length: int) -> Span:
        """The stretch of `length` characters that begins `start` characters into this one."""
        return Span(self.file, self.line, self.column + start, max(length, 1), self.text)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: the message, where, a hint, and for lints the code of the rule.

    about: the name that it is about, of a node, a value or a key. reason: why, in words that hold wherever it stands,
    for lists of such reasons; None where the message is such words. own: the line of the user's own Python that failed.
    Two problems that read alike are one.
    """

    message: str
    span: Span | None = None
    hint: str | None = None
    code: str | None = None
    severity: Severity = "error"
    kind: Kind = field(default="value", compare=False)
    about: str | None = field(default=None, compare=False)
    reason: str | None = field(default=None, compare=False)
    own: Span | None = None

    def render(self) -> str:
        """The problem as text, the offending line with a caret below it.

        >>> print(Problem("no value is called 'kk'", Span("my.yaml", 14, 16, 2, "  s: critic(q, kk, queue())"),
        ...               "did you mean 'k'?").render())
        my.yaml:14:16: no value is called 'kk'
            s: critic(q, kk, queue())
                         ^^
          hint: did you mean 'k'?
        """
        where = f"{escaped(self.span.file)}:{self.span.line}:{self.span.column}: " if self.span else ""
        label = "warning: " if self.severity == "warning" else ""
        code = f" [{self.code}]" if self.code else ""
        lines = [f"{where}{label}{told(self.message)}{code}"]
        if self.span and self.span.text.strip():
            lines += _excerpt(self.span)
        if self.own:
            lines += [f"  at {escaped(self.own.file)}:{self.own.line}:{self.own.column}:", *_excerpt(self.own)]
        if self.hint:
            lines.append(f"  hint: {told(self.hint)}")
        return "\n".join(lines)


def _excerpt(span: Span, width: int = 110) -> list[str]:
    """The source line and its caret; a long line is cut to a window around the caret."""
    body = span.text.lstrip()
    at = max(span.column - 1 - (len(span.text) - len(body)), 0)
    start = max(at - width // 2, 0) if len(body) > width else 0
    body, at = body[start : start + width].rstrip(), at - start
    before, marked = escaped(body[:at]), escaped(body[at : at + max(span.length, 1)])
    rest = escaped(body[at + max(span.length, 1) :])
    caret = "^" * max(_cells(marked), 1)
    return [f"    {before}{marked}{rest}", f"    {' ' * (_cells(before) + max(at - len(body), 0))}{caret}"]


def _cells(text: str) -> int:
    """How many cells of a terminal a text takes: two for a wide character, none for an accent on the one before."""
    return sum((unicodedata.east_asian_width(c) in "WF") + (not unicodedata.combining(c)) for c in text)


class Told(Exception):
    def _render_traceback_(self) -> list[str]:  # what IPython shows in place of a traceback
        return [f"{type(self).__name__}: {self}"]


class GraphError(Told):
    """What is wrong with a graph or an argument: every problem found, in file order.

    graph: the graph all the same, where what is wrong is beside it, so that whoever looks for more can go on.
    """

    def __init__(self, problems: Iterable[Problem], graph: Any = None) -> None:
        self.problems, self.graph = in_file_order(problems), graph
        super().__init__("\n".join(p.render() for p in self.problems))


class Refused(ValueError):
    """What a component says against its config: why, the option that it is about, what would be right."""

    def __init__(self, message: str, option: str | None = None, hint: str | Suggestion | None = None) -> None:
        super().__init__(message)
        self.option, self.hint = option, hint


class RunError(Told):
    """A run that could not go on (a missing data set, a loss that is not finite): one clear message."""

    def __init__(self, message: str = "") -> None:
        super().__init__(told(str(message)))


class OptionError(RunError):
    """What is wrong with an option of `data:`, by its key, that only the data set can tell."""

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        self.key = key


class UsageError(RunError):
    """A wrong argument of a command, such as a run that is not there: one clear message."""


class Stopped(BaseException):
    """A signal from outside, before a step was done: nothing is lost. run: its name, once it has a folder."""

    def __init__(self, signal: str, run: str | None = None) -> None:
        super().__init__(signal)
        self.signal, self.run = signal, run


def ran_out(error: BaseException) -> bool:
    """Whether memory has run out: Python's, a device's, or a CPU's, of which torch has no error of its own."""
    words = ("can't allocate memory", "not enough memory", "std::bad_alloc", "Cannot allocate memory")
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return bool(kinds & {"MemoryError", "OutOfMemoryError"}) or (
        not isinstance(error, RunError) and any(one in str(error) for one in words)
    )


def reason_of(error: BaseException) -> str:
    """An error's first line, or its kind; its text may be the user's own, and fail or be as long as it likes."""
    try:
        lines = _text_of(error).strip().splitlines() or [type(error).__name__]
    except Exception:
        return f"{type(error).__name__}, whose own text fails"
    return lines[0] if len(lines[0]) <= LONGEST_REASON else f"{lines[0][:LONGEST_REASON]}..."


def _text_of(error: BaseException) -> str:
    """Its text; of a group also the first that is in it; without where a library is installed."""
    if isinstance(error, ImportError):
        return re.sub(r" \([^()]*[/\\](site-packages|dist-packages|python3[.\d]*)[/\\][^()]*\)$", "", str(error))
    if not isinstance(error, BaseExceptionGroup):
        return str(error)
    found = list(leaves(error))
    listed = [f"{type(one).__name__}: {reason_of(one)}" for one in found[:3]]
    more = [f"{len(found) - 3} more"] * (len(found) > 3)
    return f"{error.message.partition(chr(10))[0]} ({'; '.join([*listed, *more])})"


def leaves(group: BaseExceptionGroup[Any]) -> Iterator[BaseException]:
    """What is in a group of errors and is none itself, in order, however deep."""
    waiting: list[BaseException] = [group]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseExceptionGroup):
            waiting.extend(reversed(one.exceptions))
        else:
            yield one


def in_file_order(problems: Iterable[Problem]) -> list[Problem]:
    """Without repetitions, by file and line; problems without a place come first."""
    unique = dict.fromkeys(problems)
    return sorted(unique, key=lambda p: (p.span.file, p.span.line, p.span.column) if p.span else ("", 0, 0))


@dataclass(frozen=True)
class Suggestion:
    """What could stand in place of a name. near: the one name that it is nearly; text: for a hint, None for none."""

    text: str | None = None
    near: str | None = None

    def __bool__(self) -> bool:
        return self.text is not None

    def __str__(self) -> str:
        return self.text or ""


def suggest(name: str, choices: Iterable[str], otherwise: str = "choices are") -> Suggestion:
    """`did you mean 'k'?` when a name is nearly right, else the list of choices when it is short."""
    options, alike = list(choices), str.maketrans("ol", "01")  # letters that are typed for digits
    folded = {option.lower().translate(alike): option for option in reversed(options)}
    close = difflib.get_close_matches(name.lower().translate(alike), folded, n=1, cutoff=0.6)
    if close:
        near = folded[close[0]]
        return Suggestion(f"did you mean '{near}'?", near)
    if 0 < len(options) <= 24:
        return Suggestion(f"{otherwise} {', '.join(options)}")
    return Suggestion()


class Problems:
    """What is wrong so far. It is handed down to whoever looks for mistakes.

    code, severity: of the rule that notes here; see `of`.
    """

    def __init__(self, code: str | None = None, severity: Severity = "error") -> None:
        self._found: list[Problem] = []
        self._code, self._severity = code, severity

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def add(
        self, message: str, span: Span | None = None, hint: str | Suggestion | None = None,
        *, kind: Kind = "value", about: str | None = None, reason: str | None = None, own: Span | None = None,
    ) -> None:  # fmt: skip
        """Notes a problem."""
        text = hint.text if isinstance(hint, Suggestion) else hint
        self._found.append(Problem(message, span, text, self._code, self._severity, kind, about, reason, own))

    def unknown_name(
        self, what: str, name: str, span: Span | None, choices: Iterable[str], hint: str | None = None, plural: str = ""
    ) -> None:
        """Notes a name that nobody knows: `no value is called 'kk'`, with what it may have been meant to be."""
        near = suggest(name, choices, f"{plural or f'{what}s'} are")
        self.add(f"no {what} is called '{name}'", span, hint or near, kind="unknown", about=name)

    def merge(self, others: Iterable[Problem]) -> None:
        """Notes what others have found."""
        self._found.extend(others)

    def of(self, code: str, severity: Severity) -> Problems:
        """A collector of its own for a rule, whose problems carry its code."""
        return Problems(code, severity)

    @property
    def errors(self) -> bool:
        """Whether one of them stops a run."""
        return any(p.severity == "error" for p in self._found)

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Meanwhile a GraphError is no end: its problems are noted."""
        try:
            yield
        except GraphError as error:
            self.merge(error.problems)

    def stop(self) -> None:
        """Raises GraphError where there is an error."""
        if self.errors:
            raise GraphError(self._found)

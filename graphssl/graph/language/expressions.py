"""The tree of an expression: values, fields of the batch, parts, views and calls, each with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...errors import Span


@dataclass(frozen=True)
class Name:
    """A value of the flow."""

    id: str
    span: Span


@dataclass(frozen=True)
class Batch:
    """`batch.image`, `batch.index` or `batch.label`."""

    field: str
    span: Span


@dataclass(frozen=True)
class Part:
    """`h.map`: one output of a component with several."""

    value: Expr
    name: str
    span: Span


@dataclass(frozen=True)
class Index:
    """`x[1]`: one view (stop is None and `many` false), or `x[0:2]`: several. Either end of a slice may be None."""

    value: Expr
    start: int | None
    stop: int | None
    many: bool
    span: Span


@dataclass(frozen=True)
class Call:
    """`node(args, port=value, pairs=cross)`. `options` are the keywords `pairs` and `views`, as (text, place)."""

    node: str
    args: tuple[Expr, ...]
    keywords: Mapping[str, Expr]
    options: Mapping[str, tuple[str, Span]]
    span: Span
    name_span: Span

    def option(self, name: str) -> str:
        """What an option says, "" where it is not given."""
        return self.options[name][0] if name in self.options else ""

    def place_of(self, option: str) -> Span:
        """Where an option's text stands; where it is not given, the call."""
        return self.options[option][1] if option in self.options else self.span


Expr = Name | Batch | Part | Index | Call

FIELDS = ("image", "index", "label")
OPTIONS = {"pairs": ("zip", "cross"), "views": ("each", "fold")}


def names_in(tree: Expr) -> Iterator[str]:
    """The names of the flow that an expression uses, in order."""
    match tree:
        case Name(id=name):
            yield name
        case Part(value=value) | Index(value=value):
            yield from names_in(value)
        case Call(args=args, keywords=keywords):
            for argument in (*args, *keywords.values()):
                yield from names_in(argument)


def calls_in(tree: Expr) -> Iterator[Call]:
    """The calls of an expression, each before those of its arguments."""
    match tree:
        case Part(value=value) | Index(value=value):
            yield from calls_in(value)
        case Call(args=args, keywords=keywords):
            yield tree
            for argument in (*args, *keywords.values()):
                yield from calls_in(argument)

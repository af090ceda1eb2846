"""From the text of an expression to a tree, by `ast.parse` and a whitelist; nothing is ever evaluated."""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import GraphError, Problem, Span, suggest


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


Expr = Name | Batch | Part | Index | Call

FIELDS = ("image", "index", "label")
OPTIONS = {"pairs": ("zip", "cross"), "views": ("each", "fold")}
LONGEST, DEEPEST = 4000, 60
TAKE_OUT = "leave the whole line out; where the term is another graph's, write null for it"
GRAMMAR = "an expression is made of values, batch.image, calls node(value, port=value), x[0], x[0:2] and h.part"


def parse(text: str, span: Span) -> Expr:
    """The tree of an expression; raises GraphError with every problem in it. `span` is where the text stands."""
    reader = _Reader(text, span)
    tree = reader.tree()
    expression = reader.read(tree) if tree is not None else None
    return reader.finished(expression)


def parse_term(text: str, span: Span) -> tuple[float, Expr]:
    """A loss term: `call`, `number * call` or `-call`, as factor and expression. Raises GraphError."""
    reader = _Reader(text, span)
    tree = reader.tree()
    factor, term = reader.factored(tree) if tree is not None else (1.0, None)
    expression = reader.read(term) if term is not None else None
    return factor, reader.finished(expression)


def parse_names(text: str, span: Span) -> list[tuple[str, Span]]:
    """The names that a flow line gives values to: one, or several with commas. Raises GraphError."""
    place = _Place(text, span)
    names, at = [], 0
    for piece in text.split(","):
        name = piece.strip()
        if not name:
            hint = "as in: wide, small: augment(batch.image)"
            raise GraphError([Problem("a name is missing beside a comma", place.part(at, len(piece)), hint)])
        names.append((name, place.part(at + piece.index(name), len(name))))
        at += len(piece) + 1
    return names


@dataclass(frozen=True)
class _Place:
    """Where parts of a text stand; the whole text's place where it is not written on one line as it is."""

    text: str
    span: Span

    def part(self, start: int, length: int) -> Span:
        at = self.span.column - 1
        verbatim = self.span.text[at : at + len(self.text)] == self.text
        return self.span.part(start, length) if verbatim else self.span


class _Reader:
    """Reads one text; problems are noted, and what is wrong is None."""

    def __init__(self, text: str, span: Span) -> None:
        self.text = text
        self.place = _Place(text, span)
        self.problems: list[Problem] = []

    def tree(self) -> ast.expr | None:
        text = self.text.replace("\n", " ")
        if not text.strip():
            return self._problem("there is no expression here", None, GRAMMAR)
        if len(text) > LONGEST:
            return self._problem(f"an expression of {len(text):,} characters: {LONGEST:,} is the most", None)
        # Parentheses let an expression begin with a space.
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(f"({text})", mode="eval").body
        except SyntaxError as error:
            return self._unreadable(text, error)
        except (RecursionError, MemoryError, ValueError):
            return self._problem("this cannot be read as an expression", None, GRAMMAR)
        if _depth(tree) > DEEPEST:
            return self._problem("this is nested too deeply", None, "give parts of it names of their own, a line each")
        return tree

    def finished(self, expression: Expr | None) -> Expr:
        if self.problems or expression is None:
            raise GraphError(self.problems)
        return expression

    def read(self, tree: ast.expr) -> Expr | None:
        match tree:
            case ast.Name(id="batch"):
                return self._problem("'batch' is read by its fields", tree, "batch.image, batch.index or batch.label")
            case ast.Name():
                return Name(tree.id, self._span(tree))
            case ast.Attribute(value=ast.Name(id="batch")):
                return self._field(tree)
            case ast.Attribute():
                value = self.read(tree.value)
                return None if value is None else Part(value, tree.attr, self._span(tree))
            case ast.Subscript():
                return self._index(tree)
            case ast.Call():
                return self._call(tree)
            case ast.BinOp() | ast.UnaryOp():
                message = "arithmetic stands only in loss:, in front of a term: number * call"
                return self._problem(message, tree, GRAMMAR)
            case ast.Constant():
                hint = "numbers belong to a node's config"
                return self._problem(f"{ast.unparse(tree)} is no value of the flow", tree, hint)
        return self._problem("this is no expression of a graph", tree, GRAMMAR)

    def factored(self, tree: ast.expr) -> tuple[float, ast.expr | None]:
        """The factor of a loss term and what it multiplies; notes what is no such thing, which is then None."""
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
            factor, term = self.factored(tree.operand)
            return -factor, term
        if not isinstance(tree, ast.BinOp | ast.UnaryOp):
            return 1.0, tree
        if not isinstance(tree, ast.BinOp) or not isinstance(tree.op, ast.Mult):
            return 1.0, self._problem("a loss term is a call, or number * call", tree, _instead(tree))
        number = _number(tree.left)
        if number is not None:
            if number == 0:
                self._problem("a factor of 0 takes the term out of the loss", tree.left, TAKE_OUT)
            return number, tree.right
        message = "the factor of a loss term is a number, and stands first: 0.5 * objective(s)"
        if _number(tree.right) is not None:
            return 1.0, self._problem(message, tree, f"write {_times(_shown(tree.right), tree.left)}")
        self._problem(message, tree.left)
        return 1.0, tree.right

    def _field(self, tree: ast.Attribute) -> Batch | None:
        if tree.attr not in FIELDS:
            return self._problem(
                f"a batch has no field '{tree.attr}'", tree, suggest(tree.attr, FIELDS, "fields are").text
            )
        return Batch(tree.attr, self._span(tree))

    def _index(self, tree: ast.Subscript) -> Index | None:
        part = tree.slice
        many = isinstance(part, ast.Slice)
        ends = [part.lower, part.upper, part.step] if isinstance(part, ast.Slice) else [part, None, None]
        if ends[2] is not None:
            return self._problem("a slice of views has no step", tree, "as in x[0:2]")
        start, stop = (self._whole_number(end) for end in ends[:2])
        value = self.read(tree.value)
        return None if value is None else Index(value, start, stop, many, self._span(tree))

    def _whole_number(self, tree: ast.expr | None) -> int | None:
        if tree is None:
            return None
        try:
            value = ast.literal_eval(tree)
        except ValueError:
            value = None
        if type(value) is not int:
            return self._problem("views are numbered: x[0], x[1], x[0:2]", tree)
        return value

    def _call(self, tree: ast.Call) -> Call | None:
        if not isinstance(tree.func, ast.Name):
            return self._problem("only a node can be called: node(value)", tree.func)
        args = [self._starred(a) if isinstance(a, ast.Starred) else self.read(a) for a in tree.args]
        keywords: dict[str, Expr | None] = {}
        options: dict[str, tuple[str, Span]] = {}
        for keyword in tree.keywords:
            if keyword.arg is None:
                self._problem("values are given one by one, not by **", keyword.value)
            elif keyword.arg in OPTIONS:
                options[keyword.arg] = self._option(keyword.arg, keyword.value), self._span(keyword.value)
            else:
                keywords[keyword.arg] = self.read(keyword.value)
        known = {k: v for k, v in keywords.items() if v is not None}
        given = tuple(a for a in args if a is not None)
        return Call(tree.func.id, given, known, options, self._span(tree), self._span(tree.func))

    def _starred(self, tree: ast.Starred) -> None:
        self._problem("values are given one by one, not by *", tree)

    def _option(self, name: str, tree: ast.expr) -> str:
        choice = tree.id if isinstance(tree, ast.Name) else ast.unparse(tree)
        if choice not in OPTIONS[name]:
            hint = suggest(choice, OPTIONS[name], f"{name}= is one of").text
            self._problem(f"'{choice}' is no choice for {name}=", tree, hint)
        return choice

    # -- places and problems -------------------------------------------------------------------------------

    def _span(self, tree: ast.expr) -> Span:
        text = self.text.replace("\n", " ")
        start = self._column(f"({text})", tree.col_offset) - 1
        end = self._column(f"({text})", tree.end_col_offset or tree.col_offset + 1) - 1
        return self.place.part(start, end - start)

    @staticmethod
    def _column(text: str, offset: int) -> int:
        """Python counts columns in bytes."""
        return len(text.encode()[:offset].decode(errors="ignore"))

    def _unreadable(self, text: str, error: SyntaxError) -> None:
        opened = text.count("(") - text.count(")")
        if opened:
            few = f"{abs(opened)} ')' {'missing' if opened > 0 else 'too many'}"
            return self._problem(f"the parentheses do not match: {few}", None)
        at = min(max((error.offset or 2) - 2, 0), len(text) - 1)
        self.problems.append(Problem("this cannot be read as an expression", self.place.part(at, 1), GRAMMAR))
        return None

    def _problem(self, message: str, tree: ast.expr | None, hint: str | None = None) -> None:
        """Notes a problem; `return self._problem(...)` is how a search ends in None."""
        span = self._span(tree) if tree is not None else self.place.span
        self.problems.append(Problem(message, span, hint))


def _number(tree: ast.expr) -> float | None:
    """The finite number that stands there, if one does."""
    try:
        value = ast.literal_eval(tree)
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _instead(tree: ast.BinOp | ast.UnaryOp) -> str | None:
    """What to write for arithmetic that is none of a loss term."""
    if isinstance(tree, ast.UnaryOp):
        return f"write {_shown(tree.operand)}" if isinstance(tree.op, ast.UAdd) else None
    if isinstance(tree.op, ast.Add | ast.Sub):
        sign = "-" if isinstance(tree.op, ast.Sub) else ""
        return f"terms are added up: a line for each, a: {_shown(tree.left)} and b: {sign}{_shown(tree.right)}"
    divisor = _number(tree.right)
    if isinstance(tree.op, ast.Div) and divisor:
        return f"write {_times(f'{1 / divisor:g}', tree.left)}"
    return None


def _times(factor: str, tree: ast.expr) -> str:
    """A number and what it multiplies, the minus of which goes to the number."""
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        return f"-{factor} * {_shown(tree.operand)}"
    return f"{factor} * {_shown(tree)}"


def _shown(tree: ast.expr) -> str:
    """The text of a part, for a hint; one that is long in short."""
    text = ast.unparse(tree)
    return text if len(text) <= 60 else "..."


def _depth(tree: ast.AST) -> int:
    """Levels of a tree, counted without recursion."""
    depth, level = 0, [tree]
    while level:
        depth, level = depth + 1, [child for node in level for child in ast.iter_child_nodes(node)]
    return depth

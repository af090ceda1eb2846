"""From the text of an expression to a tree, by `ast.parse` and a whitelist; nothing is ever evaluated."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass

from ...errors import Problems, Span, suggest
from .arithmetic import factored
from .expressions import FIELDS, OPTIONS, Batch, Call, Expr, Index, Name, Part

__all__ = ["parse", "parse_names", "parse_term"]

LONGEST, DEEPEST = 4000, 60
GRAMMAR = "an expression is made of values, batch.image, calls node(value, port=value), x[0], x[0:2] and h.part"


def parse(text: str, span: Span, problems: Problems) -> Expr | None:
    """The tree of an expression; None where something is wrong in it, all of which is noted.

    span: where the text stands.
    """
    before = len(problems)
    reader = _Reader(text, span, problems)
    tree = reader.tree()
    expression = reader.read(tree) if tree is not None else None
    return expression if len(problems) == before else None


def parse_term(text: str, span: Span, problems: Problems) -> tuple[float, Expr] | None:
    """A loss term, `call`, `number * call` or `-call`, as factor and expression; as `parse`."""
    before = len(problems)
    reader = _Reader(text, span, problems)
    tree = reader.tree()
    factor, term = factored(tree, reader.note) if tree is not None else (1.0, None)
    expression = reader.read(term) if term is not None else None
    return (factor, expression) if expression is not None and len(problems) == before else None


def parse_names(text: str, span: Span, problems: Problems) -> list[Name]:
    """The names that a flow line gives values to: one, or several with commas; none where one is missing."""
    place = _Place(text, span)
    names, at = [], 0
    for piece in text.split(","):
        name = piece.strip()
        if not name:
            hint = "as in: wide, small: augment(batch.image)"
            problems.add("a name is missing beside a comma", place.part(at, len(piece)), hint)
            return []
        names.append(Name(name, place.part(at + piece.index(name), len(name))))
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
    """Reads one text; what is wrong is noted and stands as None."""

    def __init__(self, text: str, span: Span, problems: Problems) -> None:
        self.text = text
        self.place = _Place(text, span)
        self.problems = problems

    def tree(self) -> ast.expr | None:
        text = self.text.replace("\n", " ")
        if not text.strip():
            self.note("there is no expression here", None, GRAMMAR)
            return None
        if len(text) > LONGEST:
            self.note(f"an expression of {len(text):,} characters: {LONGEST:,} is the most", None)
            return None
        # Parentheses let an expression begin with a space.
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(f"({text})", mode="eval").body
        except SyntaxError as error:
            self._note_syntax(text, error)
            return None
        except (RecursionError, MemoryError, ValueError):
            self.note("this cannot be read as an expression", None, GRAMMAR)
            return None
        if _depth(tree) > DEEPEST:
            self.note("this is nested too deeply", None, "give parts of it names of their own, a line each")
            return None
        return tree

    def read(self, tree: ast.expr) -> Expr | None:
        match tree:
            case ast.Name(id="batch"):
                self.note("'batch' is read by its fields", tree, "batch.image, batch.index or batch.label")
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
                self.note("arithmetic stands only in loss:, in front of a term: number * call", tree, GRAMMAR)
            case ast.Constant():
                self.note(f"{ast.unparse(tree)} is no value of the flow", tree, "numbers belong to a node's config")
            case _:
                self.note("this is no expression of a graph", tree, GRAMMAR)
        return None

    def note(self, message: str, tree: ast.expr | None, hint: str | None = None) -> None:
        """Notes a problem with a part of the text, or with the whole of it."""
        self.problems.add(message, self._span(tree) if tree is not None else self.place.span, hint)

    def _field(self, tree: ast.Attribute) -> Batch | None:
        if tree.attr not in FIELDS:
            hint = suggest(tree.attr, FIELDS, "fields are").text
            self.note(f"a batch has no field '{tree.attr}'", tree, hint)
            return None
        return Batch(tree.attr, self._span(tree))

    def _index(self, tree: ast.Subscript) -> Index | None:
        part = tree.slice
        many = isinstance(part, ast.Slice)
        ends = [part.lower, part.upper, part.step] if isinstance(part, ast.Slice) else [part, None, None]
        if ends[2] is not None:
            self.note("a slice of views has no step", tree, "as in x[0:2]")
            return None
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
            self.note("views are numbered: x[0], x[1], x[0:2]", tree)
            return None
        return value

    def _call(self, tree: ast.Call) -> Call | None:
        if not isinstance(tree.func, ast.Name):
            self.note("only a node can be called: node(value)", tree.func)
            return None
        args = [self._argument(a) for a in tree.args]
        keywords: dict[str, Expr | None] = {}
        options: dict[str, tuple[str, Span]] = {}
        for keyword in tree.keywords:
            if keyword.arg is None:
                self.note("values are given one by one, not by **", keyword.value)
            elif keyword.arg in OPTIONS:
                options[keyword.arg] = self._option(keyword.arg, keyword.value), self._span(keyword.value)
            else:
                keywords[keyword.arg] = self.read(keyword.value)
        known = {k: v for k, v in keywords.items() if v is not None}
        given = tuple(a for a in args if a is not None)
        return Call(tree.func.id, given, known, options, self._span(tree), self._span(tree.func))

    def _argument(self, tree: ast.expr) -> Expr | None:
        if isinstance(tree, ast.Starred):
            self.note("values are given one by one, not by *", tree)
            return None
        return self.read(tree)

    def _option(self, name: str, tree: ast.expr) -> str:
        choice = tree.id if isinstance(tree, ast.Name) else ast.unparse(tree)
        if choice not in OPTIONS[name]:
            hint = suggest(choice, OPTIONS[name], f"{name}= is one of").text
            self.note(f"'{choice}' is no choice for {name}=", tree, hint)
        return choice

    # -- places -------------------------------------------------------------------------------

    def _span(self, tree: ast.expr) -> Span:
        text = self.text.replace("\n", " ")
        start = self._column(f"({text})", tree.col_offset) - 1
        end = self._column(f"({text})", tree.end_col_offset or tree.col_offset + 1) - 1
        return self.place.part(start, end - start)

    @staticmethod
    def _column(text: str, offset: int) -> int:
        """Python counts columns in bytes."""
        return len(text.encode()[:offset].decode(errors="ignore"))

    def _note_syntax(self, text: str, error: SyntaxError) -> None:
        opened = text.count("(") - text.count(")")
        if opened:
            few = f"{abs(opened)} ')' {'missing' if opened > 0 else 'too many'}"
            self.note(f"the parentheses do not match: {few}", None)
            return
        at = min(max((error.offset or 2) - 2, 0), len(text) - 1)
        self.problems.add("this cannot be read as an expression", self.place.part(at, 1), GRAMMAR)


def _depth(tree: ast.AST) -> int:
    """Levels of a tree, counted without recursion."""
    depth, level = 0, [tree]
    while level:
        depth, level = depth + 1, [child for node in level for child in ast.iter_child_nodes(node)]
    return depth

"""Conditions: which cells of a study there are, which runs are listed.

A condition compares keys with values (`==`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `not in`), and joins such by `and`, `or`,
`not` and parentheses. A key is what varies, or any of the graph; a word that is no key is text, and needs no quotes.
"""

from __future__ import annotations

import ast
import keyword
import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import Refused, Span

__all__ = ["Condition", "condition"]

WORDS = {"true": True, "false": False, "null": None}
COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
ORDERED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
KEYWORD = re.compile(rf"\.({'|'.join(keyword.kwlist)})\b")  # such as `from`, which a schedule has as a key
MARK = "_is_no_keyword"
WRITTEN = "as in `nodes.critic.use != critic.bilinear or nodes.critic.temperature == 0.1`"
LONGEST = 2_000  # characters
QUOTED = f"{WRITTEN}; text of more than letters, digits, _ and . takes quotes"


@dataclass(frozen=True)
class Condition:
    """keys: the dotted names in it, which may be text. span: where it stands, if it does in a file."""

    text: str
    tree: ast.expr
    keys: frozenset[str]
    span: Span | None = None

    def comparisons(self) -> Iterator[list[str]]:
        """What is compared with what, each side as it is written."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Compare):
                yield [_text(side) for side in (node.left, *node.comparators)]

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether a cell fulfils it. values: of the cell, by key. Raises Refused where values cannot be compared."""
        return bool(_value(self.tree, values))

    def lost(self, known: Collection[str]) -> list[str]:
        """Of the comparisons in which nothing is a key, or has keys below it: what stands on the left."""

        def is_key(name: str) -> bool:
            return name in known or any(key.startswith(f"{name}.") for key in known)

        return [names[0] for names in self.comparisons() if not any(map(is_key, names))]


def condition(text: str, span: Span | None = None) -> Condition:
    """Raises Refused, with how one is written, for what is none."""
    keys: set[str] = set()
    try:
        if len(text) > LONGEST:
            raise ValueError
        tree = ast.parse(KEYWORD.sub(rf".\1{MARK}", text.strip()), mode="eval").body
        if not isinstance(tree, ast.Compare | ast.BoolOp | ast.UnaryOp):
            raise Refused(f"'{text}' compares nothing", hint=WRITTEN)
        _look(tree, text, keys)
    except Refused:
        raise
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        shown = text if len(text) <= 80 else f"{text[:80]}..."
        raise Refused(f"'{shown}' is no condition", hint=WRITTEN) from None
    return Condition(text, tree, frozenset(keys), span)


def _text(node: ast.expr) -> str:
    return ast.unparse(node).replace(MARK, "")


def _look(node: ast.expr, text: str, keys: set[str]) -> None:
    """Collects the names; raises Refused for what a condition does not have."""
    if (name := _dotted(node)) is not None:
        keys.add(name)
        return
    known = (ast.Compare, ast.BoolOp, ast.List, ast.Tuple, ast.Constant)
    if not (isinstance(node, known) or _is_negative(node)):
        raise Refused(f"'{_text(node)}' has no place in a condition", hint=QUOTED)
    if isinstance(node, ast.Compare) and not all(type(op) in COMPARED for op in node.ops):
        raise Refused(f"'{text}' compares by `is`: write == or !=", hint=WRITTEN)
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ORDERED) and _text(node.comparators[0]) == "null":
        raise Refused(f"nothing is more or less than null, so that they cannot be compared in '{text}'", hint=WRITTEN)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            _look(child, text, keys)


def _is_negative(node: ast.expr) -> bool:
    """Whether it is `not` of something, or a number below 0."""
    if not isinstance(node, ast.UnaryOp):
        return False
    number = isinstance(node.operand, ast.Constant) and type(node.operand.value) in (int, float)
    return isinstance(node.op, ast.Not) or (isinstance(node.op, ast.USub) and number)


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)) is not None:
        return f"{before}.{node.attr.removesuffix(MARK)}"
    return None


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    if (name := _dotted(node)) is not None:
        return values[name] if name in values else WORDS.get(name, name)
    match node:
        case ast.Constant():
            return node.value.replace(MARK, "") if isinstance(node.value, str) else node.value
        case ast.List() | ast.Tuple():
            return [_value(each, values) for each in node.elts]
        case ast.UnaryOp(op=ast.Not()):
            return not _value(node.operand, values)
        case ast.UnaryOp():
            return -_value(node.operand, values)
        case ast.BoolOp():
            parts = (bool(_value(part, values)) for part in node.values)
            return all(parts) if isinstance(node.op, ast.And) else any(parts)
        case ast.Compare():
            return _compared(node, values)
    raise AssertionError(ast.dump(node))  # `_look` has let nothing else through


def _compared(node: ast.Compare, values: Mapping[str, Any]) -> bool:
    left = _value(node.left, values)
    for op, right_node in zip(node.ops, node.comparators, strict=True):
        right = _value(right_node, values)
        if isinstance(op, ORDERED) and None in (left, right):  # what is not there is neither more nor less
            return False
        try:
            if not COMPARED[type(op)](left, right):
                return False
        except TypeError:
            raise Refused(f"{left!r} and {right!r} cannot be compared so, in '{_text(node)}'{_hint(left)}") from None
        left = right
    return True


def _hint(left: Any) -> str:
    """A dotted key that a cell does not have is text there."""
    return f": that cell has no '{left}'" if isinstance(left, str) and "." in left else ""

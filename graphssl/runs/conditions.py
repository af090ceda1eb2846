"""Conditions: which cells of a study there are, which runs are listed.

A condition compares keys with values (`==`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `not in`), and joins such by `and`, `or`,
`not` and parentheses. A key is what varies, or any of the graph; a word that is no key is text, and needs no quotes.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import Refused

__all__ = ["Condition", "condition"]

WORDS = {"true": True, "false": False, "null": None}
COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
ORDERED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
WRITTEN = "as in `nodes.critic.use != critic.bilinear or nodes.critic.temperature == 0.1`"


@dataclass(frozen=True)
class Condition:
    """keys: the dotted names in it, which may be text."""

    text: str
    tree: ast.expr
    keys: frozenset[str]

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether a cell fulfils it. values: of the cell, by key. Raises Refused where values cannot be compared."""
        return bool(_value(self.tree, values))

    def lost(self, known: Collection[str]) -> list[str]:
        """Of the comparisons in which nothing is a key, or has keys below it: what stands on the left."""
        found = []
        for compared in (node for node in ast.walk(self.tree) if isinstance(node, ast.Compare)):
            names = [ast.unparse(side) for side in (compared.left, *compared.comparators)]
            if not any(name in known or any(key.startswith(f"{name}.") for key in known) for name in names):
                found.append(names[0])
        return found


def condition(text: str) -> Condition:
    """Raises Refused, with how one is written, for what is none."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Refused(f"'{text}' is no condition", hint=WRITTEN) from None
    if not isinstance(tree, ast.Compare | ast.BoolOp | ast.UnaryOp):
        raise Refused(f"'{text}' compares nothing", hint=WRITTEN)
    keys: set[str] = set()
    _look(tree, text, keys)
    return Condition(text, tree, frozenset(keys))


def _look(node: ast.expr, text: str, keys: set[str]) -> None:
    """Collects the names; raises Refused for what a condition does not have."""
    if (name := _dotted(node)) is not None:
        keys.add(name)
        return
    known = (ast.Compare, ast.BoolOp, ast.List, ast.Tuple, ast.Constant)
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub)
    if not (isinstance(node, known) or negative):
        raise Refused(f"'{ast.unparse(node)}' has no place in a condition", hint=WRITTEN)
    if isinstance(node, ast.Compare) and not all(type(op) in COMPARED for op in node.ops):
        raise Refused(f"'{text}' compares by `is`: write == or !=", hint=WRITTEN)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            _look(child, text, keys)


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)) is not None:
        return f"{before}.{node.attr}"
    return None


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    if (name := _dotted(node)) is not None:
        return values[name] if name in values else WORDS.get(name, name)
    match node:
        case ast.Constant():
            return node.value
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
            raise Refused(f"{left!r} and {right!r} cannot be compared in '{ast.unparse(node)}'") from None
        left = right
    return True

"""The arithmetic of a loss term: its factor, and what to write for what is none."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable

__all__ = ["TAKE_OUT", "factored"]

Note = Callable[[str, ast.expr, str | None], None]
TAKE_OUT = "leave the whole line out; where the term is another graph's, write null for it"


def factored(tree: ast.expr, note: Note) -> tuple[float, ast.expr | None]:
    """The factor of a loss term and what it multiplies, None where that is no such thing.

    note: is called with what is wrong, where, and a hint.
    """
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        factor, term = factored(tree.operand, note)
        return -factor, term
    if not isinstance(tree, ast.BinOp | ast.UnaryOp):
        return 1.0, tree
    if not isinstance(tree, ast.BinOp) or not isinstance(tree.op, ast.Mult):
        note("a loss term is a call, or number * call", tree, _instead_of(tree))
        return 1.0, None
    number = _number(tree.left)
    if number is not None:
        if number == 0:
            note("a factor of 0 takes the term out of the loss", tree.left, TAKE_OUT)
        return number, tree.right
    message = "the factor of a loss term is a number, and stands first: 0.5 * objective(s)"
    if _number(tree.right) is not None:
        note(message, tree, f"write {_times(_shown(tree.right), tree.left)}")
        return 1.0, None
    note(message, tree.left, None)
    return 1.0, tree.right


def _number(tree: ast.expr) -> float | None:
    """The finite number that stands there, if one does."""
    try:
        value = ast.literal_eval(tree)
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _instead_of(tree: ast.BinOp | ast.UnaryOp) -> str | None:
    """A hint: what to write for arithmetic that is none of a loss term."""
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

"""What a caller in Python hands over is of the right kind, or a UsageError says which argument is not."""

from __future__ import annotations

import operator
import os
from pathlib import Path
from typing import Any

from ..errors import UsageError

__all__ = ["check_function", "count", "text", "where"]


def count(value: Any, name: str, what: str) -> int:
    """A whole number, 1 or more."""
    try:
        found = operator.index(value)
    except TypeError:
        found = 0
    if found < 1 or isinstance(value, bool):
        raise UsageError(f"{name} is {what}, 1 or more, not {_shown(value)}")
    return found


def text(value: Any, name: str, what: str) -> str | None:
    """A text, or None, where nothing is said."""
    if value is not None and not (isinstance(value, str) and value):
        raise UsageError(f"{name} is {what}, not {_shown(value)}")
    return value


def where(value: Any, name: str) -> Path:
    """The path of a file."""
    try:
        return Path(os.fspath(value))
    except TypeError:
        raise UsageError(f"{name} is the path of a file, not {_shown(value)}") from None


def check_function(value: Any, name: str) -> None:
    """A function, or None. Raises UsageError for anything else."""
    if value is not None and not callable(value):
        raise UsageError(f"{name} is a function, that is called as it goes on, not {_shown(value)}")


def _shown(value: Any) -> str:
    """A text or a number as it is written, and of anything else its kind."""
    plain = value is None or isinstance(value, str | int | float)
    return repr(value)[:60] if plain else type(value).__name__

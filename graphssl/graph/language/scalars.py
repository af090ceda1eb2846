"""Plain scalars by YAML 1.2's core schema: `5e-4` is a number, `no` is text."""

from __future__ import annotations

import math
import re
from typing import Any

__all__ = ["scalar"]

INTEGERS = 2**63  # what is as large fits no tensor
INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def scalar(text: str) -> Any:
    """The value of a plain scalar. Raises ValueError for a number that is not finite, or too large."""
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

"""What a rule is, and the list of all of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from ...errors import Span
from .facts import Facts

__all__ = ["RULES", "Find", "Finding", "Rule", "rule"]

Finding = tuple[str, Span | None, str | None]  # message, place, hint
Find = Callable[[Facts], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    """A rule: its code, what it is about in a few words, how grave it is, and the function that looks."""

    code: str
    title: str
    severity: Literal["error", "warning"]
    find: Find

    @property
    def explanation(self) -> str:
        return inspect.getdoc(self.find) or ""


RULES: dict[str, Rule] = {}  # in the order of their codes


def rule(code: str, title: str, severity: Literal["error", "warning"]) -> Callable[[Find], Find]:
    """Registers a function that yields findings: message, place, hint. Its docstring explains the rule to users."""

    def register(find: Find) -> Find:
        RULES[code] = Rule(code, title, severity, find)
        for known in sorted(RULES):
            RULES[known] = RULES.pop(known)
        return find

    return register

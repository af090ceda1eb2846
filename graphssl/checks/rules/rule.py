"""What a rule is, and the list of all of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from ...errors import Problems, Severity
from .facts import Facts

__all__ = ["RULES", "Find", "Rule", "rule"]

Find = Callable[[Facts, Problems], None]


@dataclass(frozen=True)
class Rule:
    """A rule: its code, what it is about in a few words, how grave it is, and the function that looks."""

    code: str
    title: str
    severity: Severity
    find: Find

    @property
    def explanation(self) -> str:
        return inspect.getdoc(self.find) or ""


RULES: dict[str, Rule] = {}  # in the order of their codes


def rule(code: str, title: str, severity: Severity) -> Callable[[Find], Find]:
    """Registers a function that notes what it finds in the collector that it is handed, which adds code and severity.

    Its docstring explains the rule to users.
    """

    def register(find: Find) -> Find:
        RULES[code] = Rule(code, title, severity, find)
        for known in sorted(RULES):
            RULES[known] = RULES.pop(known)
        return find

    return register

"""What `graphssl explain` prints."""

from __future__ import annotations

from ..checks.rules.all import RULES, explain

__all__ = ["rule_text", "rules_text"]


def rules_text() -> str:
    """All rules: code, how grave, title."""
    return "\n".join(f"{rule.code}  {rule.severity:8} {rule.title}" for rule in RULES.values())


def rule_text(code: str) -> str:
    """A rule in full. Raises LookupError with a suggestion."""
    return explain(code)

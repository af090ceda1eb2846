"""What `graphssl explain` prints."""

from __future__ import annotations

import pytest

from graphssl.checks.rules.all import RULES
from graphssl.cli.rules import rule_text, rules_text


def test_every_rule_has_a_line() -> None:
    lines = rules_text().split("\n")
    assert [line.split()[0] for line in lines] == list(RULES) == sorted(RULES)
    assert {line.split()[1] for line in lines} == {"error", "warning"}
    assert all(line.endswith(rule.title) for line, rule in zip(lines, RULES.values(), strict=True))


@pytest.mark.parametrize("code", RULES)
def test_a_rule_in_full(code: str) -> None:
    assert rule_text(code).startswith(f"{code}: {RULES[code].title}\n\n")
    assert rule_text(code.lower()) == rule_text(code)
    assert rule_text(code).endswith(f"a graph file turns it off with allow: [{code}].")


def test_a_code_that_no_rule_has() -> None:
    with pytest.raises(LookupError, match="did you mean 'G201'"):
        rule_text("G2O1")

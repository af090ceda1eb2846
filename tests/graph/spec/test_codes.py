"""The codes that `allow:` may name are those of the rules, and a wrong one is told with all other mistakes."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from conftest import MOCO, Write, problems_of

from graphssl.api import check
from graphssl.checks.rules.all import RULES
from graphssl.cli.schema import graph_schema
from graphssl.graph.spec.codes import CODES


def test_the_codes_are_those_of_the_rules() -> None:
    assert tuple(RULES) == CODES


def test_a_code_that_no_rule_has_is_told_with_all_else(write: Write) -> None:
    allow = ("graph: moco", "allow: [G3O1, G302, G999]\ngraph: moco")
    near, far, size, key = problems_of(
        check, write(MOCO, allow, ("size: 48", "size: -1"), ("critic(q, k,", "critic(q, kk,"))
    )
    assert "graph.yaml:1:9: no rule has the code 'G3O1'" in near
    assert "did you mean 'G301'?" in near
    assert "graph.yaml:1:21: no rule has the code 'G999'" in far
    assert "hint: `graphssl explain` lists them" in far
    assert "-1" in size
    assert "no value is called 'kk'" in key


@pytest.mark.parametrize(("allow", "message"), [("[5]", "'allow' is 5"), ("G201", "put it in brackets: [G201]")])
def test_what_is_no_list_of_codes_is_told_once(write: Write, allow: str, message: str) -> None:
    (found,) = problems_of(check, write(MOCO, ("graph: moco", f"allow: {allow}\ngraph: moco")))
    assert message in found


def test_editors_know_the_codes() -> None:
    schema: Any = jsonschema.Draft202012Validator(graph_schema())
    part = {"extends": "byol", "allow": ["G201"]}
    assert schema.is_valid(part)
    assert not schema.is_valid({**part, "allow": ["G999"]})

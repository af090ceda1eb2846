"""Names: what nodes, values and loss terms may be called."""

from __future__ import annotations

import pytest

from graphssl.errors import Problems, Span
from graphssl.graph.names import check_name, may_name


@pytest.mark.parametrize("what", ["node", "value", "loss term"])
@pytest.mark.parametrize(
    ("name", "fine"),
    [("encoder", True), ("größe", True), ("q2", True), ("a-b", False), ("2q", False), ("", False), ("class", False),
     ("batch", False), ("views", False), ("__x", False)],
)  # fmt: skip
def test_words_that_may_be_names(name: str, fine: bool, what: str) -> None:
    problems = Problems()
    assert may_name(name, what) == check_name(name, what, Span("g.yaml", 1), problems) == fine
    assert [p.about for p in problems] == ([] if fine else [name])
    assert all(f"'{name}' cannot name a {what}" in p.message for p in problems)


@pytest.mark.parametrize("name", ["forward", "train", "parameters", "_own"])
def test_what_a_module_has_is_no_name_of_a_node(name: str) -> None:
    assert may_name(name, "value")
    assert not may_name(name, "node")

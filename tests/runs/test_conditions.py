"""Conditions hold for the cells that they say, and what is none is told with how one is written."""

from __future__ import annotations

import pytest

from graphssl.errors import Refused
from graphssl.runs.conditions import condition

CELL = {
    "nodes.critic.use": "critic.cosine", "nodes.critic.temperature": 0.1, "train.epochs": 5, "negatives": "queue.yaml",
    "other": None, "nodes.target.momentum.from": 0.9, "nodes.encoder.shared": True, "name": "a b",
}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "nodes.critic.use == critic.cosine",
        "nodes.critic.use != critic.bilinear",
        "nodes.critic.temperature < 0.2",
        "0.05 < nodes.critic.temperature <= 0.1",
        "train.epochs >= 5 and not train.epochs > 5",
        "train.epochs in [1, 5]",
        "train.epochs not in (1, 2)",
        "negatives == queue.yaml",
        "negatives in [bank.yaml, queue.yaml]",
        "other == null",
        "nodes.encoder.shared == true",
        "nodes.target.momentum.from == 0.9",
        "name == 'a b'",
        "name != 'a.from'",
        "train.epochs > -1",
        "nodes.critic.use == critic.bilinear or nodes.critic.temperature < 0.5",
        " ( train.epochs == 5 ) ",
    ],
)
def test_what_holds_and_its_opposite(text: str) -> None:
    assert condition(text).holds(CELL)
    assert not condition(f"not ({text.strip()})").holds(CELL)


def test_what_decides_ends_it() -> None:
    """A cell without a temperature is not asked how warm it is."""
    cell = {"nodes.critic.use": "critic.bilinear"}
    assert condition("nodes.critic.use == critic.bilinear or nodes.critic.temperature < 0.5").holds(cell)
    assert not condition("nodes.critic.use == critic.cosine and nodes.critic.temperature < 0.5").holds(cell)
    with pytest.raises(Refused, match=r"that cell has no 'nodes\.critic\.temperature'"):
        condition("nodes.critic.temperature < 0.5").holds(cell)


def test_names_and_sides_are_those_that_are_written() -> None:
    found = condition("nodes.target.momentum.from == 0.9 or a in [b, 'c d']")
    assert found.keys == {"nodes.target.momentum.from", "a", "b"}
    assert list(found.comparisons()) == [["nodes.target.momentum.from", "0.9"], ["a", "[b, 'c d']"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1", "is no condition"),
        ("a ==", "is no condition"),
        ("", "is no condition"),
        ("a == 1\0", "is no condition"),
        ("a", "compares nothing"),
        ("5", "compares nothing"),
        ("f(a) == 1", r"'f\(a\)' has no place in a condition"),
        ("a.b() == 1", "has no place"),
        ("a + 1 == 2", "has no place"),
        ("a[0] == 2", "has no place"),
        ("a == x-y.yaml", "'x - y.yaml' has no place"),
        ("a == -b", "'-b' has no place"),
        ("a == f'{b}'", "has no place"),
        ("(a := 1) == 1", "has no place"),
        ("(lambda: 1) == a", "has no place"),
        ("a is 1", "write == or !="),
        ("not " * 5000 + "a == 1", "is no condition"),
        ("not " * 400 + "(" * 150 + "a" + ")" * 150 + " == 1", None),
    ],
)
def test_what_is_no_condition(text: str, message: str | None) -> None:
    if message is None:  # deep, and right
        assert condition(text).holds({"a": 1})
        return
    with pytest.raises(Refused, match=message) as caught:
        condition(text)
    assert "as in `nodes.critic.use" in str(caught.value.hint)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", ["a < word", "a < null", "1 in a", "a > [1]"])
def test_what_cannot_be_compared(text: str) -> None:
    with pytest.raises(Refused, match="cannot be compared"):
        condition(text).holds({"a": 0.1})

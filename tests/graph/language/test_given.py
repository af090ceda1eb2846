"""A graph that Python hands over: a mapping, text, values of numpy's; and what no graph can hold."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SIMCLR

from graphssl.errors import GraphError, UsageError
from graphssl.graph.language.given import GIVEN, change_of, is_text, plain, text_of
from graphssl.graph.language.yaml import read
from graphssl.graph.read import load


class Kind(enum.StrEnum):
    DIGITS = "digits"


PLAIN = [
    (np.int64(2), 2),
    (np.float32(0.5), 0.5),
    (np.bool_(True), True),
    (np.array([1, 2]), [1, 2]),
    (torch.tensor(3), 3),
    ((1, (2.5, None)), [1, [2.5, None]]),
    (range(2), [0, 1]),
    (Path("a/b"), "a/b"),
    (torch.device("cuda", 1), "cuda:1"),
    (torch.uint8, "uint8"),
    (Kind.DIGITS, "digits"),
    ({"a": (True,)}, {"a": [True]}),
]


@pytest.mark.parametrize(("value", "found"), PLAIN)
def test_plain_values(value: Any, found: Any) -> None:
    made = plain(value, "graph")
    assert made == found
    assert type(made) is type(found)


HOLDING: dict[str, Any] = {}
HOLDING["itself"] = HOLDING


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": {1: 2}}, r"^graph\['a'\] has the key 1: keys are text"),
        ({"a": [0, {2}]}, r"^graph\['a'\]\[1\] is of type set, which no graph holds"),
        (b"byol", "is of type bytes"),
        (object(), "is of type object"),
        (HOLDING, "holds itself"),
    ],
)
def test_what_no_graph_holds(value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plain(value, "graph")


def test_a_change_has_its_value_as_it_is() -> None:
    assert change_of("train.epochs", np.int64(2)) == "train.epochs=2"
    assert change_of("data.use", "no: {") == 'data.use="no: {"'
    assert change_of("nodes.a", {"use": "x", "of": ("b",)}) == 'nodes.a={"use": "x", "of": ["b"]}'
    with pytest.raises(UsageError, match="not finite"):
        change_of("train.lr", float("nan"))


def test_a_mapping_is_the_graph_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "graph.yaml"
    file.write_text(SIMCLR)
    from graphssl.errors import Problems

    document = read(SIMCLR, "graph", Problems())
    assert document is not None
    graphs = [load(given) for given in (file, document.data, SIMCLR, "\n" + SIMCLR)]
    assert len({graph.hash() for graph in graphs}) == 1
    assert [graph.source.files for graph in graphs[1:]] == [(Path(GIVEN),)] * 3


def test_problems_of_a_mapping_show_its_line() -> None:
    with pytest.raises(GraphError) as told:
        load({"graph": "x", "extends": "simclr", "flow": {"s": "critic(q, kk)"}})
    assert "<graph>:" in str(told.value)
    assert "s: critic(q, kk)" in str(told.value)


@pytest.mark.parametrize("graph", [{}, "\n", "{"])
def test_nothing_is_no_graph(graph: Any) -> None:
    assert is_text(graph)
    assert isinstance(text_of(graph), str)
    with pytest.raises(GraphError):
        load(graph)


def test_names_are_no_text() -> None:
    assert not any(map(is_text, ("byol", "a b.yaml", "", Path("{"), None)))

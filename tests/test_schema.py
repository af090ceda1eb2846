"""The JSON schema for editors: it takes what graphssl takes, and names what it does not."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from conftest import BYOL, MOCO, SIMCLR

from graphssl import yaml
from graphssl.component import discover
from graphssl.schema import graph_schema


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = graph_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def data(text: str, *changes: tuple[str, str]) -> Any:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return yaml.read(text, "graph.yaml").data


@pytest.mark.parametrize(
    "text", [BYOL, MOCO, SIMCLR, "extends: byol\nnodes: {encoder: {depth: 18}, predictor: null}\n"]
)
def test_takes_graphs(validator: Any, text: str) -> None:
    assert not list(validator.iter_errors(data(text)))


@pytest.mark.parametrize(
    "change",
    [
        ("critic.cosine", "critic.cosin"),
        ("temperature", "temprature"),
        ("temperature: 0.2", "temperature: warm"),
        ("size: 48", "size: -1"),
        ("epochs: 2", "epochs: two"),
        ("loss:\n", "lose:\n"),
        ("use: digits", "use: digit"),
        ("graph: moco\n", ""),
    ],
)
def test_refuses_what_check_refuses(validator: Any, change: tuple[str, str]) -> None:
    assert list(validator.iter_errors(data(MOCO, change)))


def test_knows_every_component() -> None:
    definitions = graph_schema()["$defs"]
    for name in discover():
        assert definitions[name.replace(".", "_")]["properties"]["use"] == {"const": name}

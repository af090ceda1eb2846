"""The JSON schema for editors: it takes what graphssl takes, and names what it does not."""

from __future__ import annotations

from importlib import resources
from typing import Any

import jsonschema
import pytest
from conftest import BYOL, MOCO, SIMCLR, strict

from graphssl.cli.schema import graph_schema
from graphssl.component import discover
from graphssl.graph.language import yaml
from graphssl.graph.language.packaged import packaged


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = graph_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def data(text: str, *changes: tuple[str, str]) -> Any:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return strict(yaml.read)(text, "graph.yaml").data


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


@pytest.mark.parametrize("name", packaged())
def test_takes_every_packaged_graph(validator: Any, name: str) -> None:
    file = resources.files("graphssl.graphs") / f"{name}.yaml"
    assert not list(validator.iter_errors(strict(yaml.read)(file.read_text(), name).data))


@pytest.mark.parametrize(
    "part",
    [
        "nodes: {predictor: null, augment: {flip: null}}", "flow: {p: null}", "loss: {byol: null}", "update: {target: null}", "train: {nodes: {predictor: null}}",
        "data: {root: null, download: null}", "train: {optimizer: {lr: null}, schedule: null}", "evaluate: {knn: null}", "description: null",
    ],
)  # fmt: skip
def test_null_takes_out_what_an_extended_graph_has(validator: Any, part: str) -> None:
    assert not list(validator.iter_errors(data(f"extends: byol\n{part}\n")))


@pytest.mark.parametrize(
    "part",
    [
        "train: {optimizer: {lr: 1e-3}}", "loss: {byol: {weight: 2}}", "nodes: {target: {use: target.ema, momentum: 0.9}}",
        "nodes: {encoder: {norm: {groups: 4}}}", "train: {schedule: {warmup: 1}}",
    ],
)  # fmt: skip
def test_an_extended_graph_has_the_other_keys(validator: Any, part: str) -> None:
    assert not list(validator.iter_errors(data(f"extends: byol\n{part}\n")))


def test_components_of_ones_own_are_taken_where_the_file_has_some(validator: Any) -> None:
    part = "extends: byol\nnodes: {critic: {use: critic.mine, any: 3}}\n"
    assert not validator.is_valid(data(part))
    assert validator.is_valid(data(f"components: [./mine.py]\n{part}"))
    assert not validator.is_valid(data("components: [./mine.py]\n" + part.replace("critic.mine", "critic.cosine")))


def test_knows_every_component() -> None:
    definitions = graph_schema()["$defs"]
    for name in discover():
        assert definitions[name.replace(".", "_")]["properties"]["use"] == {"const": name}


@pytest.mark.parametrize(
    ("part", "right"),
    [
        ("data: {use: hf, path: x, split: val}", True),
        ("data: {use: hf, path: x, root: y, pathh: z}", False),
        ("data: {use: digits, path: x}", False),
        ("data: {use: mine, any: x}", False),
        ("components: [./mine.py]\ndata: {use: mine, any: x}", True),
        ("components: [./mine.py]\ndata: {use: digits, any: x}", False),
    ],
)
def test_a_data_set_has_its_own_options(validator: Any, part: str, right: bool) -> None:
    assert validator.is_valid(data(f"extends: byol\n{part}\n")) is right

"""Fields whose choices are a table's rows: they take, refuse and describe what a literal or a union of these would."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from graphssl.graph.spec import OPTIMIZERS, Adam, AdamW, Larc, Lars, Optimizer, Sgd, Timm
from graphssl.graph.spec.tables import ConfigIn, NameIn

NAMES = {"one": 1, "two": 2}


class Written(BaseModel):
    name: Literal["one", "two"] = "one"
    config: Annotated[Sgd | AdamW | Adam | Lars | Larc | Timm, Field(discriminator="use")] = AdamW(use="adamw")


class Looked(BaseModel):
    name: Annotated[str, NameIn(NAMES)] = "one"
    config: Annotated[Optimizer, ConfigIn(OPTIMIZERS)] = AdamW(use="adamw")


GOOD: list[dict[str, Any]] = [{}, {"name": "two"}, {"config": {"use": "sgd"}}, {"config": {"use": "lars", "eta": 0.5}}]
BAD: list[dict[str, Any]] = [
    {"name": "three"}, {"name": 1}, {"name": None}, {"config": {"use": "adamv"}}, {"config": {}}, {"config": "sgd"},
    {"config": {"use": "sgd", "eta": 1}}, {"config": {"use": "sgd", "lr": "x"}},
]  # fmt: skip


@pytest.mark.parametrize("data", GOOD, ids=str)
def test_what_is_taken(data: dict[str, Any]) -> None:
    written, looked = Written.model_validate(data), Looked.model_validate(data)
    assert looked.model_dump() == written.model_dump()
    assert looked.model_dump_json() == written.model_dump_json()
    assert type(looked.config) is type(written.config)


@pytest.mark.parametrize("data", BAD, ids=str)
def test_what_is_refused(data: dict[str, Any]) -> None:
    said = []
    for model in (Written, Looked):
        with pytest.raises(ValidationError) as caught:
            model.model_validate(data, strict=True)
        said.append(caught.value.errors(include_url=False))
    assert said[0] == said[1]


def test_the_schema() -> None:
    written, looked = Written.model_json_schema(), Looked.model_json_schema()
    assert written.pop("title") != looked.pop("title")
    assert looked == written


def test_the_room_needs_no_torch() -> None:
    code = (
        "import sys, graphssl.graph.spec; assert not {'torch', 'numpy'} & set(sys.modules), 'the spec is of text alone'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

"""The config of a component in words: the types and defaults of its keys."""

from __future__ import annotations

from config_forms import Options

from graphssl.cli.components import component_text
from graphssl.cli.config import type_text


def types() -> dict[str, str]:
    schema = Options.model_json_schema()
    return {key: type_text(value, schema) for key, value in schema["properties"].items()}


def test_types_in_words() -> None:
    assert types() == {
        "needed": "integer",
        "bounded": "number > 0 and <= 1",
        "moving": "number >= 0 or schedule",
        "word": "a | b",
        "only": "c",
        "either": "integer or null",
        "flag": "boolean",
        "several": "list of number",
        "names": "list of string",
        "empty": "string",
        "inner": "{use: inner, size, share} or {use: other}",
    }


def test_a_norm_with_options_says_its_name() -> None:
    text = component_text("encoder.resnet")
    assert "{use: split_batch, splits}" in text
    assert "{use: group, groups}" in text

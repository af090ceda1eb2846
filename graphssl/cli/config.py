"""The config of a component, or a section, in words: what each key takes, its default, what it means."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

__all__ = ["option_rows", "type_text"]

MILLION = 1_000_000
MANY = 4  # mappings that are named one by one


def option_rows(config: type[BaseModel]) -> Iterator[tuple[str, str, str | None, str]]:
    """Of each key: its name in a file, what it takes, its default (None if required), its meaning."""
    schema = config.model_json_schema(by_alias=True)
    for name, field in config.model_fields.items():
        key = field.alias or name
        required = field.default is PydanticUndefined and field.default_factory is None
        default = None if required else _plain(field.get_default(call_default_factory=True))
        yield key, type_text(schema["properties"][key], schema), default, field.description or ""


def _plain(value: Any) -> str:
    """A value as one would write it in a graph file."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json", by_alias=True)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_plain(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_plain, value)) + "]"
    if isinstance(value, float):
        return str(float(f"{value:.6g}"))
    return str(value) if isinstance(value, str) and value else json.dumps(value)


def type_text(schema: dict[str, Any], top: dict[str, Any]) -> str:
    """A JSON schema in a few words: `number > 0, or schedule`."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        target = top["$defs"][name]
        return "schedule" if name.startswith("Schedule") else type_text(target, top)
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(dict.fromkeys(_options(options, top)))
    if "enum" in schema or "const" in schema:
        return " | ".join(map(str, schema.get("enum", [schema.get("const")])))
    if schema.get("type") == "array" and "prefixItems" in schema:
        return "[" + ", ".join(type_text(item, top) for item in schema["prefixItems"]) + "]"
    if schema.get("type") == "array":
        return f"list of {type_text(schema.get('items', {}), top)}"
    if "properties" in schema:
        return "{" + ", ".join(_key(key, value) for key, value in schema["properties"].items()) + "}"
    return str(schema.get("type", "any")) + " and".join(_bounds(schema))


def _options(options: list[dict[str, Any]], top: dict[str, Any]) -> Iterator[str]:
    """Each of several, in words; where many of them are told apart by `use`, and named before, once for all."""
    tagged = [o for o in options if "discriminator" in o]
    for option in options:
        many = option.get("oneOf", []) if option in tagged else []
        yield "{use: one of these, its options}" if len(many) > MANY else type_text(option, top)


def _key(name: str, schema: dict[str, Any]) -> str:
    """A key of a mapping; with its value where it can have no other, as in `{use: group, groups}`."""
    return f"{name}: {schema['const']}" if "const" in schema else name


def _bounds(schema: dict[str, Any]) -> Iterable[str]:
    words = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    return [f" {sign} {_number(schema[key])}" for key, sign in words.items() if key in schema]


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) and MILLION <= value < MILLION**2 else f"{value:g}"

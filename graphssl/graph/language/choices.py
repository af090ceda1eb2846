"""The choices that a model leaves at a place, found by following its JSON schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema

from .yaml import Path

__all__ = ["keys_at", "named", "options_at", "path_in", "uses"]


def path_in(data: Any, loc: Iterable[str | int]) -> Path:
    """The part of pydantic's location that exists in the data: the names of union members are left out."""
    path: list[str | int] = []
    for step in loc:
        inside = step in data if isinstance(data, Mapping) else isinstance(data, list) and step in range(len(data))
        if inside:
            data = data[step]
            path.append(step)
    return tuple(path)


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema; of a model with types that JSON does not know just the keys."""
    try:
        return model.model_json_schema()
    except PydanticInvalidForJsonSchema:
        return {"properties": {field.alias or name: {} for name, field in model.model_fields.items()}}


def options_at(model: type[BaseModel], loc: Iterable[str | int]) -> list[dict[str, Any]]:
    """What may stand at a location, found by following the JSON schema; unions are taken apart."""
    top = _schema(model)

    def options(part: dict[str, Any]) -> list[dict[str, Any]]:
        while "$ref" in part:
            part = top["$defs"][part["$ref"].rsplit("/", 1)[1]]
        return [o for s in part.get("anyOf", part.get("oneOf", [])) for o in options(s)] or [part]

    here = options(top)
    for step in loc:
        inside = [
            p["properties"][step]
            if step in p.get("properties", {})
            else p.get("additionalProperties") or (p.get("items") if isinstance(step, int) else None)
            for p in here
        ]
        # A step that leads nowhere is the name of a union's member.
        here = [o for part in inside if isinstance(part, dict) for o in options(part)] or here
    return here


def uses(options: Iterable[Mapping[str, Any]], tag: str) -> list[str]:
    """The choices for the key that tells the members of a union apart."""
    tags = (option.get("properties", {}).get(tag, {}) for option in options)
    return [str(c) for t in tags for c in ([t["const"]] if "const" in t else t.get("enum", []))]


def named(options: Iterable[Mapping[str, Any]]) -> list[str]:
    """The choices where a name may stand for a mapping."""
    return [str(c) for option in options for c in option.get("enum", [])]


def keys_at(model: type[BaseModel], data: Any, loc: Sequence[str | int]) -> list[str]:
    """The keys that are allowed in a mapping; of a union those of the member that its `use` names."""
    options = options_at(model, loc)
    here = data
    for step in path_in(data, loc):
        here = here[step]
    use = here.get("use") if isinstance(here, Mapping) else None
    chosen = [o for o in options if use and o.get("properties", {}).get("use", {}).get("const") == use]
    return [key for option in chosen or options for key in option.get("properties", {})]

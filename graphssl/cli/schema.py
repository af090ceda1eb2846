"""The JSON schema of graph files, for completion and checks in editors: all sections and all components."""

from __future__ import annotations

from typing import Any

from ..component import discover
from ..graph.nodes import CommonKeys
from ..graph.spec import DATA_SETS, data_section, graph_file


def graph_schema() -> dict[str, Any]:
    """The schema of a graph file. A file that `extends` another needs none of the sections."""
    schema = graph_file().model_json_schema(by_alias=True)
    definitions = schema.setdefault("$defs", {})
    nodes: list[Any] = []
    shared = CommonKeys.model_json_schema()
    definitions.update(shared.pop("$defs", {}))
    common = shared["properties"]
    for name, component in sorted(discover().items()):
        config = component.config.model_json_schema(by_alias=True)
        prefix = name.replace(".", "_")
        for key, definition in config.pop("$defs", {}).items():
            definitions[f"{prefix}_{key}"] = _renamed(definition, prefix)
        config = _renamed(config, prefix)
        config["properties"] = {"use": {"const": name}, **common, **config.get("properties", {})}
        config["description"] = component.summary
        definitions[prefix] = config
        nodes.append({"$ref": f"#/$defs/{prefix}", "required": ["use"]})
    # A node of a file that extends another may leave `use` to its parent.
    partial = {"type": "object", "not": {"required": ["use"]}}
    known = {"properties": {"use": {"enum": sorted(discover())}}}
    own = {"type": "object", "required": ["use"], "not": known}
    schema["properties"]["nodes"]["additionalProperties"] = {"anyOf": [*nodes, partial, own]}
    data = _add_data(definitions)
    schema["properties"]["data"] = {**schema["properties"]["data"], **data}
    schema["properties"]["data"].pop("$ref", None)
    schema["if"] = {"not": {"required": ["components"]}}
    known_set = {"properties": {"use": {"enum": list(DATA_SETS)}}}
    schema["then"] = {"properties": {"nodes": {"additionalProperties": known}, "data": known_set}}
    for part in (schema, *definitions.values()):
        _partial(part)
    text = {"type": "string"}
    schema["properties"]["extends"] = {
        "description": "A graph file, or a list of them, to start from; later ones win.",
        "anyOf": [text, {"type": "array", "items": text}],
    }
    schema["anyOf"] = [{"required": ["extends"]}, {"required": ["graph", "nodes", "flow", "loss"]}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "graphssl graph", **schema}


def _add_data(definitions: dict[str, Any]) -> dict[str, Any]:
    """The section `data:`: with the options of its own where a set has some, and of sets that nobody knows any."""
    plain = [name for name, row in DATA_SETS.items() if row.config is None]
    definitions["Data"]["properties"]["use"].pop("const", None)
    definitions["Data"]["properties"]["use"]["enum"] = plain
    sections: list[Any] = [{"$ref": "#/$defs/Data"}]
    for name in (name for name in DATA_SETS if name not in plain):
        section = data_section(name).model_json_schema(by_alias=True)
        for key, definition in section.pop("$defs", {}).items():
            definitions.setdefault(key, definition)
        section["properties"]["use"] = {"const": name}
        definitions[f"data_{name}"] = section
        sections.append({"$ref": f"#/$defs/data_{name}", "required": ["use"]})
    unknown = {"type": "object", "required": ["use"], "not": {"properties": {"use": {"enum": list(DATA_SETS)}}}}
    return {"anyOf": [*sections, unknown]}


def _partial(part: dict[str, Any]) -> None:
    """Makes of a mapping what a file may hold that extends another: without some keys, or with null to take one out."""
    nothing = {"type": "null"}
    part.pop("required", None)
    for name, value in part.get("properties", {}).items():
        if "oneOf" in value:  # without `use` it may be several of them
            value["anyOf"] = value.pop("oneOf")
        if name != "use":
            described = {word: value[word] for word in ("description", "default") if word in value}
            part["properties"][name] = {"anyOf": [value, nothing], **described}
            _partial(value)
    if isinstance(part.get("additionalProperties"), dict):
        part["additionalProperties"] = {"anyOf": [part["additionalProperties"], nothing]}


def _renamed(part: Any, prefix: str) -> Any:
    """References to a config's own definitions, renamed to those of the whole schema."""
    if isinstance(part, dict):
        return {
            key: value.replace("#/$defs/", f"#/$defs/{prefix}_") if key == "$ref" else _renamed(value, prefix)
            for key, value in part.items()
        }
    return [_renamed(value, prefix) for value in part] if isinstance(part, list) else part

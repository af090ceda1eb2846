"""The JSON schema of graph files, for completion and checks in editors: all sections and all components."""

from __future__ import annotations

from typing import Any

from .component import discover
from .nodes import Every
from .spec import GraphFile


def graph_schema() -> dict[str, Any]:
    """The schema of a graph file. A file that `extends` another needs none of the sections."""
    schema = GraphFile.model_json_schema(by_alias=True)
    definitions = schema.setdefault("$defs", {})
    nodes: list[Any] = []
    every = Every.model_json_schema()["properties"]
    for name, component in sorted(discover().items()):
        config = component.config.model_json_schema(by_alias=True)
        prefix = name.replace(".", "_")
        for key, definition in config.pop("$defs", {}).items():
            definitions[f"{prefix}_{key}"] = _renamed(definition, prefix)
        config = _renamed(config, prefix)
        config["properties"] = {"use": {"const": name}, **config.get("properties", {}), **every}
        config["required"] = ["use", *config.get("required", [])]
        config["description"] = component.summary
        definitions[prefix] = config
        nodes.append({"$ref": f"#/$defs/{prefix}"})
    # A node of a file that extends another may leave `use` to its parent.
    partial = {"type": "object", "not": {"required": ["use"]}}
    node = {"anyOf": [*nodes, partial, {"type": "null"}], "properties": {"use": {"enum": sorted(discover())}}}
    schema["properties"]["nodes"]["additionalProperties"] = node
    text = {"type": "string"}
    schema["properties"]["extends"] = {
        "description": "A graph file, or a list of them, to start from; later ones win.",
        "anyOf": [text, {"type": "array", "items": text}],
    }
    schema.pop("required", None)
    schema["anyOf"] = [{"required": ["extends"]}, {"required": ["graph", "nodes", "flow", "loss"]}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "graphssl graph", **schema}


def _renamed(part: Any, prefix: str) -> Any:
    """References to a config's own definitions, renamed to those of the whole schema."""
    if isinstance(part, dict):
        return {
            key: value.replace("#/$defs/", f"#/$defs/{prefix}_") if key == "$ref" else _renamed(value, prefix)
            for key, value in part.items()
        }
    return [_renamed(value, prefix) for value in part] if isinstance(part, list) else part

"""Which option of a node gives it a part or a port that it has not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import RAISED
from .nodes import Node

__all__ = ["switch_for"]

NUMBER = re.compile(r"\d{1,4}$")


def switch_for(name: str, node: Node, nodes: Mapping[str, Node | None]) -> str | None:
    """A hint that names the option; None where no single one makes the difference."""
    if "average" in node.component.traits:  # it has the parts of what it follows
        followed = (other for ref in node.refs() if (other := nodes.get(ref)) is not None)
        return next((hint for other in followed if (hint := switch_for(name, other, nodes))), None)
    of = {ref: other.forward for ref in node.refs() if (other := nodes.get(ref)) is not None}
    for key, value in _switched(name, node):
        try:
            config = type(node.config).model_validate({**node.config.model_dump(by_alias=True), key: value})
            ports = node.component.signature(config, of)
        except RAISED:  # an option that may not be so, or a component that fails: no hint
            continue
        if name in {port.name for port in (*ports.inputs, *ports.outputs)}:
            said = "true" if value is True else f"[{', '.join(map(str, value))}]"
            return f"'{node.name}' has it with {key}: {said}"
    return None


def _switched(name: str, node: Node) -> Iterator[tuple[str, Any]]:
    """Options that are off, turned on; and lists, with the name at their end."""
    for key, value in node.config:
        if value is False:
            yield key, True
        elif isinstance(value, list | tuple) or value is None:
            yield key, [*(value or ()), name]
            if number := NUMBER.search(name):  # layers: [2] for layer2
                yield key, [*(value or ()), int(number[0])]

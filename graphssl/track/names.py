"""Names and values as MLflow takes them: flat, of few characters, not too long."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import escaped

LONGEST_NAME = 250
LONGEST_PARAM = 6000
LONGEST_TAG = 5000


def flatten(values: Mapping[str, Any]) -> dict[str, str]:
    """A nested mapping as dotted keys and text; lists and what is not text as JSON.

    >>> flatten({"nodes": {"queue": {"use": "negatives.queue", "size": 64}}})
    {'nodes.queue.use': 'negatives.queue', 'nodes.queue.size': '64'}
    """
    flat: dict[str, str] = {}
    for key, value in leaves(values):
        name = free = clean_name(key)
        number = 2
        while free in flat:
            suffix = f"_{number}"
            free, number = name[: LONGEST_NAME - len(suffix)] + suffix, number + 1
        flat[free] = as_shown(as_text(value), LONGEST_PARAM)
    return flat


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a nested mapping by dotted keys; an empty mapping is a value."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def as_text(value: Any) -> str:
    """Text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def clean_name(name: str) -> str:
    """A name MLflow takes for a metric, parameter or tag: others of its characters become `_`.

    >>> clean_name("s[0]=x/../y")
    's_0__x/_/y'
    """
    parts = re.sub(r"[^\w.\- /]", "_", name).split("/")
    return "/".join(p if p.strip(". ") else "_" for p in parts)[:LONGEST_NAME]


def as_shown(text: str, longest: int) -> str:
    """A value as MLflow's pages can show it: escaped, and not too long."""
    return clip(escaped(text), longest)


def clip(text: str, longest: int) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1] + "…"

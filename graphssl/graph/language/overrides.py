"""Changes from the command line: `--set nodes.queue.size=65536`."""

from __future__ import annotations

from typing import Any

from ...errors import Problems, Span
from . import yaml
from .source import SET, Source, Table
from .yaml import Places

__all__ = ["read_change"]


def read_change(text: str, problems: Problems) -> Source | None:
    """`nodes.queue.size=65536` as a source that holds just that; the value is YAML. None where something is wrong."""
    name, equals, value = text.partition("=")
    span = Span(SET, 1, 1, max(len(name), 1), text)
    keys = tuple(k.strip() for k in name.split("."))
    if not equals or not all(keys):
        problems.add("a change is written KEY=VALUE", span, "as in --set nodes.queue.size=65536")
        return None
    for i, key in enumerate(keys):
        if key.isdecimal():
            hint = f"change the whole list: --set {'.'.join(keys[:i])}=[...]"
            problems.add("an entry of a list has no key of its own", span, hint)
            return None
    document = yaml.read(value, SET, problems)
    if document is None:
        return None
    start = len(name) + 1

    def moved(inner: Span) -> Span:
        return Span(SET, 1, inner.column + start, inner.length, text) if inner.line == 1 else span

    whole = Span(SET, 1, start + 1, max(len(value), 1), text)
    data: Any = document.data
    for key in reversed(keys):
        data = {key: data}
    places: Table = {keys[:i]: Places(span, span) for i in range(1, len(keys))}
    places[keys] = Places(span, whole)
    places |= {(*keys, *p): Places(moved(w.key), moved(w.value)) for p, w in document.places.items()}
    return Source(data, places)

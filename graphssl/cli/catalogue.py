"""The node library as a page of documentation, made from the components themselves."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator

from ..component import Component, discover
from ..ports import Signature
from .describe import config_rows

ORIGIN = "graphssl.components"
HEAD = """\
# The components

Made by `graphssl components --markdown > docs/components.md`. `graphssl components NAME` says the same of a component,
also of your own. Axes: `b` batch, `d` and `e` embedding, `n` negatives, `c h w` image or map, `r k` rows and columns of
a grid of positions, `...` any axes or none. A node that takes `b d` takes `b r k d` position by position.
"""


def catalogue() -> str:
    """All built-in components in Markdown, by kind: what each is, its ports, its config, its updates."""
    kinds: dict[str, list[Component]] = defaultdict(list)
    for entry in discover().values():
        if entry.cls.__module__.startswith(ORIGIN):
            kinds[entry.name.partition(".")[0]].append(entry)
    parts = [HEAD, *_contents(kinds)]
    for kind in sorted(kinds):
        parts += ["", f"## {kind}", *(line for entry in _sorted(kinds[kind]) for line in _entry(entry))]
    return "\n".join(parts) + "\n"


def _sorted(entries: list[Component]) -> list[Component]:
    return sorted(entries, key=lambda c: c.name)


def _contents(kinds: dict[str, list[Component]]) -> Iterator[str]:
    for kind in sorted(kinds):
        names = ", ".join(f"[{c.name}](#{c.name.replace('.', '')})" for c in _sorted(kinds[kind]))
        yield f"- **{kind}**: {names}"


def _entry(entry: Component) -> Iterator[str]:
    yield from ("", f"### {entry.name}", "", inspect.getdoc(entry.cls) or "", "")
    yield from ("```", *_call("NODE", entry.forward))
    for name, ports in entry.updates.items():
        yield from _call(f"update: NODE: {name}", ports)
    yield "```"
    rows = list(config_rows(entry))
    if rows:
        yield from ("", "| key | takes | default | |", "| --- | --- | --- | --- |")
    for key, takes, default, meaning in rows:
        cells = (key, takes, "required" if default is None else default, meaning)
        yield f"| {' | '.join(cell.replace('|', 'or') for cell in cells)} |"


def _call(name: str, ports: Signature) -> Iterator[str]:
    yield f"{name}({', '.join(f'{p.name}: {p}' for p in ports.inputs)})"
    for port in ports.outputs:
        yield f"    -> {'.' + port.name + ': ' if port.name else ''}{port}"

"""What `graphssl components` prints: all of them, one in full, or all of them as a page of documentation."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator

from ..component import Component, discover, find
from ..ports import Signature
from .config import option_rows
from .table import table

__all__ = ["component_text", "components_page", "components_text"]

ORIGIN = "graphssl.components"
HEAD = """\
# The components

Made by `graphssl components --markdown > docs/components.md`. `graphssl components NAME` says the same of a component,
also of your own. Axes: `b` batch, `d` and `e` embedding, `n` negatives, `c h w` image or map, `r k` rows and columns of
a grid of positions, `...` any axes or none. A node that takes `b d` takes `b r k d` position by position.
"""


def components_text() -> str:
    """All components by kind, a line each."""
    blocks = [
        f"{kind}\n{table([[f'  {c.name}', c.summary] for c in entries])}"
        for kind, entries in _by_kind(discover().values()).items()
    ]
    return "\n\n".join([*blocks, "`graphssl components NAME` shows ports, config and source."])


def _by_kind(entries: Iterable[Component]) -> dict[str, list[Component]]:
    """Kinds and names in their alphabetical order."""
    kinds: dict[str, list[Component]] = {}
    for entry in sorted(entries, key=lambda c: (_kind(c), c.name)):
        kinds.setdefault(_kind(entry), []).append(entry)
    return kinds


def _kind(entry: Component) -> str:
    return entry.name.partition(".")[0]


def component_text(name: str) -> str:
    """A component: what it is, its ports, config, updates and origin. Raises LookupError with a suggestion."""
    kind = [c for key, c in discover().items() if key.startswith(f"{name}.")]
    if kind:
        return "\n\n\n".join(component_text(c.name) for c in kind)
    entry = find(name)
    blocks = [
        entry.name,
        inspect.getdoc(entry.cls) or "",
        "config\n" + _config(entry),
        "call\n" + _ports(entry.forward),
    ]
    blocks += [_update(entry, method, signature) for method, signature in entry.updates.items()]
    blocks += [_formerly(entry)] if entry.formerly else []
    if entry.detached:
        blocks.append("Its output never carries a gradient.")
    return "\n\n".join(b for b in [*blocks, f"source: {entry.origin}"] if b)


def _formerly(entry: Component) -> str:
    return f"Formerly {', '.join(f'`{name}`' for name in entry.formerly)}."


def _update(entry: Component, method: str, signature: Signature) -> str:
    doc = inspect.getdoc(getattr(entry.cls, method)) or ""
    call = f"update: NODE: {method}({', '.join(p.name for p in signature.inputs)})"
    return "\n".join([call, _ports(signature), *(f"  {line}" for line in doc.splitlines()[:1])])


def _ports(signature: Signature) -> str:
    lines = [f"  {port.name}: {port}" for port in signature.inputs] or ["  takes nothing"]
    lines += [f"  -> {port.name + ': ' if port.name else ''}{port}" for port in signature.outputs]
    return "\n".join(lines)


def _config(entry: Component) -> str:
    rows = [
        [f"  {key}", takes, "required" if default is None else f"= {default}", meaning]
        for key, takes, default, meaning in option_rows(entry.config)
    ]
    return table(rows) if rows else "  none"


# -- as a page -----------------------------------------------------------------------------------------------------


def components_page() -> str:
    """All built-in components in Markdown, by kind: what each is, its ports, its config, its updates."""
    kinds = _by_kind(c for c in discover().values() if c.cls.__module__.startswith(ORIGIN))
    parts = [HEAD, *(_contents(kind, entries) for kind, entries in kinds.items())]
    for kind, entries in kinds.items():
        parts += ["", f"## {kind}", *(line for entry in entries for line in _entry(entry))]
    return "\n".join(parts) + "\n"


def _contents(kind: str, entries: Iterable[Component]) -> str:
    names = ", ".join(f"[{c.name}](#{c.name.replace('.', '')})" for c in entries)
    return f"- **{kind}**: {names}"


def _entry(entry: Component) -> Iterator[str]:
    yield from ("", f"### {entry.name}", "", inspect.getdoc(entry.cls) or "", "")
    if entry.formerly:
        yield from (_formerly(entry), "")
    yield from ("```", *_call("NODE", entry.forward))
    for name, ports in entry.updates.items():
        yield from _call(f"update: NODE: {name}", ports)
    yield "```"
    rows = list(option_rows(entry.config))
    if rows:
        yield from ("", "| key | takes | default | |", "| --- | --- | --- | --- |")
    for key, takes, default, meaning in rows:
        cells = (key, takes, "required" if default is None else default, meaning)
        yield f"| {' | '.join(cell.replace('|', 'or') for cell in cells)} |"


def _call(name: str, ports: Signature) -> Iterator[str]:
    yield f"{name}({', '.join(f'{p.name}: {p}' for p in ports.inputs)})"
    for port in ports.outputs:
        yield f"    -> {'.' + port.name + ': ' if port.name else ''}{port}"

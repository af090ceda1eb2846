"""What nodes, values and loss terms may be called."""

from __future__ import annotations

import keyword

from torch import fx, nn

from ..errors import Problems, Span

__all__ = ["check_name", "may_name"]

RESERVED = {"batch", "stopgrad", "views", "self"}
TAKEN = frozenset(dir(fx.GraphModule(nn.Module(), fx.Graph())))  # nodes become attributes of such a module


def may_name(name: str, what: str) -> bool:
    """Whether a `node`, a `value` or a `loss term` may have this name."""
    return not _objection(name, what)


def check_name(name: str, what: str, span: Span | None, problems: Problems) -> bool:
    """As `may_name`; notes a name that may not be had."""
    if objection := _objection(name, what):
        problems.add(objection, span, about=name)
    return not objection


def _objection(name: str, what: str) -> str:
    if not name.isidentifier() or keyword.iskeyword(name):
        return f"'{name}' cannot name a {what}: a name is letters, digits and _, and no word of Python"
    if name in RESERVED or name.startswith("__"):
        return f"'{name}' cannot name a {what}: the word has a meaning of its own"
    if what == "node" and (name in TAKEN or name.startswith("_")):
        return f"'{name}' cannot name a node: a torch module already has something of that name"
    return ""

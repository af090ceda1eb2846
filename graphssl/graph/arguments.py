"""Which expression of a call goes to which port, and whether its value is one for that port."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import Problems, Span, suggest
from ..ports import Port, Signature
from .calls import Value
from .language import expressions as e

__all__ = ["check_kind", "match_ports", "usage_of"]

KIND_HINTS = {
    ("scores", "tensor"): "an objective takes what a critic gives: objective(critic(query, key))",
    ("tensor", "negatives"): "negatives go to a critic, as its third value",
    ("negatives", "tensor"): "a queue, a memory bank or an in-batch node gives negatives",
    ("tensor", "scores"): "scores go to an objective",
    ("tensor", "gaussian"): "a distribution is sampled first",
}


def match_ports(
    title: str, ports: Signature, call: e.Call, problems: Problems, switch: Callable[[str], str | None] | None = None
) -> dict[str, e.Expr]:
    """The expressions by port; notes what is missing, unknown, given twice or too many.

    title: of the method, `encoder` or `queue.push`. switch: tells which option gives a port of a name, if one does.
    """
    names = [p.name for p in ports.inputs]
    usage = usage_of(title, ports)
    given = dict(zip(names, call.args, strict=False))
    for extra in call.args[len(names) :]:
        problems.add(f"{title} takes {_count(len(names), 'value')}, this is one more", extra.span, usage)
    for key, argument in call.keywords.items():
        if key not in names:
            close = suggest(key, [*names, *e.OPTIONS])
            hint = close if close.near else (switch(key) if switch else None) or usage
            problems.add(f"{title} has no port '{key}'", argument.span, hint, kind="unknown")
        elif key in given:
            problems.add(f"the port '{key}' of {title} is given twice", argument.span)
        else:
            given[key] = argument
    missing = [f"'{p.name}': {p}" for p in ports.inputs if p.name not in given and not p.optional]
    if missing:
        problems.add(f"{title} needs {' and '.join(missing)}", call.span, usage, kind="missing")
    return given


def check_kind(title: str, port: Port, value: Value, span: Span, problems: Problems) -> bool:
    """Whether a value is of the kind that a port takes; notes one of another kind."""
    wrong = next((s for s in value.slots if s.kind != port.kind), None)
    if wrong is not None:
        message = f"{title}.{port.name} takes {port}, but gets {wrong.kind} from {wrong}"
        problems.add(message, span, KIND_HINTS.get((port.kind, wrong.kind)))
    return wrong is None


def usage_of(title: str, ports: Signature) -> str:
    """A hint: how a method is called."""
    return f"it is {title}({', '.join(_shown(p) + (' = ...' if p.optional else '') for p in ports.inputs)})"


def _shown(port: Port) -> str:
    """The port's name; of one that takes the numbers of samples the field that has them."""
    return "batch.index" if port.name == "index" and port.axes == (("b",),) else port.name


def _count(n: int, what: str) -> str:
    return f"{n or 'no'} {what}{'' if n == 1 else 's'}"

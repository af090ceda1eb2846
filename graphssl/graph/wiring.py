"""From expressions to calls: names are resolved, arguments matched to ports.

Whatever is wrong is noted and stands as None from there on; what depends on None is skipped, so that one mistake
is reported once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import Problem, Span, suggest
from ..language import expressions as e
from ..language.source import Source
from ..ports import Port, Signature
from .calls import CallList, Slot, Value
from .nodes import Node
from .views import Expansion

BUILT_IN = ("stopgrad", "views")
BATCH_AXES = {"image": ("b", "c", "h", "w"), "index": ("b",), "label": ("b",)}
KIND_HINTS = {
    ("scores", "tensor"): "an objective takes what a critic gives: objective(critic(query, key))",
    ("tensor", "negatives"): "negatives go to a critic, as its third value",
    ("negatives", "tensor"): "a queue, a memory bank or an in-batch node gives negatives",
    ("tensor", "scores"): "scores go to an objective",
    ("tensor", "gaussian"): "a distribution is sampled first",
}


@dataclass
class Wiring:
    """Reads lines into a list of calls. `values` are the names of the flow so far, None for one in error.

    refused: names that nodes or values were given and may not have; a name that nobody knows may stand for one.
    misplaced: nodes whose update is called outside of `update:`.
    """

    nodes: Mapping[str, Node | None]
    calls: CallList
    source: Source = field(default_factory=Source)
    values: dict[str, Value | None] = field(default_factory=dict)
    batch: dict[str, Slot] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    misplaced: set[str] = field(default_factory=set)
    _known: dict[object, Value] = field(default_factory=dict)

    def line(self, section: str, name: str, expression: e.Expr) -> Value | None:
        """The value of one line of `flow:` or `loss:`, which the line calls `name`."""
        self.calls.section, self.calls.line = section, name
        return self._value(expression, name)

    def update(self, node: Node, call: e.Call) -> None:
        """One line of `update:`: a call of an update method of a stateful node."""
        self.calls.section, self.calls.line = "update", node.name
        self._invoke(node, call.node, node.component.updates[call.node], call, node.name)

    # -- expressions ---------------------------------------------------------------------------------------

    def _value(self, expression: e.Expr, name: str | None = None) -> Value | None:
        match expression:
            case e.Name():
                return self._name(expression)
            case e.Batch():
                return Value((self._batch_field(expression),))
            case e.Part():
                return self._part(expression)
            case e.Index():
                return self._index(expression)
            case e.Call(node="stopgrad"):
                return self._stopgrad(expression, name)
            case e.Call(node="views"):
                return self._views(expression)
        return self._call(expression, name)

    def _name(self, expression: e.Name) -> Value | None:
        name = expression.id
        if name in self.values:
            self.used.add(name)
            return self.values[name]
        if name in self.nodes:
            return self._problem(f"'{name}' is a node, not a value", expression.span, f"call it: {name}(...)")
        names = [*self.values, *(f"batch.{field}" for field in BATCH_AXES)]
        return self.unknown("value", name, expression.span, names, self._removed("flow", name))

    def _batch_field(self, expression: e.Batch) -> Slot:
        name = expression.field
        if name not in self.batch:
            slot = self.calls.slot(name, "tensor", (BATCH_AXES[name],), f"batch.{name}", name, span=expression.span)
            self.batch[name] = slot
        return self.batch[name]

    def _part(self, expression: e.Part) -> Value | None:
        value = self._value(expression.value)
        if value is None:
            return None
        if value.parts is None:
            return self._problem(f"this is one value: it has no part '{expression.name}'", expression.span)
        if expression.name not in value.parts:
            hint = suggest(expression.name, value.parts, "its parts are").text
            return self._problem(f"no part is called '{expression.name}'", expression.span, hint)
        return value.parts[expression.name]

    def _index(self, expression: e.Index) -> Value | None:
        value = self._whole(expression.value)
        if value is None:
            return None
        if value.tags is None:
            return self._problem("this is one value, not a family of views: it has no index", expression.span)
        views = f"there are {len(value)} views, numbered from 0" if len(value) > 1 else "there is one view, number 0"
        if expression.many:
            chosen = slice(expression.start, expression.stop)
            if not value.slots[chosen]:
                return self._problem(f"this takes no view: {views}", expression.span)
            return Value(value.slots[chosen], value.tags[chosen])
        at = expression.start or 0
        if not -len(value) <= at < len(value):
            return self._problem(f"there is no view {at}: {views}", expression.span)
        return Value((value.slots[at],))

    def _whole(self, expression: e.Expr) -> Value | None:
        """A value that is not several parts."""
        value = self._value(expression)
        if value is not None and value.parts is not None:
            hint = f"take one of them, {' or '.join(f'.{name}' for name in value.parts)}, or give each a name"
            return self._problem("this has several parts, and one is needed here", expression.span, hint)
        if value is not None and not value.slots:
            return self._problem("this gives no value", expression.span)
        return value

    # -- built-ins -----------------------------------------------------------------------------------------

    def _built_in(self, call: e.Call, least: int, most: int) -> list[Value] | None:
        values = [self._whole(a) for a in call.args]
        for key, (_, span) in call.options.items():
            return self._problem(f"{call.node}() takes no '{key}='", span)
        for key, value in call.keywords.items():
            return self._problem(f"{call.node}() takes no '{key}='", value.span)
        if not least <= len(call.args) <= most:
            wants = "one value" if most == 1 else "two or more values"
            return self._problem(f"{call.node}() takes {wants}, not {len(call.args)}", call.span)
        known = [v for v in values if v is not None]
        return known if len(known) == len(values) else None

    def _stopgrad(self, call: e.Call, name: str | None) -> Value | None:
        values = self._built_in(call, 1, 1)
        if values is None:
            return None
        (value,) = values
        if value.slots[0].kind != "tensor":
            return self._problem(f"stopgrad() takes a tensor, not {value.slots[0].kind}", call.span)
        slots = []
        for i, slot in enumerate(value.slots):
            label = (f"{name}_{i}" if value.family else name) if name else f"{slot.name}_detached"
            out = self.calls.slot(label, slot.kind, slot.axes, "stopgrad", span=call.span)
            self.calls.add("stopgrad", "forward", {"value": slot}, (out,), call.span)
            slots.append(out)
        return Value(tuple(slots), value.tags)

    def _views(self, call: e.Call) -> Value | None:
        values = self._built_in(call, 2, 1000)
        if values is None:
            return None
        kinds = sorted({s.kind for v in values for s in v.slots})
        if len(kinds) > 1:
            return self._problem(f"views() joins values of one kind, not {' and '.join(kinds)}", call.span)
        # A single value becomes a view of its own, different from all others.
        tags = [v.tags if v.tags is not None else (("one", v.slots[0].id),) for v in values]
        return Value(tuple(s for v in values for s in v.slots), tuple(t for ts in tags for t in ts))

    # -- calls ---------------------------------------------------------------------------------------------

    def _call(self, call: e.Call, name: str | None) -> Value | None:
        node = self.nodes.get(call.node)
        if node is not None:
            self.called.add(call.node)
            return self._invoke(node, "forward", node.forward, call, name or call.node)
        for argument in (*call.args, *call.keywords.values()):
            self._value(argument)
        if call.node in self.nodes:
            self.called.add(call.node)
            return None
        if call.node in self.values:
            return self._problem(f"'{call.node}' is a value, not a node: it cannot be called", call.name_span)
        hint = self._removed("nodes", call.node) or self._as_update(call.node)
        return self.unknown("node", call.node, call.name_span, [*self.nodes, *BUILT_IN], hint)

    def _removed(self, section: str, name: str) -> str | None:
        """A hint where a line is left over from another graph, and what it uses was taken out."""
        removal = self.source.removal((section, name))
        return f"{removal}; change this line too, or take it out with null" if removal else None

    def _as_update(self, method: str) -> str | None:
        """A hint where an update is written as a call of the flow."""
        names = [n for n, node in self.nodes.items() if node is not None and method in node.component.updates]
        self.misplaced.update(names)
        return f"'{method}' is an update: it stands under update:, as in {names[0]}: {method}(...)" if names else None

    def unknown(
        self, what: str, name: str, span: Span, names: Iterable[str], hint: str | None = None, plural: str = ""
    ) -> None:
        """Notes a name that is nobody's: once, if it is like no other, and not where it may stand for one refused."""
        near = suggest(name, [n for n in names if n not in self.refused], f"{plural or f'{what}s'} are").text
        message = f"no {what} is called '{name}'"
        told = self.refused or any(p.message.endswith(f" is called '{name}'") for p in self.calls.problems)
        if hint or not told or (near or "").startswith("did you mean"):
            self._problem(message, span, hint or near)

    def _invoke(self, node: Node, method: str, ports: Signature, call: e.Call, name: str) -> Value | None:
        """Calls a method once for each view. The same call twice is one call, unless the node is random."""
        title = node.name if method == "forward" else f"{node.name}.{method}"
        arguments = self._arguments(title, ports, call)
        if arguments is None:
            return None
        if call.options.get("views", ("",))[0] == "fold" and not all(map(_has_batch, ports.outputs)):
            message = f"views=fold joins views along the batch, and {title} gives nothing that could be parted again"
            return self._problem(message, call.options["views"][1], "leave it out")
        options = tuple((k, v) for k, (v, _) in sorted(call.options.items()))
        key = (title, options, tuple((k, v.slots, v.tags) for k, v in arguments.items()))
        if key in self._known and not ports.draws:
            return self._known[key]
        lengths = node.component.views(node.config) if method == "forward" else {}
        value = Expansion(self.calls, node.name, method, ports, lengths, call, arguments).make(name)
        if value is not None:
            self._known[key] = value
        return value

    def _arguments(self, title: str, ports: Signature, call: e.Call) -> dict[str, Value] | None:
        """Arguments by port, in the order of the ports."""
        given, good = self._match(title, ports, call)
        values = {p.name: self._argument(title, p, given[p.name]) for p in ports.inputs if p.name in given}
        known = {k: v for k, v in values.items() if v is not None}
        return known if good and len(known) == len(values) else None

    def _match(self, title: str, ports: Signature, call: e.Call) -> tuple[dict[str, e.Expr], bool]:
        """Expressions by port; false when one is missing, unknown, given twice or too many."""
        before = len(self.calls.problems)
        names = [p.name for p in ports.inputs]
        usage = f"it is {title}({', '.join(p.name + (' = ...' if p.optional else '') for p in ports.inputs)})"
        given = dict(zip(names, call.args, strict=False))
        for extra in call.args[len(names) :]:
            self._problem(f"{title} takes {_count(len(names), 'value')}, this is one more", extra.span, usage)
        for key, argument in call.keywords.items():
            if key not in names:
                hint = suggest(key, [*names, *e.OPTIONS], "its ports are").text or usage
                if not hint.startswith("did you mean"):
                    hint = usage
                self._problem(f"{title} has no port '{key}'", argument.span, hint)
            elif key in given:
                self._problem(f"the port '{key}' of {title} is given twice", argument.span)
            else:
                given[key] = argument
        missing = [f"'{p.name}': {p}" for p in ports.inputs if p.name not in given and not p.optional]
        if missing:
            self._problem(f"{title} needs {' and '.join(missing)}", call.span, usage)
        return given, len(self.calls.problems) == before

    def _argument(self, title: str, port: Port, expression: e.Expr) -> Value | None:
        value = self._whole(expression)
        if value is None:
            return None
        wrong: Sequence[Slot] = [s for s in value.slots if s.kind != port.kind]
        if wrong:
            message = f"{title}.{port.name} takes {port}, but gets {wrong[0].kind} from {wrong[0]}"
            return self._problem(message, expression.span, KIND_HINTS.get((port.kind, wrong[0].kind)))
        return value

    def _problem(self, message: str, span: Span, hint: str | None = None) -> None:
        """Notes a problem; `return self._problem(...)` is how a search ends in None."""
        self.calls.problems.append(Problem(message, span, hint))


def _has_batch(port: Port) -> bool:
    return not port.family and all(axes[:1] == ("b",) for axes in port.axes)


def _count(n: int, what: str) -> str:
    return f"{n or 'no'} {what}{'' if n == 1 else 's'}"

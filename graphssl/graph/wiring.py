"""From expressions to calls: each value is followed to the slots that it stands for, each call to what it gives.

Whatever is wrong is noted and stands as None from there on; what depends on None is skipped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from ..errors import Problems
from ..ports import Port, Signature
from .arguments import check_kind, match_ports
from .calls import CallList, Slot, Value
from .language import expressions as e
from .nodes import Node
from .scope import BATCH_AXES, Scope
from .switches import switch_for
from .views import Expansion

__all__ = ["Wiring"]


@dataclass
class Wiring:
    """Reads lines into a list of calls. batch: the fields of the batch that they read."""

    scope: Scope
    calls: CallList = field(default_factory=CallList)
    batch: dict[str, Slot] = field(default_factory=dict)
    _known: dict[object, Value] = field(default_factory=dict)

    @property
    def problems(self) -> Problems:
        return self.scope.problems

    def line(self, section: str, name: str, expression: e.Expr) -> Value | None:
        """The value of one line of `flow:` or `loss:`, which the line calls `name`."""
        self.calls.section, self.calls.line = section, name
        return self._value(expression, name)

    def update(self, node: Node, call: e.Call, every: str) -> None:
        """One line of `update:`: a call of an update method of a stateful node, each step or each epoch.

        Calls within it are the step's, as those of the flow: their values are carried to the update.
        """
        self.calls.section, self.calls.line = "flow", node.name
        ports = node.component.updates[call.node]
        if (arguments := self._arguments(f"{node.name}.{call.node}", ports, call)) is None:
            return
        self.calls.section, self.calls.every = "update", every
        self._expand(node, call.node, ports, call, arguments, node.name)
        self.calls.every = "step"

    # -- expressions ---------------------------------------------------------------------------------------

    def _value(self, expression: e.Expr, name: str | None = None) -> Value | None:
        match expression:
            case e.Name():
                return self.scope.value(expression)
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
            message = f"this is one value: it has no part '{expression.name}'"
            self.problems.add(message, expression.span, self._switch(expression.name, value))
        elif expression.name not in value.parts:
            self.problems.unknown_name("part", expression.name, expression.span, value.parts, plural="its parts")
        else:
            return value.parts[expression.name]
        return None

    def _switch(self, part: str, value: Value) -> str | None:
        node = self.scope.nodes.get(value.slots[0].node)
        return None if node is None else switch_for(part, node, self.scope.nodes)

    def _index(self, expression: e.Index) -> Value | None:
        value = self._whole(expression.value)
        if value is None:
            return None
        if value.tags is None:
            self.problems.add("this is one value, not a family of views: it has no index", expression.span)
            return None
        views = f"there are {len(value)} views, numbered from 0" if len(value) > 1 else "there is one view, number 0"
        at = expression.start or 0
        if expression.many:
            chosen = slice(expression.start, expression.stop)
            if value.slots[chosen]:
                return Value(value.slots[chosen], value.tags[chosen])
            self.problems.add(f"this takes no view: {views}", expression.span)
        elif -len(value) <= at < len(value):
            return Value((value.slots[at],))
        else:
            self.problems.add(f"there is no view {at}: {views}", expression.span)
        return None

    def _whole(self, expression: e.Expr) -> Value | None:
        """A value that is not several parts."""
        value = self._value(expression)
        if value is not None and value.parts is not None:
            hint = f"take one of them, {' or '.join(f'.{name}' for name in value.parts)}, or give each a name"
            self.problems.add("this has several parts, and one is needed here", expression.span, hint)
            return None
        if value is not None and not value.slots:
            self.problems.add("this gives no value", expression.span)
            return None
        return value

    # -- built-ins -----------------------------------------------------------------------------------------

    def _built_in(self, call: e.Call, least: int, most: int, parts: bool = False) -> list[Value] | None:
        """The values that a built-in takes: so many, and nothing else; parts: one may have several."""
        values = [self._value(a) if parts else self._whole(a) for a in call.args]
        others = {k: span for k, (_, span) in call.options.items()} | {k: v.span for k, v in call.keywords.items()}
        if others:
            key, span = next(iter(others.items()))
            self.problems.add(f"{call.node}() takes no '{key}='", span)
            return None
        if not least <= len(call.args) <= most:
            wants = "one value" if most == 1 else "two or more values"
            self.problems.add(f"{call.node}() takes {wants}, not {len(call.args)}", call.span)
            return None
        known = [v for v in values if v is not None]
        return known if len(known) == len(values) else None

    def _stopgrad(self, call: e.Call, name: str | None) -> Value | None:
        values = self._built_in(call, 1, 1, parts=True)
        if values is None:
            return None
        (value,) = values
        if value.parts is not None:
            label = "" if name is None else f"{name}_"
            stopped = {part: self._stopped(one, call, f"{label}{part}") for part, one in value.parts.items()}
            known = {part: one for part, one in stopped.items() if one is not None}
            return Value(parts=known) if len(known) == len(stopped) else None
        return self._stopped(value, call, name)

    def _stopped(self, value: Value, call: e.Call, name: str | None) -> Value | None:
        """The same without a gradient."""
        if not value.slots or value.slots[0].kind != "tensor":
            what = value.slots[0].kind if value.slots else "what gives no value"
            self.problems.add(f"stopgrad() takes a tensor, not {what}", call.span)
            return None
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
            self.problems.add(f"views() joins values of one kind, not {' and '.join(kinds)}", call.span)
            return None
        # A single value becomes a view of its own, different from all others.
        tags = [v.tags if v.tags is not None else (("one", v.slots[0].id),) for v in values]
        return Value(tuple(s for v in values for s in v.slots), tuple(t for ts in tags for t in ts))

    # -- calls ---------------------------------------------------------------------------------------------

    def _call(self, call: e.Call, name: str | None) -> Value | None:
        node = self.scope.nodes.get(call.node)
        if node is not None:
            arguments = self._arguments(node.name, node.forward, call)
            if arguments is None:
                return None
            return self._expand(node, "forward", node.forward, call, arguments, name or call.node)
        for argument in (*call.args, *call.keywords.values()):
            self._value(argument)
        if call.node not in self.scope.nodes:
            self.scope.not_a_node(call.node, call.name_span)
        return None

    def _expand(
        self, node: Node, method: str, ports: Signature, call: e.Call, arguments: dict[str, Value], name: str
    ) -> Value | None:
        """The call for each view of its arguments; the same as before where it was made before."""
        title = node.name if method == "forward" else f"{node.name}.{method}"
        if call.option("views") == "fold" and not all(map(_has_batch, ports.outputs)):
            message = f"views=fold joins views along the batch, and {title} gives nothing that could be parted again"
            self.problems.add(message, call.place_of("views"), "leave it out")
            return None
        options = tuple((k, v) for k, (v, _) in sorted(call.options.items()))
        key = (title, options, tuple((k, v.slots, v.tags) for k, v in arguments.items()))
        if key in self._known and not ports.draws:
            return self._known[key]
        lengths = node.component.views(node.config) if method == "forward" else {}
        value = Expansion(self.calls, node.name, method, ports, lengths, call, arguments, self.problems).make(name)
        if value is not None:
            self._known[key] = value
        return value

    def _arguments(self, title: str, ports: Signature, call: e.Call) -> dict[str, Value] | None:
        """The arguments by port, in the order of the ports; None where one is wrong."""
        before = len(self.problems)
        node = self.scope.nodes.get(title)
        switch = None if node is None else partial(switch_for, node=node, nodes=self.scope.nodes)
        given = match_ports(title, ports, call, self.problems, switch)
        values: dict[str, Value] = {}
        for port in ports.inputs:
            if port.name in given and (value := self._argument(title, port, given[port.name])) is not None:
                values[port.name] = value
        return values if len(values) == len(given) and len(self.problems) == before else None

    def _argument(self, title: str, port: Port, expression: e.Expr) -> Value | None:
        value = self._whole(expression)
        fits = value is not None and check_kind(title, port, value, expression.span, self.problems)
        return value if fits else None


def _has_batch(port: Port) -> bool:
    return not port.family and all(axes[:1] == ("b",) for axes in port.axes)

"""Slots, calls and values: what wiring makes of expressions.

A slot holds one tensor (or one Scores, one Negatives) at run time. A call fills slots from slots. A value is what
a name of the flow stands for: one slot, a family of views, or the parts of a component with several outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import Span
from ..ports import FOLDED, Axes, Port

Tag = tuple[object, ...]
PortAxes = tuple[Axes, ...]  # of a port or what it is given, an entry for each tensor of the kind


@dataclass(frozen=True)
class Slot:
    """One result. `node` and `span` say who makes it; `view` is its number in a family that the call gives whole."""

    id: int
    name: str
    kind: str
    axes: PortAxes
    node: str
    output: str
    view: int | None
    span: Span | None

    def __str__(self) -> str:
        return f"{self.node}, line {self.span.line}" if self.span else self.node


Argument = Slot | tuple[Slot, ...] | None


def slots_of(argument: Argument) -> tuple[Slot, ...]:
    """The slots of an argument: one, those of a family, or none."""
    return (argument,) if isinstance(argument, Slot) else argument or ()


@dataclass(frozen=True)
class Call:
    """One line of the step: `outputs = node.method(**args)`.

    fold: how many views are joined along the batch before the call and parted after it; 1 for none.
    grid: how many axes behind the batch, positions that the node does not know, are folded into it and restored.
    every: of an update, `step` or `epoch`, after which it runs.
    node is a node's name, or `stopgrad`.
    """

    id: int
    node: str
    method: str
    args: Mapping[str, Argument]
    outputs: tuple[Slot, ...]
    span: Span
    section: str
    line: str
    fold: int = 1
    draws: bool = False
    grid: int = 0
    every: str = "step"

    def folds(self, slot: Slot | Port) -> bool:
        """Whether the positions of what a slot or a port has are folded into its batch."""
        return self.grid > 0 and slot.kind in FOLDED and slot.axes[0][:1] == ("b",)

    def inputs(self) -> Iterator[Slot]:
        """Every slot that the call reads, in the order of the ports."""
        for argument in self.args.values():
            yield from slots_of(argument)

    def arguments(self, ports: Sequence[Port], convert: Callable[[Argument], Any]) -> tuple[list[Any], dict[str, Any]]:
        """Arguments for the method: by position up to the first port that is left out, by name after it.

        By position first, because a component may give its ports other names than its parameters have.
        """
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for i, port in enumerate(ports):
            if port.name in self.args:
                value = convert(self.args[port.name])
                if len(args) == i:
                    args.append(value)
                else:
                    kwargs[port.name] = value
        return args, kwargs


@dataclass(frozen=True)
class Value:
    """One slot (tags is None), a family of views with a tag each, or parts by name."""

    slots: tuple[Slot, ...] = ()
    tags: tuple[Tag, ...] | None = None
    parts: Mapping[str, Value] | None = None

    @property
    def family(self) -> bool:
        return self.tags is not None

    def __len__(self) -> int:
        return len(self.slots)

    def all_slots(self) -> Iterator[Slot]:
        """Every slot, those of the parts included."""
        yield from self.slots
        for part in (self.parts or {}).values():
            yield from part.all_slots()

    def describe(self) -> str:
        if self.parts is not None:
            return f"the parts {', '.join(self.parts)}"
        what = self.slots[0].kind
        views = "view" if len(self) == 1 else "views"
        return f"{len(self)} {views} ({what})" if self.family else what


class CallList:
    """The calls made so far, in order; `section`, `line` and `every` are those that are being read."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self.section, self.line, self.every = "flow", "", "step"
        self._slots = 0
        self._names: set[str] = set()

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls)

    def __len__(self) -> int:
        return len(self._calls)

    def slot(
        self, name: str, kind: str, axes: PortAxes, node: str, output: str = "", view: int | None = None,
        span: Span | None = None,
    ) -> Slot:  # fmt: skip
        """A new slot; its name is made unique."""
        self._slots += 1
        unique, count = name, 1
        while unique in self._names:
            count += 1
            unique = f"{name}__{count}"
        self._names.add(unique)
        return Slot(self._slots, unique, kind, axes, node, output, view, span)

    def add(
        self, node: str, method: str, args: Mapping[str, Argument], outputs: tuple[Slot, ...], span: Span,
        fold: int = 1, draws: bool = False, grid: int = 0,
    ) -> None:  # fmt: skip
        """Appends a call of the section and line that are being read."""
        call = Call(len(self), node, method, args, outputs, span, self.section, self.line, fold, draws, grid,
                    self.every)  # fmt: skip
        self._calls.append(call)

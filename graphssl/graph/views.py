"""Calls over views: a call on families of views becomes one call for each view, each pair of views, or one fold."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import Problem, Span
from ..language import expressions as e
from ..ports import FOLDED, GRID, Axes, Port, Signature
from .calls import Argument, CallList, Slot, Tag, Value


def positions(port: Axes, given: Axes) -> Axes:
    """The axes of a grid that a value `b r k d` has behind the batch, and a port `b d` does not know."""
    more = len(given) - len(port)
    extra = given[1 : 1 + more]
    return extra if more > 0 and given[:1] == ("b",) and GRID.issuperset(extra) else ()


@dataclass(frozen=True)
class Pick:
    """One member of the result: which view each family gives, the member's tag, and the end of its name."""

    views: Mapping[str, int]
    tag: Tag
    suffix: str


@dataclass
class Expansion:
    """One call of `node.method`, to be expanded over the views of its arguments.

    lengths: the number of views in each family that the component gives, by output.
    """

    calls: CallList
    node: str
    method: str
    ports: Signature
    lengths: Mapping[str, int]
    call: e.Call
    arguments: Mapping[str, Value]

    def __post_init__(self) -> None:
        self.pairs = self._option("pairs")
        self.views = self._option("views")
        mapped = [p.name for p in self.ports.inputs if not p.family or self.views == "each"]
        self.families = {k: v for k, v in self.arguments.items() if v.family and k in mapped}
        self.grid: Axes = ()

    def make(self, name: str) -> Value | None:
        """Adds the calls to the list; results are named after `name`. None when something is wrong."""
        if not self._on_a_grid():
            return None
        if self.views == "fold":
            return self._fold(name)
        picks = self._picks()
        if picks is None:
            return None
        results = [(self._emit(name + p.suffix, {k: self._pick(k, p) for k in self.arguments}), p.tag) for p in picks]
        return self._join(results)

    # -- positions -----------------------------------------------------------------------------------------

    def _on_a_grid(self) -> bool:
        """Finds the axes of positions that the ports do not know; false where arguments disagree on them."""
        first = [
            (port, value.slots[0].axes[0])
            for port in self.ports.inputs
            if port.kind in FOLDED and (value := self.arguments.get(port.name)) and port.axes[0][:1] == ("b",)
        ]
        found = {port.name: positions(port.axes[0], axes) for port, axes in first if "..." not in port.axes[0]}
        self.grid = next((axes for axes in found.values() if axes), ())
        if not self.grid:
            return True
        for port, axes in first:
            if axes[1 : 1 + len(self.grid)] != self.grid:
                one = next(name for name, given in found.items() if given)
                words = " ".join(self.grid)
                self._problem(f"{self.node}: '{one}' has positions ({words}), and '{port.name}' has none")
                return False
        return True

    # -- which views go together ---------------------------------------------------------------------------

    def _picks(self) -> Sequence[Pick] | None:
        if not self.families:
            if self.pairs:
                return self._problem("there are no families of views here to pair", "pairs")
            return [Pick({}, (), "")]
        return self._crossed() if self.pairs == "cross" else self._zipped()

    def _zipped(self) -> Sequence[Pick] | None:
        lengths = {key: len(value) for key, value in self.families.items()}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"'{key}' has {n}" for key, n in lengths.items())
            hint = "pairs=cross takes every pair of different views"
            return self._problem(f"families of different length cannot be zipped: {counts}", hint=hint)
        tags = next(iter(self.families.values())).tags or ()
        return [Pick(dict.fromkeys(self.families, i), tag, f"_{i}") for i, tag in enumerate(tags)]

    def _crossed(self) -> Sequence[Pick] | None:
        """All ordered pairs of different views of the first two families; further ones go with the second."""
        if len(self.families) < 2:
            return self._problem("pairs=cross needs two families of views", "pairs")
        (left, first), (right, second), *others = self.families.items()
        for key, value in others:
            if not set(second.tags or ()) <= set(value.tags or ()):
                return self._problem(f"'{key}' does not have the views of '{right}', with which it goes")
        picks = []
        for (i, a), (j, b) in itertools.product(enumerate(first.tags or ()), enumerate(second.tags or ())):
            if a != b:
                rest = {key: (value.tags or ()).index(b) for key, value in others}
                picks.append(Pick({left: i, right: j, **rest}, (a, b), f"_{i}{j}" if i < 10 > j else f"_{i}_{j}"))
        return picks or self._problem("pairs=cross finds no two different views", "pairs")

    def _pick(self, port: str, pick: Pick) -> Argument:
        value = self.arguments[port]
        whole = any(p.name == port and p.family for p in self.ports.inputs)
        if port in pick.views:
            slot = value.slots[pick.views[port]]
            return (slot,) if whole else slot
        return value.slots if whole else value.slots[0]

    # -- calls and what becomes of their results -----------------------------------------------------------

    def _emit(self, name: str, args: Mapping[str, Argument]) -> dict[str, Value]:
        """One call; its outputs by name. The views of family outputs are numbered on over all outputs."""
        here = len(self.calls)
        number = itertools.count()
        outputs = {}
        for port in self.ports.outputs:
            label = f"{name}_{port.name}" if port.name else name
            if port.family:
                views = range(self.lengths[port.name])
                slots = tuple(self._slot(f"{label}_{i}", port, i) for i in views)
                outputs[port.name] = Value(slots, tuple((here, next(number)) for _ in views))
            else:
                outputs[port.name] = Value((self._slot(label, port, None),))
        self._add(args, outputs, 1)
        return outputs

    def _join(self, results: Sequence[tuple[Mapping[str, Value], Tag]]) -> Value:
        """The results of all views as one value, part by part."""

        def one(name: str) -> Value:
            if not self.families:
                return results[0][0][name]
            slots = tuple(s for made, _ in results for s in made[name].slots)
            tags = tuple((tag, *own) if own else tag for made, tag in results for own in made[name].tags or ((),))
            return Value(slots, tags)

        return self._by_part({port.name: one(port.name) for port in self.ports.outputs})

    def _fold(self, name: str) -> Value | None:
        if self.pairs == "cross" or any(p.family for p in self.ports.inputs if p.name in self.arguments):
            return self._problem("views=fold joins single tensors, view by view", "views")
        if any(v.slots[0].kind == "negatives" for v in self.families.values()):
            hint = "leave views=fold out"
            return self._problem(
                "views=fold: each view has negatives of its own, which cannot be joined", "views", hint
            )
        lengths = {len(v) for v in self.families.values()}
        if len(lengths) != 1:
            what = "families of one length" if lengths else "a family of views"
            return self._problem(f"views=fold needs {what}", "views")
        for key, value in self.arguments.items():
            if key not in self.families and any(axes[:1] == ("b",) for axes in value.slots[0].axes):
                return self._problem(f"views=fold: '{key}' has a batch but no views to fold", "views")
        (count,) = lengths
        tags = next(iter(self.families.values())).tags
        outputs = {}
        for port in self.ports.outputs:
            label = f"{name}_{port.name}" if port.name else name
            outputs[port.name] = Value(tuple(self._slot(f"{label}_{i}", port, i) for i in range(count)), tags)
        args: dict[str, Argument] = {
            k: v.slots if k in self.families else v.slots[0] for k, v in self.arguments.items()
        }
        self._add(args, outputs, count)
        return self._by_part(outputs)

    @staticmethod
    def _by_part(outputs: Mapping[str, Value]) -> Value:
        if not outputs:
            return Value()
        return outputs[""] if "" in outputs else Value(parts=outputs)

    def _slot(self, name: str, port: Port, view: int | None) -> Slot:
        axes = port.axes
        if self.grid and port.kind in FOLDED and axes[0][:1] == ("b",):
            axes = (("b", *self.grid, *axes[0][1:]),)
        return self.calls.slot(name, port.kind, axes, self.node, port.name, view, self.call.span)

    def _add(self, args: Mapping[str, Argument], outputs: Mapping[str, Value], fold: int) -> None:
        slots = tuple(s for value in outputs.values() for s in value.slots)
        self.calls.add(self.node, self.method, args, slots, self.call.span, fold, self.ports.draws, len(self.grid))

    def _option(self, name: str) -> str:
        return self.call.options[name][0] if name in self.call.options else ""

    def _problem(self, message: str, option: str = "", hint: str | None = None) -> None:
        span: Span = self.call.options[option][1] if option in self.call.options else self.call.span
        self.calls.problems.append(Problem(message, span, hint))

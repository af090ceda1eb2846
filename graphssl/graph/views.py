"""Calls over views: a call on families of views becomes one call for each view, each pair of views, or one fold."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import Problems
from ..ports import FOLDED, GRID, Axes, Port, Signature
from .calls import Argument, CallList, Slot, Tag, Value
from .language import expressions as e
from .picks import Pick, pick_views

__all__ = ["Expansion", "positions"]


def positions(port: Axes, given: Axes) -> Axes:
    """The axes of a grid that a value `b r k d` has behind the batch, and a port `b d` does not know."""
    more = len(given) - len(port)
    extra = given[1 : 1 + more]
    own = set(extra) & set(port)  # those that the port knows are no others
    return extra if more > 0 and given[:1] == ("b",) and GRID.issuperset(extra) and not own else ()


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
    problems: Problems

    def __post_init__(self) -> None:
        self.pairs, self.views = self.call.option("pairs"), self.call.option("views")
        mapped = [p.name for p in self.ports.inputs if not p.family or self.views == "each"]
        self.families = {k: v for k, v in self.arguments.items() if v.family and k in mapped}
        self.grid: Axes = ()

    def make(self, name: str) -> Value | None:
        """Adds the calls to the list; results are named after `name`. None when something is wrong."""
        if not self._on_a_grid():
            return None
        if self.views == "fold":
            return self._fold(name) if self._can_fold() else None
        picks = pick_views(self.families, self.call, self.problems)
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
                message = f"{self.node}: '{one}' has positions ({words}), and '{port.name}' has none"
                pool = "context.pool makes one vector of them" if self.grid == ("r", "k") else None
                self.problems.add(message, self.call.span, pool)
                return False
        return True

    # -- one call for each pick ----------------------------------------------------------------------------

    def _pick(self, port: str, pick: Pick) -> Argument:
        value = self.arguments[port]
        whole = any(p.name == port and p.family for p in self.ports.inputs)
        if port in pick.views:
            slot = value.slots[pick.views[port]]
            return (slot,) if whole else slot
        return value.slots if whole else value.slots[0]

    def _emit(self, name: str, args: Mapping[str, Argument]) -> dict[str, Value]:
        """One call; its outputs by name. The views of family outputs are numbered on over all outputs.

        What stands beside a family has the numbers of its views.
        """
        here = len(self.calls)
        number = itertools.count()
        outputs: dict[str, Value] = {}
        for port in self.ports.outputs:
            label = f"{name}_{port.name}" if port.name else name
            if port.family:
                views = range(self.lengths[port.name])
                slots = tuple(self._slot(f"{label}_{i}", port, i) for i in views)
                tags = outputs[port.beside].tags if port.beside else tuple((here, next(number)) for _ in views)
                outputs[port.name] = Value(slots, tags)
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

    # -- one call for all views ----------------------------------------------------------------------------

    def _can_fold(self) -> bool:
        """Whether views can be joined along the batch; notes why not."""
        lengths = {len(v) for v in self.families.values()}
        rest = {k: v for k, v in self.arguments.items() if k not in self.families}
        alone = [k for k, v in rest.items() if any(axes[:1] == ("b",) for axes in v.slots[0].axes)]
        hint = None
        if self.pairs == "cross" or any(p.family for p in self.ports.inputs if p.name in self.arguments):
            message = "views=fold joins single tensors, view by view"
        elif any(v.slots[0].kind == "negatives" for v in self.families.values()):
            message = "views=fold: each view has negatives of its own, which cannot be joined"
            hint = "leave views=fold out"
        elif len(lengths) != 1:
            message = f"views=fold needs {'families of one length' if lengths else 'a family of views'}"
        elif alone:
            message = f"views=fold: '{alone[0]}' has a batch but no views to fold"
        else:
            return True
        self.problems.add(message, self.call.place_of("views"), hint)
        return False

    def _fold(self, name: str) -> Value:
        first = next(iter(self.families.values()))
        outputs = {}
        for port in self.ports.outputs:
            label = f"{name}_{port.name}" if port.name else name
            slots = tuple(self._slot(f"{label}_{i}", port, i) for i in range(len(first)))
            outputs[port.name] = Value(slots, first.tags)
        alone = len(first) == 1  # a family of one is a batch already
        args: dict[str, Argument] = {
            k: v.slots if k in self.families and not alone else v.slots[0] for k, v in self.arguments.items()
        }
        self._add(args, outputs, len(first))
        return self._by_part(outputs)

    # -- results -------------------------------------------------------------------------------------------

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

"""What the flow calls the slots that a wire carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...graph.calls import Slot, Value


class Names:
    """What the flow calls a set of slots. `leaves`: every value by name, parts by themselves (`h.map`)."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.leaves: dict[str, tuple[Slot, ...]] = {}
        for name, value in values.items():
            for part, inner in (value.parts or {}).items():
                self.leaves[f"{name}.{part}"] = inner.slots
            if value.parts is None:
                self.leaves[name] = value.slots
        self._exact: dict[frozenset[int], list[str]] = {}
        self._holders: dict[int, list[str]] = {}
        for name, slots in self.leaves.items():
            self._exact.setdefault(frozenset(s.id for s in slots), []).append(name)
            for slot in slots:
                self._holders.setdefault(slot.id, []).append(name)

    def of(self, slots: Sequence[Slot]) -> tuple[list[str], str]:
        """The values that the slots are, or are some views of, and how that is written: `x`, `x[0]`, nothing."""
        wanted = frozenset(s.id for s in slots)
        if wanted in self._exact:
            names = self._exact[wanted]
            return names, ", ".join(names)
        for name in sorted(self._holders.get(slots[0].id, ()), key=lambda n: len(self.leaves[n])):
            ids = [s.id for s in self.leaves[name]]
            if wanted <= set(ids):
                return [name], f"{name}[{_index([ids.index(i) for i in sorted(wanted, key=ids.index)])}]"
        return [], ""


def _index(places: Sequence[int]) -> str:
    first, last = places[0], places[-1]
    if len(places) > 1 and list(places) == list(range(first, last + 1)):
        return f"{first}:{last + 1}"
    return ",".join(map(str, places))

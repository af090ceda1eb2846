"""Where each slot of a graph comes from in a picture, and the wires that carry slots to where they are used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ...graph.calls import Slot

__all__ = ["Bundle", "Bundles", "Origin"]


@dataclass(frozen=True)
class Origin:
    """Where a slot comes from: the box, its output, and whether a stop-gradient stands between."""

    box: str
    output: str = ""
    stop: bool = False


@dataclass
class Bundle:
    """A wire in the making: where its slots go. `ends`: port names and text by box and whether it is an update."""

    slots: tuple[Slot, ...]
    ends: dict[tuple[str, bool], tuple[list[str], list[str]]] = field(default_factory=dict)


class Bundles:
    """Slots that have one origin and go together are one wire.

    origin: of each slot, by its id. joins: boxes at which slots of several origins meet, the largest first.
    """

    def __init__(self) -> None:
        self.origin: dict[int, Origin] = {}
        self.joins: list[tuple[str, tuple[Slot, ...]]] = []
        self._bundles: dict[tuple[Origin, tuple[int, ...]], Bundle] = {}

    def __iter__(self) -> Iterator[tuple[Origin, Bundle]]:
        return ((origin, bundle) for (origin, _), bundle in self._bundles.items())

    def by_origin(self, slots: Sequence[Slot]) -> Iterator[tuple[Origin, tuple[Slot, ...]]]:
        """The slots by where they come from; whole joins first, the largest foremost."""
        left = dict.fromkeys(slots)
        for box, members in self.joins:
            if all(s in left for s in members):
                for slot in members:
                    del left[slot]
                yield Origin(box), members
        parts: dict[Origin, list[Slot]] = {}
        for slot in left:
            parts.setdefault(self.origin[slot.id], []).append(slot)
        for origin, some in parts.items():
            yield origin, tuple(some)

    def lead(self, origin: Origin, slots: tuple[Slot, ...], box: str, port: str, text: str, update: bool) -> None:
        """Leads the slots of one origin to a port of a box. text: what stands at the arrow's head."""
        ports, texts = self.keep(origin, slots).ends.setdefault((box, update), ([], []))
        ports.extend([port] if port and port not in ports else [])
        texts.extend([text] if text and text not in texts else [])

    def keep(self, origin: Origin, slots: tuple[Slot, ...]) -> Bundle:
        """The wire of these slots, which need not lead anywhere."""
        return self._bundles.setdefault((origin, tuple(sorted(s.id for s in slots))), Bundle(slots))

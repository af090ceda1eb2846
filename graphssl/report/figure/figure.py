"""What a picture of a graph shows, before anyone knows where: boxes, wires between them, and arrows that copy weights.

All calls that one expression makes, one for each view or pair of views, are one box.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

TIMES = "\u00d7"
Change = Literal["", "added", "removed", "changed"]  # of what a picture of two graphs shows
Letter = tuple[str, str]  # an axis and its size, both as text


@dataclass(frozen=True)
class Box:
    """A node where it is called, a field of the batch, a join of views, or the loss.

    role: what colours it (see `style.ROLES`). count: how many calls it stands for. lines: the small print.
    note: the tooltip. details: the node's config, for the page. change: see `difference.py`.
    """

    id: str
    role: str
    name: str
    lines: tuple[str, ...] = ()
    count: int = 1
    faded: bool = False
    note: str = ""
    node: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    change: Change = ""

    @property
    def times(self) -> str:
        """Times two, where it stands for two calls; nothing for one."""
        return f"{TIMES}{self.count}" if self.count > 1 else ""


@dataclass(frozen=True)
class Label:
    """What is written on a wire: the value's name, how many views, and the axes of each of its tensors."""

    name: str = ""
    count: int = 1
    axes: tuple[tuple[Letter, ...], ...] = ()

    @property
    def title(self) -> str:
        """Name and number of views; nothing for a value without a name."""
        return f"{self.name} {TIMES}{self.count}" if self.name and self.count > 1 else self.name

    @property
    def sizes(self) -> str:
        """`b d = 256 64`, for each tensor."""
        words = [(" ".join(a for a, _ in tensor), " ".join(s for _, s in tensor)) for tensor in self.axes if tensor]
        return "; ".join(f"{axes} = {sizes}" for axes, sizes in words)


@dataclass(frozen=True)
class End:
    """Where a wire goes. update: it is written there after the step. text: the update's name, or the loss term."""

    box: str
    ports: tuple[str, ...] = ()
    update: bool = False
    text: str = ""


@dataclass(frozen=True)
class Wire:
    """A value on its way to all that use it; without ends when nothing does. stop: no gradient comes back."""

    source: str
    label: Label
    ends: tuple[End, ...]
    stop: bool = False
    change: Change = ""


@dataclass(frozen=True)
class Copy:
    """What one box has from another, not by a value: weights that an average follows, a grid, a bank.

    written: whether that is after the step.
    """

    source: str
    target: str
    text: str
    change: Change = ""
    written: bool = True


@dataclass(frozen=True)
class Figure:
    """A picture: boxes in the order in which they are computed."""

    title: str
    subtitle: str
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...] = ()
    copies: tuple[Copy, ...] = ()

    @cached_property
    def by_id(self) -> dict[str, Box]:
        """The boxes by their ids."""
        return {box.id: box for box in self.boxes}

    def note(self, wire: Wire) -> str:
        """What a wire carries and where to, in full."""
        title = ": ".join(part for part in (wire.label.title, wire.label.sizes) if part)
        lines = [title, "no gradient flows back"] if wire.stop else [title]
        for end in wire.ends:
            box = self.by_id[end.box]
            name = ".".join(part for part in (box.name or box.id, ", ".join(end.ports)) if part)
            lines.append(f"→ {name} ({end.text}, after the step)" if end.update else f"→ {name}")
        return "\n".join(line for line in lines if line)

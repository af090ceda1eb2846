"""Banks whose rows lie with their owners: of several processes each holds its part, and fetches others' when needed."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import torch
from torch import Tensor, nn

from .. import world
from ..world import World

__all__ = ["Links", "OwnedRows", "Unlinked", "own_state", "part_banks", "parts_state"]

PIECE = 2**26  # bytes of entries that are sent at once
NEVER = 69.0  # one draw of e^69 may find more rows asked for than there is room for


class Links(Protocol):
    """What goes between the processes."""

    def pooled(self, tensor: Tensor) -> Tensor: ...
    def swapped(self, parts: Tensor) -> Tensor: ...


@dataclass
class Unlinked:
    """Stands in for the other processes where nothing is computed. sent: bytes that each would have sent.

    gathered: whether all rows were asked for.
    """

    processes: int
    sent: float = 0.0
    gathered: bool = False

    def pooled(self, tensor: Tensor) -> Tensor:
        self.gathered = True
        self.sent += tensor.numel() * tensor.element_size() * (self.processes - 1)
        return tensor.new_empty(self.processes, *tensor.shape)

    def swapped(self, parts: Tensor) -> Tensor:
        self.sent += parts.numel() * parts.element_size() * (self.processes - 1) / self.processes
        return torch.empty_like(parts)


class OwnedRows(nn.Module):
    """A process's part of the rows of a store: process r has rows r * each to (r + 1) * each, the last ones fewer.

    rows: `each + 1, d`, zeros where there is none; the last takes what is written for other processes.
    each: ceil(n / processes), so that what goes between them has one shape. first, count: the process's own rows.
    share: how likely a row that is drawn is one of the likeliest owner's.
    complete: whether who reads the entries looks at more than those that are drawn, so that all are gathered.

    Nothing here waits for the device, and no shape depends on what is drawn.
    """

    rows: Tensor

    def __init__(
        self, keys: Annotated[Tensor, "n d"], here: World, share: float, complete: bool, links: Links = world
    ) -> None:
        super().__init__()
        self.n, self.processes, self.share, self.complete = len(keys), here.size, share, complete
        self._links = links
        self.each = -(-self.n // here.size)
        self.first = min(here.rank * self.each, self.n)
        self.count = min(self.each, self.n - self.first)
        self.register_buffer("rows", self.own(keys))

    def own(self, keys: Annotated[Tensor, "n d"]) -> Tensor:
        """Of all rows a process's own, as `rows` has them."""
        return self.padded(keys[self.first : self.first + self.count])

    def padded(self, own: Tensor) -> Tensor:
        """A process's own rows, as `rows` has them."""
        rows = own.new_zeros(self.each + 1, *own.shape[1:])
        rows[: self.count] = own
        return rows

    def whole(self) -> Annotated[Tensor, "n d"]:
        """All rows, gathered."""
        return self._links.pooled(self.rows[: self.each]).flatten(0, 1)[: self.n]

    def place(self, index: Annotated[Tensor, "b"]) -> Annotated[Tensor, "b"]:
        """Where in `rows` to write what is of the rows of these numbers."""
        local = index - self.first
        return torch.where((local >= 0) & (local < self.count), local, self.each)

    def fetch(self, index: Tensor, *, drawn: bool = False) -> tuple[Annotated[Tensor, "k d"], Tensor]:
        """Some rows, and where among them those are whose numbers `index` has, of its shape.

        Each process asks each owner for rows by their numbers, and gets them: k is about as many as the index has.
        Where that is no less than all rows, these are gathered. drawn: whether numbers are drawn independently.
        """
        room = self.room(index.numel(), drawn)
        if (self.complete and drawn) or room >= self.each:
            return self.whole(), index
        asked, order = index.flatten().sort()
        owner = asked.div(self.each, rounding_mode="floor")
        begins = torch.searchsorted(asked, torch.arange(self.processes, device=index.device) * self.each)
        slot = torch.arange(len(asked), device=index.device) - begins[owner]
        torch._assert_async((slot < room).all(), "more rows of one process are asked for than draws can be")
        place = owner * room + slot
        wanted = torch.zeros(self.processes * room, dtype=torch.int32, device=index.device)
        wanted = wanted.scatter(0, place, (asked - owner * self.each).int())
        where = torch.empty_like(order).scatter(0, order, place).view_as(index)
        return self._answered(self._links.swapped(wanted.view(self.processes, room))).flatten(0, 1), where

    def room(self, k: int, drawn: bool) -> int:
        """How many of k rows are asked of one owner at most; of those that are drawn, by Bernstein's inequality."""
        if not drawn:
            return k
        mean = k * self.share
        more = NEVER / 3 + math.sqrt(NEVER**2 / 9 + 2 * NEVER * mean * (1 - self.share))
        return min(k, math.ceil(mean + more))

    @property
    def _width(self) -> int:
        """Bytes of a row."""
        return self.rows[0].numel() * self.rows.element_size()

    def _answered(self, wanted: Annotated[Tensor, "p k"]) -> Annotated[Tensor, "p k d"]:
        """Sends each process the own rows that it wants, and gives those that this one has wanted of each."""
        step = max(1, PIECE // (self.processes * self._width))
        pieces = wanted.split(step, 1)
        if len(pieces) == 1:
            return self._links.swapped(self.rows[wanted])
        found = self.rows.new_empty(*wanted.shape, *self.rows.shape[1:])
        for piece, part in zip(pieces, found.split(step, 1), strict=True):
            part.copy_(self._links.swapped(self.rows[piece]))
        return found


def part_banks(
    nodes: Mapping[str, nn.Module], here: World, complete: Collection[str], links: Links = world
) -> dict[str, OwnedRows]:
    """Leaves of each bank that asks for it this process's rows only; gives these, by the key that all rows have had.

    complete: nodes all of whose rows are looked at. A bank has `owned` then, and its buffer no longer: who reads that
    without asking fails, and does not take a part for the whole.
    """
    found = {}
    for name, node in nodes.items():
        bank: Any = node
        if (key := getattr(node, "parted", None)) is None:
            continue
        keys = getattr(bank, key)
        share = bank.share(-(-len(keys) // here.size))
        delattr(bank, key)
        bank.owned = found[f"{name}.{key}"] = OwnedRows(keys, here, share, name in complete, links)
    return found


def parts_state(
    state: dict[str, Any], owned: Mapping[str, OwnedRows], part: Callable[[Tensor, int], Tensor]
) -> dict[str, Any]:
    """The state as one process has it, with a part of what several have. part: says of rows of how many they are."""
    found = _copied(state)
    for key, rows in owned.items():
        found[key] = part(found.pop(_own_key(key))[: rows.count], rows.n)
    return found


def own_state(
    state: dict[str, Any], owned: Mapping[str, OwnedRows], own: Callable[[Tensor], Tensor | None]
) -> dict[str, Any]:
    """The reverse: a state with this process's rows; one that has them stays as it is. own: what it has of a part."""
    found = _copied(state)
    for key, rows in owned.items():
        if key not in found:
            continue
        kept = own(whole := found.pop(key))
        found[_own_key(key)] = rows.own(whole) if kept is None else rows.padded(kept)
    return found


def _own_key(key: str) -> str:
    """The key of a process's rows, by that of all."""
    return f"{key.rpartition('.')[0]}.owned.rows"


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    found = OrderedDict(state)
    found._metadata = getattr(state, "_metadata", None)  # type: ignore[attr-defined]  # the versions of nodes' states
    return found

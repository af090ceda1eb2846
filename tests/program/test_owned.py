"""Rows of a bank that lie with their owners, by processes that are threads here: each gets what a whole bank has."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Lock
from typing import Any, TypeVar

import pytest
import torch
from scipy.stats import binom
from torch import Tensor, nn
from torch.nn.functional import normalize

from graphssl.component import DataFacts, Sizes, build
from graphssl.components.negatives import MemoryBank
from graphssl.components.target import Entry
from graphssl.program import owned
from graphssl.program.owned import NEVER, OwnedRows, Unlinked, own_state, part_banks, parts_state
from graphssl.world import World

T = TypeVar("T")
D = 3


class Meeting:
    """What several threads lay down and take up in turn."""

    def __init__(self, size: int) -> None:
        self.laid: list[Any] = [None] * size
        self.barrier = Barrier(size, timeout=20)


class Seat:
    """A thread's place among them."""

    def __init__(self, meeting: Meeting, rank: int) -> None:
        self.meeting, self.rank, self.rows = meeting, rank, 0

    def pooled(self, tensor: Tensor) -> Tensor:
        return torch.stack(self._seen(tensor))

    def swapped(self, parts: Tensor) -> Tensor:
        assert len(parts) == len(self.meeting.laid)
        self.rows = max(self.rows, parts[0].shape[0])
        return torch.stack([of[self.rank] for of in self._seen(parts)])

    def _seen(self, tensor: Tensor) -> list[Tensor]:
        self.meeting.laid[self.rank] = tensor
        self.meeting.barrier.wait()
        seen = list(self.meeting.laid)
        self.meeting.barrier.wait()
        return seen


def by_all(size: int, function: Callable[[World, Seat], T]) -> list[T]:
    """What each of so many processes gets."""
    meeting = Meeting(size)
    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(lambda rank: function(World(rank, size), Seat(meeting, rank)), range(size)))


ONE = Lock()  # draws at a time: threads share a generator


def bank(samples: int, **config: Any) -> MemoryBank:
    with ONE:
        torch.manual_seed(0)
        node = build(MemoryBank, sizes=Sizes({"d": D}, DataFacts(samples=samples)), shard="rows", **config)
    assert isinstance(node, MemoryBank)
    return node.double()


def part(node: nn.Module, here: World, seat: Seat, complete: Sequence[str] = ()) -> OwnedRows:
    (found,) = part_banks({"bank": node}, here, complete, seat).values()
    return found


@pytest.mark.parametrize(("samples", "processes"), [(12, 2), (13, 2), (13, 4), (5, 4), (2, 4), (1, 3)])
def test_each_row_has_one_owner(samples: int, processes: int) -> None:
    keys = torch.arange(samples, dtype=torch.float64)[:, None]
    parts = [OwnedRows(keys, World(r, processes), 1.0, False, Unlinked(processes)) for r in range(processes)]
    each = math.ceil(samples / processes)
    assert all(one.rows.shape == (each + 1, 1) for one in parts), "what goes between them has one shape"
    assert torch.cat([one.rows[: one.count] for one in parts]).equal(keys)
    assert [one.first for one in parts] == [min(r * each, samples) for r in range(processes)]


@pytest.mark.parametrize(
    ("samples", "processes", "shape", "drawn"),
    [
        (9001, 2, (4, 8), True),  # rooms as large as what is asked for
        (9001, 3, (16, 400), True),  # rooms of about a third
        (9001, 3, (7,), False),
        (40, 3, (4, 30), True),  # all are gathered
        (5, 4, (3,), False),  # a process without rows
    ],
)
@pytest.mark.parametrize("piece", [owned.PIECE, 500])
def test_what_is_fetched_is_what_a_whole_bank_has(
    samples: int, processes: int, shape: tuple[int, ...], drawn: bool, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owned, "PIECE", piece)
    keys = torch.randn(samples, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    wanted = [torch.randint(samples, shape, generator=torch.Generator().manual_seed(r)) for r in range(processes)]
    each = math.ceil(samples / processes)

    def ask(here: World, seat: Seat) -> tuple[Tensor, Tensor, int]:
        rows = OwnedRows(keys, here, each / samples, False, seat)
        return *rows.fetch(wanted[here.rank], drawn=drawn), rows.room(math.prod(shape), drawn)

    for rank, (entries, where, room) in enumerate(by_all(processes, ask)):
        assert where.shape == shape
        assert entries[where].equal(keys[wanted[rank]])
        assert len(entries) == (samples if room >= each else processes * room)


def test_of_many_draws_each_owner_sends_little_more_than_its_share() -> None:
    rows = OwnedRows(torch.empty(10**6, 1, device="meta"), World(0, 8), 1 / 8, False, Unlinked(8))
    k = 32 * 4096
    assert k / 8 < rows.room(k, True) < 1.1 * k / 8
    assert rows.room(k, False) == k, "of samples, which follow each other in shards, all may be one owner's"


@pytest.mark.parametrize("share", [0.125, 0.5, 0.9])
@pytest.mark.parametrize("k", [1, 10, 300, 10**5])
def test_there_is_room_for_what_is_drawn(k: int, share: float) -> None:
    """The exact probability of a binomial distribution that it is not enough."""
    rows = OwnedRows(torch.empty(1, 1), World(0, 1), share, False, Unlinked(1))
    assert binom.logsf(rows.room(k, True), k, share) <= -NEVER


def test_where_there_is_no_room_it_is_said() -> None:
    rows = OwnedRows(torch.zeros(10**6, 1), World(0, 8), 1 / 8, False, Unlinked(8))
    with pytest.raises(RuntimeError, match="more rows of one process are asked for"):
        rows.fetch(torch.zeros(10**4, dtype=torch.int64), drawn=True)


def test_with_weights_there_is_room_for_the_likeliest_part(tmp_path: Path) -> None:
    weights = [1.0] * 60 + [9.0] * 20 + [0.5] * 13
    (tmp_path / "weights").write_text("\n".join(map(str, weights)))
    node = bank(93, weights=str(tmp_path / "weights"))
    parts = [sum(weights[start : start + 24]) for start in range(0, 93, 24)]
    assert node.share(24) == pytest.approx(max(parts) / sum(weights))
    assert bank(93).share(24) == pytest.approx(24 / 93)


def test_who_draws_otherwise_may_draw_anything() -> None:
    class Other(MemoryBank):
        def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
            return torch.zeros(b, 2, dtype=torch.int64)

    assert build(Other, sizes=Sizes({"d": D}, DataFacts(samples=90)), shard="rows").share(30) == 1


@pytest.mark.parametrize("complete", [(), ("bank",)])
@pytest.mark.parametrize("sample", [None, 6])
@pytest.mark.parametrize("own", ["mask", "keep"])
def test_a_parted_bank_gives_what_a_whole_one_gives(own: str, sample: int | None, complete: tuple[str, ...]) -> None:
    whole = bank(101, own=own, sample=sample)
    index = torch.tensor([[3, 100], [50, 0], [51, 99]])
    draws = [
        None if sample is None else whole.draw(2, torch.Generator().manual_seed(r), index.device) for r in range(3)
    ]

    def ask(here: World, seat: Seat) -> tuple[Any, Tensor, int]:
        node = bank(101, own=own, sample=sample)
        entry = build(Entry, sources={"of": node}, of="bank")
        part(node, here, seat, complete)
        return node(index[here.rank], draws[here.rank]), entry(index[here.rank]), seat.rows

    for rank, (found, entry, asked) in enumerate(by_all(3, ask)):
        expected = whole(index[rank], draws[rank])
        assert entry.equal(whole.keys[index[rank]])
        assert (found.mask is None) == (expected.mask is None)
        assert found.mask is None or found.mask.equal(expected.mask)
        if sample is None or complete:
            assert found.entries.equal(whole.keys)
            assert (found.pick is None) == (sample is None)
        else:
            assert asked, "they are fetched"
        if sample is not None:
            assert found.entries[found.pick].equal(whole.keys[draws[rank]])


@pytest.mark.parametrize("skipped", [None, False, True])
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_only_the_owner_writes_a_row(processes: int, skipped: bool | None) -> None:
    """Each process has all keys of the batch; of several of one sample the last counts. By hand, sample by sample."""
    index = torch.tensor([0, 8, 4, 4, 5, 2, 4])
    key = torch.randn(7, D, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    before = bank(9).keys.clone()
    after = before.clone()
    for i, f in zip(index.tolist(), normalize(key, dim=1), strict=True):
        after[i] = normalize(0.7 * before[i] + 0.3 * f, dim=0)

    def write(here: World, seat: Seat) -> Tensor:
        node = bank(9, momentum=0.7)
        rows = part(node, here, seat)
        node.skipped = None if skipped is None else torch.tensor(skipped)
        node.store(index, key)
        return rows.rows[: rows.count]

    found = torch.cat(by_all(processes, write))
    torch.testing.assert_close(found, before if skipped else after, rtol=0, atol=1e-12)


def test_a_state_is_of_no_number_of_processes() -> None:
    root = nn.ModuleDict({"bank": bank(11), "linear": nn.Linear(2, 2)})
    saved = root.state_dict()
    expected = {key: value.clone() for key, value in saved.items()}

    def load_and_save(here: World, seat: Seat) -> dict[str, Tensor]:
        torch.manual_seed(here.rank)
        other = nn.ModuleDict({"bank": bank(11), "linear": nn.Linear(2, 2)})
        parts = part_banks(other, here, (), seat)
        assert parts.keys() == {"bank.keys"}
        with torch.no_grad():
            parts["bank.keys"].rows.zero_()
        other.load_state_dict(own_state(saved, parts, lambda _: None))
        own = other.state_dict()
        other.load_state_dict(own_state(own, parts, lambda _: None))  # one that a step keeps, to take itself back
        made = parts_state(own, parts, lambda rows, n: rows if n == 11 else rows[:0])
        again = own_state(made, parts, lambda rows: rows)
        assert all(again[key].equal(value) for key, value in own.items())
        return made

    for processes in (2, 4):
        found = by_all(processes, load_and_save)
        assert all(one.keys() == expected.keys() for one in found)
        assert torch.cat([one["bank.keys"] for one in found]).equal(expected["bank.keys"])
        assert all(one[key].equal(expected[key]) for one in found for key in expected.keys() - {"bank.keys"})
    assert saved.keys() == expected.keys(), "what was given stays as it was"


def test_who_reads_a_parted_buffer_fails_and_takes_no_part_for_the_whole() -> None:
    node = bank(10)
    part_banks({"bank": node, "other": nn.Linear(1, 1)}, World(0, 2), (), Unlinked(2))
    with pytest.raises(AttributeError, match="keys"):
        _ = node.keys
    assert sum(buffer.numel() for buffer in node.buffers()) == 6 * D


def test_a_bank_that_does_not_ask_for_it_is_not_parted() -> None:
    plain = build(MemoryBank, sizes=Sizes({"d": D}, DataFacts(samples=10)))
    assert part_banks({"bank": plain}, World(0, 2), (), Unlinked(2)) == {}
    assert plain.keys.shape == (10, D)

"""Batches on their way to the device: as they are on a CPU; on a GPU copied beside the training, and never too many."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
import torch
from helpers import CPU

from graphssl.data import Batch
from graphssl.data.transfer import IN_FLIGHT, to_device


def batches(n: int) -> Iterator[Batch]:
    for i in range(n):
        image = torch.full((2, 3, 4, 4), i, dtype=torch.uint8)
        yield Batch(image, torch.tensor([2 * i, 2 * i + 1]), torch.tensor([i, -1]))


def test_a_cpu_gets_the_batches_themselves_one_by_one() -> None:
    given: list[Batch] = []

    def source() -> Iterator[Batch]:
        for batch in batches(3):
            given.append(batch)
            yield batch

    for number, batch in enumerate(to_device(source(), CPU), 1):
        assert len(given) == number, "none is asked for before its time"
        assert all(a is b for a, b in zip(batch, given[-1], strict=True))
    assert len(given) == 3
    assert list(to_device(iter(()), CPU)) == []


class Log(list[str]):
    """A GPU that only notes what it is told, in place of torch.cuda."""

    stream_now = "training"

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        log = self

        class Stream:
            def __init__(self, name: object = "copying") -> None:
                self.name = name if isinstance(name, str) else "copying"

            def wait_stream(self, other: Stream) -> None:
                log.append(f"{self.name} waits for {other.name}")

        class Event:
            def record(self, stream: Stream) -> None:
                log.append(f"mark on {stream.name}")

            def synchronize(self) -> None:
                log.append("the host waits")

        @contextlib.contextmanager
        def on(stream: Stream) -> Iterator[None]:
            before, log.stream_now = log.stream_now, stream.name
            yield
            log.stream_now = before

        monkeypatch.setattr(torch.cuda, "Stream", Stream)
        monkeypatch.setattr(torch.cuda, "Event", Event)
        monkeypatch.setattr(torch.cuda, "stream", on)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream(log.stream_now))

    def batch(self, number: int) -> Batch:
        return Batch(*(Noted(self, f"{field} {number}") for field in Batch._fields))  # type: ignore[arg-type]


class Noted:
    def __init__(self, log: Log, name: str) -> None:
        self.log, self.name = log, name

    def to(self, device: torch.device, *, non_blocking: bool) -> Noted:
        assert non_blocking
        self.log.append(f"{self.name} copied on {self.log.stream_now}")
        return self

    def record_stream(self, stream: object) -> None:
        self.log.append(f"{self.name} kept for {stream.name}")  # type: ignore[attr-defined]


def test_a_gpu_copies_on_a_stream_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    log.install(monkeypatch)
    coming = to_device(iter([log.batch(0), log.batch(1)]), torch.device("cuda"))
    next(coming)
    assert log == [
        "image 0 copied on copying", "index 0 copied on copying", "label 0 copied on copying", "cuts 0 copied on copying",
        "training waits for copying", "image 0 kept for training", "index 0 kept for training", "label 0 kept for training",
        "cuts 0 kept for training",
    ]  # fmt: skip
    del log[:]
    next(coming)
    assert log[:2] == ["mark on training", "image 1 copied on copying"], "marked when its training has been asked for"


def test_what_makes_a_batch_runs_on_the_copying_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    log.install(monkeypatch)
    made = []

    def source() -> Iterator[Batch]:
        for number in range(3):
            made.append(log.stream_now)
            yield log.batch(number)
        made.append(log.stream_now)

    used = [log.stream_now for _ in to_device(source(), torch.device("cuda"))]
    assert (made, used) == (["copying"] * 4, ["training"] * 3)


def test_the_host_is_held_back_when_it_is_far_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    log.install(monkeypatch)
    coming = to_device((log.batch(n) for n in range(IN_FLIGHT + 3)), torch.device("cuda"))
    waits = [log.count("the host waits") for _ in coming]
    assert waits == [*[0] * IN_FLIGHT, 1, 2, 3]


@pytest.mark.gpu
def test_batches_reach_the_gpu_whole_and_without_a_synchronisation() -> None:
    device = torch.device("cuda")
    pinned = [Batch(*(values.pin_memory() for values in batch)) for batch in batches(20)]
    busy = torch.randn(2048, 2048, device=device)
    sums = []
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in to_device(iter(pinned), device):
            for _ in range(5):
                busy = busy @ busy * 1e-3
            sums.append(batch.image.sum() + batch.index.sum() + batch.label.sum())
    finally:
        torch.cuda.set_sync_debug_mode("default")
    expected = [int(b.image.sum() + b.index.sum() + b.label.sum()) for b in batches(20)]
    assert [int(s) for s in sums] == expected

"""Where a data set is kept, by its size and what is free."""

from __future__ import annotations

import pytest
import torch
from helpers import CPU, CUDA

from graphssl.data import place
from graphssl.errors import RunError

GB = 10**9


@pytest.fixture(autouse=True)
def _free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "free_memory", lambda: 16 * GB)
    monkeypatch.setattr(place, "free_device_memory", lambda device: 80 * GB)


@pytest.mark.parametrize(
    ("need", "device", "decoded", "expected"),
    [
        (1 * GB, CPU, False, "memory"), (4 * GB - 1, CPU, False, "memory"), (4 * GB, CPU, False, "workers"),
        (4 * GB, CPU, True, "memory"), (9 * GB, CUDA, False, "device"), (10 * GB, CUDA, False, "workers"),
        (10 * GB, CUDA, True, "memory"), (1, CUDA, True, "device"),
    ],
)  # fmt: skip
def test_auto(need: int, device: torch.device, decoded: bool, expected: str) -> None:
    assert place.choose("auto", need, device, decoded=decoded) == expected


@pytest.mark.parametrize(
    ("resident", "device", "expected"),
    [
        ("memory", CUDA, "memory"), ("device", CUDA, "device"), ("device", CPU, "memory"), ("workers", CUDA, "workers"),
    ],
)  # fmt: skip
def test_what_is_asked_for_is_done(resident: str, device: torch.device, expected: str) -> None:
    assert place.choose(resident, 15 * GB, device, decoded=False) == expected


@pytest.mark.parametrize(("resident", "need", "where"), [("device", 81, "free on cuda"), ("memory", 17, "in memory")])
def test_what_does_not_fit_is_refused(resident: str, need: int, where: str) -> None:
    with pytest.raises(RunError, match=rf"takes {need}\.0 GB.*{where}.*resident: auto"):
        place.choose(resident, need * GB, CUDA, decoded=False)


def test_free_memory_is_a_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert 10**7 < place.free_memory() <= 1 << 62
    assert place.free_device_memory(CPU) == 1 << 62

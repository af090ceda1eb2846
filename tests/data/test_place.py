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
    ("need", "device", "expected"),
    [(4 * GB, CPU, "memory"), (17 * GB, CPU, "memory"), (9 * GB, CUDA, "device"), (10 * GB, CUDA, "memory")],
)
def test_auto_of_images_of_one_size(need: int, device: torch.device, expected: str) -> None:
    assert place.choose("auto", need, device) == expected


@pytest.mark.parametrize(("need", "expected"), [(1 * GB, "memory"), (4 * GB - 1, "memory"), (4 * GB, "workers")])
def test_auto_of_pictures_in_files(need: int, expected: str) -> None:
    assert place.choose_for_pictures("auto", need) == expected


@pytest.mark.parametrize(
    ("resident", "device", "expected"),
    [("memory", CUDA, "memory"), ("device", CUDA, "device"), ("device", CPU, "memory")],
)
def test_what_is_asked_for_is_done(resident: str, device: torch.device, expected: str) -> None:
    assert place.choose(resident, 15 * GB, device) == expected


@pytest.mark.parametrize(("resident", "expected"), [("memory", "memory"), ("device", "memory"), ("workers", "workers")])
def test_what_is_asked_for_is_done_with_pictures_in_files(resident: str, expected: str) -> None:
    assert place.choose_for_pictures(resident, 15 * GB) == expected


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(RunError, match=r"takes 81\.0 GB.*free on cuda.*resident: auto"):
        place.choose("device", 81 * GB, CUDA)
    with pytest.raises(RunError, match=r"takes 17\.0 GB.*in memory.*resident: auto"):
        place.choose_for_pictures("memory", 17 * GB)


def test_free_memory_is_a_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert 10**7 < place.free_memory() <= 1 << 62
    assert place.free_device_memory(CPU) == 1 << 62

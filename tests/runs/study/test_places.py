"""How many runs go on at once, and where."""

from __future__ import annotations

import pytest

from graphssl.errors import UsageError
from graphssl.runs.study import places
from graphssl.runs.study.places import PROCESS, check_jobs, places_of


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "cores", lambda: 8)
    monkeypatch.setattr(places, "free_bytes", lambda: 4 * PROCESS)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(
    ("jobs", "memory", "runs", "count", "threads"),
    [
        ("auto", 0, 100, 4, "2"),  # as the memory allows
        ("auto", PROCESS, 100, 2, "4"),
        ("auto", 100 * PROCESS, 100, 1, None),
        ("auto", 0, 3, 3, "2"),
        ("auto", 0, 0, 1, None),
        ("3", 100 * PROCESS, 100, 3, "2"),
        ("16", 0, 100, 16, "1"),
        ("5", 0, 2, 2, "4"),
    ],
)
def test_on_a_cpu(jobs: str, memory: int, runs: int, count: int, threads: str | None) -> None:
    found = places_of(jobs, "cpu", memory, runs)
    assert len(found) == count
    assert {place.environment.get("OMP_NUM_THREADS") for place in found} == {threads}
    assert {place.device for place in found} == {"cpu"}


def test_threads_that_the_user_has_set_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert all(not place.environment for place in places_of("4", "cpu", 0, 9))


def test_a_gpu_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-7")
    monkeypatch.setattr(places, "choose_device", lambda device: type("Device", (), {"type": "cuda"})())
    assert [p.environment["CUDA_VISIBLE_DEVICES"] for p in places_of("auto", "auto", 0, 9)] == ["2", "GPU-7"]
    assert [p.environment["CUDA_VISIBLE_DEVICES"] for p in places_of("3", "cuda", 0, 9)] == ["2", "GPU-7", "2"]
    (one,) = places_of("auto", "cuda:1", 0, 9)
    assert (one.device, dict(one.environment)) == ("cuda:1", {})


@pytest.mark.parametrize("jobs", ["0", "-1", "two", "", "1.5", "9" * 5000, "²"])
def test_what_is_no_number_of_runs(jobs: str) -> None:
    with pytest.raises(UsageError, match="--jobs is how many runs go on at once, 1 or more, or auto") as caught:
        check_jobs(jobs)
    assert len(str(caught.value)) < 200

"""Pictures behind worker processes: the same batches as from memory, resuming, workers that end or die."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import picture_files
import pytest
import torch
from picture_files import closing, same, write_folder

from graphssl.data import Datasets, open_data, reader
from graphssl.data.decode import Form, decode
from graphssl.data.files import Files
from graphssl.data.workers import _why
from graphssl.errors import RunError
from graphssl.graph import spec

_close = pytest.fixture(autouse=True)(closing)
opened = partial(picture_files.opened, resident="workers")  # where a test does not say otherwise


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_folder(tmp_path)


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_and_memory_give_the_same_batches(root: Path, workers: int) -> None:
    behind, kept = opened(root, workers=workers), opened(root, resident="memory")
    assert (behind.place, kept.place) == ("workers", "memory")
    for epoch in range(2):
        assert same(list(behind.train.epoch(epoch)), list(kept.train.epoch(epoch)))
    assert same(list(behind.reference(5)), list(kept.reference(5)))
    assert same(list(behind.test(5)), list(kept.test(5)))


def test_an_epoch_given_up_leaves_the_next_one_whole(root: Path) -> None:
    data = opened(root, workers=2)
    whole = list(data.train.epoch(1))
    pids = workers_of(data)
    given_up = data.train.epoch(0)
    next(given_up)
    assert same(whole, list(data.train.epoch(1)))
    assert workers_of(data) == pids


def workers_of(data: Datasets) -> list[int]:
    loader = data._train._lasting[2]  # type: ignore[attr-defined]
    return [worker.pid for worker in loader._iterator._workers]


def test_close_ends_the_workers(root: Path) -> None:
    data = opened(root, workers=2)
    list(data.train.epoch(0))
    pids = workers_of(data)
    assert all(Path(f"/proc/{pid}").exists() for pid in pids) or not Path("/proc").exists()
    data.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_close_ends_the_workers_after_one_failed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(files: Files, position: int) -> bytes:
        raise MemoryError("out of memory")

    monkeypatch.setattr(Files, "read", fail)
    data = opened(root, workers=2)
    with pytest.raises(RunError) as caught:
        list(data.train.epoch(0))
    pids = workers_of(data)
    data.close()
    assert caught.value
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_resuming_decodes_nothing_of_what_it_skips(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def counting(data: bytes, form: Form) -> torch.Tensor:
        seen.append(len(data))
        return decode(data, form)

    monkeypatch.setattr(reader, "decode", counting)
    data = opened(root, workers=0)
    whole = list(data.train.epoch(3))
    del seen[:]
    assert same(whole[4:], list(data.train.epoch(3, 4)))
    assert len(seen) == 8


def test_readings_leave_the_global_generator_alone(root: Path) -> None:
    before = torch.get_rng_state()
    data = opened(root, workers=2)
    list(data.train.epoch(0))
    list(data.test(4))
    assert torch.equal(before, torch.get_rng_state())


def test_a_kept_last_batch_is_short(root: Path) -> None:
    data = opened(root, batch=10, last="keep", workers=0)
    assert [len(b.label) for b in data.train.epoch(0)] == [10, 10, 4]


DYING = """
import os, signal, sys
import torch
from graphssl.graph import spec
from graphssl.data import open_data
from graphssl.data.files import Files
from graphssl.data.workers import _why
from graphssl.errors import RunError

read = Files.read

def die(files, position):
    if files.paths[position].endswith("bee/007.jpg"):
        os.kill(os.getpid(), signal.SIGKILL)
    return read(files, position)

Files.read = die
settings = spec.Data(use="image_folder", root=sys.argv[1], size=16, batch=4, resident="workers", workers=1)
try:
    list(open_data(settings, torch.device("cpu"), 0).train.epoch(0))
except RunError as error:
    print(error)
"""


def test_a_worker_that_dies_is_a_run_error_with_the_file(root: Path) -> None:
    """In a process of its own: torch reports the death from a signal handler, wherever the main thread then is."""
    done = subprocess.run([sys.executable, "-c", DYING, str(root)], capture_output=True, text=True, check=False)
    assert re.search(r"worker process .* died while reading '.*bee/007\.jpg'.*data\.workers", done.stdout), done


@pytest.mark.parametrize("workers", [0, 1])
def test_a_worker_that_fails_is_a_run_error_with_the_file(
    root: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    read = Files.read

    def fail(files: Files, position: int) -> bytes:
        if files.paths[position].endswith("bee/007.jpg"):
            raise MemoryError("out of memory")
        return read(files, position)

    monkeypatch.setattr(Files, "read", fail)
    with pytest.raises(RunError, match=r"failed while reading '.*bee/007\.jpg': .*out of memory"):
        list(opened(root, workers=workers).train.epoch(0))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP])
def test_workers_outlive_a_signal_to_all_processes(root: Path, number: int) -> None:
    data = opened(root, workers=2)
    batches = data.train.epoch(0)
    first = next(batches)
    for pid in workers_of(data):
        os.kill(pid, number)
    assert same([first, *batches], list(data.train.epoch(0)))
    pids = workers_of(data)
    data.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_batches_from_workers_reach_the_gpu(root: Path) -> None:
    settings = spec.Data(use="image_folder", root=str(root), size=16, batch=4, resident="workers", workers=2)
    data = open_data(settings, torch.device("cuda"), 0)
    for a, b in zip(data.train.epoch(0), opened(root).train.epoch(0), strict=True):
        assert all(x.is_cuda and torch.equal(x.cpu(), y) for x, y in zip(a, b, strict=True))
    data.close()


def test_a_worker_that_is_left_alone_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a second Ctrl-C ends the main process at once, a batch may be on its way."""
    said: list[type] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, *_: said.append(kind))
    reader.quiet(0)
    for error in (BrokenPipeError(), ConnectionResetError(), EOFError(), ValueError()):
        sys.excepthook(type(error), error, None)
    assert said == [ValueError]


def test_frames_of_cpp_are_left_out() -> None:
    text = (
        "Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n  File ...\n"
        "RuntimeError: [enforce fail at alloc_cpu.cpp:127] data. DefaultCPUAllocator: not enough memory: you tried to "
        "allocate 14 bytes.\nException raised from resize at a.cpp:3 (most recent call first):\n"
        "frame #0: c10::Error::Error() + 0x96 (0x7f in libc10.so)\nframe #1: clone\n\n"
    )
    said = _why(RuntimeError(text), SimpleNamespace(standing=torch.tensor([[1, -1]])))
    assert said == (
        "reading pictures failed: RuntimeError: DefaultCPUAllocator: not enough memory: you tried to allocate 14 bytes."
    )

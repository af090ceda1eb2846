"""Pictures behind worker processes: the same batches as from memory, resuming, bad pictures, dying workers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from picture_files import picture, same, write_folder

from graphssl import spec
from graphssl.data import Datasets, open_data, reader
from graphssl.data.decode import BadImageError, decode
from graphssl.data.decode import picture as picture_in
from graphssl.data.folder import Files
from graphssl.errors import RunError

OPEN: list[Datasets] = []


def opened(root: Path, **values: object) -> Datasets:
    settings = {"use": "image_folder", "root": str(root), "size": 16, "batch": 4, "resident": "workers", **values}
    OPEN.append(open_data(spec.Data(**settings), torch.device("cpu"), 0))  # type: ignore[arg-type]
    return OPEN[-1]


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


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

    def counting(data: bytes, size: int) -> torch.Tensor:
        seen.append(len(data))
        return picture_in(data, size)

    monkeypatch.setattr(reader, "picture", counting)
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


def spoil(root: Path) -> dict[int, Path]:
    """Four bad files of four kinds, by position."""
    ant, bee = root / "train" / "ant", root / "train" / "bee"
    (ant / "003.jpg").write_bytes(b"")
    (ant / "004.jpg").write_text("this is no picture")
    content = (bee / "001.jpg").read_bytes()
    (bee / "001.jpg").write_bytes(content[: len(content) // 2])
    (bee / "011.jpg").unlink()
    (bee / "011.jpg").symlink_to("nowhere.jpg")
    return {3: ant / "003.jpg", 4: ant / "004.jpg", 13: bee / "001.jpg", 23: bee / "011.jpg"}


@pytest.mark.parametrize("resident", ["memory", "workers"])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_picture_stops_the_run_by_name(root: Path, resident: str, workers: int) -> None:
    path = root / "train" / "ant" / "003.jpg"
    path.write_bytes(b"")
    with pytest.raises(RunError, match=rf"'{path}': the file is empty\..*`data.on_bad_image: skip`"):
        list(opened(root, resident=resident, workers=workers).train.epoch(0))


def test_skipped_pictures_are_left_out_of_a_resident_set(root: Path) -> None:
    bad = spoil(root)
    data = opened(root, resident="memory", on_bad_image="skip")
    assert data.train.samples == 20
    indices = torch.cat([b.index for b in data.train.epoch(0)])
    assert sorted(indices.tolist()) == [i for i in range(24) if i not in bad]
    for batch in data.reference(7):
        for image, index, label in zip(*batch, strict=True):
            path = root / "train" / ("ant", "bee")[int(label)] / f"{int(index) % 12:03d}.jpg"
            assert torch.equal(image, decode(str(path), 16))
    assert data.bad.count == 4
    assert f"{bad[3]}: the file is empty" in data.bad.names


@pytest.mark.parametrize("workers", [0, 2])
def test_skipped_pictures_are_replaced_in_training_batches(root: Path, workers: int) -> None:
    bad = spoil(root)
    data = opened(root, on_bad_image="skip", workers=workers)
    assert (data.train.samples, data.train.steps) == (24, 6)
    order = torch.cat([b.index for b in opened_before(root, bad).train.epoch(0)]).tolist()
    for number, batch in enumerate(data.train.epoch(0)):
        wanted = order[4 * number : 4 * number + 4]
        assert len(batch.index) == 4 == len(set(batch.index.tolist()))
        for slot, index in enumerate(batch.index.tolist()):
            expected = wanted[slot]
            if expected in bad:
                assert index not in bad
                assert index not in wanted
            else:
                assert index == expected
            path = root / "train" / ("ant", "bee")[index // 12] / f"{index % 12:03d}.jpg"
            assert torch.equal(batch.image[slot], decode(str(path), 16))
            assert batch.label[slot] == index // 12
    assert data.bad.count == 4
    assert same(list(data.train.epoch(0)), list(data.train.epoch(0)))
    assert same(list(data.train.epoch(0))[2:], list(data.train.epoch(0, 2)))


def opened_before(root: Path, bad: dict[int, Path]) -> Datasets:
    """The set with its bad pictures mended, elsewhere."""
    healthy = root.parent / f"{root.name}_healthy"
    return opened(write_folder(healthy), workers=0)


def test_the_next_readable_file_replaces_a_bad_one(root: Path) -> None:
    spoil(root)
    source = opened(root, on_bad_image="skip", workers=0)._train
    batch = next(source.read(torch.tensor([2, 3, 5, 23]), 4, full=True))
    assert batch.index.tolist() == [2, 6, 5, 0]


def test_a_batch_of_the_whole_set_repeats_its_own(tmp_path: Path) -> None:
    root = write_folder(tmp_path, each=2)
    (root / "train" / "bee" / "001.jpg").write_bytes(b"")
    data = opened(root, on_bad_image="skip", workers=0)
    batch = next(data.train.epoch(0))
    assert len(batch.index) == 4
    assert sorted(set(batch.index.tolist())) == [0, 1, 2]


@pytest.mark.parametrize("resident", ["memory", "workers"])
def test_evaluation_leaves_bad_pictures_out(root: Path, resident: str) -> None:
    (root / "test" / "ant" / "000.jpg").write_bytes(b"")
    data = opened(root, resident=resident, on_bad_image="skip", workers=0)
    assert [b.index.tolist() for b in data.test(12)] == [[*range(1, 12)], [*range(12, 24)]] or resident == "memory"
    assert torch.cat([b.index for b in data.test(12)]).tolist() == [*range(1, 24)]
    assert data.bad.count == 1


@pytest.mark.parametrize("resident", ["memory", "workers"])
def test_a_set_of_bad_pictures_is_refused(tmp_path: Path, resident: str) -> None:
    root = write_folder(tmp_path, each=3)
    for path in (root / "train").rglob("*.jpg"):
        path.write_bytes(b"")
    message = "no training picture that can be read" if resident == "memory" else r"none of \d+ pictures.*empty"
    with pytest.raises(RunError, match=message):
        list(opened(root, resident=resident, on_bad_image="skip", workers=0).train.epoch(0))


def test_the_first_ten_bad_pictures_are_named(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    for path in (root / "train" / "ant").iterdir():
        path.write_bytes(b"")
    data = opened(root, on_bad_image="skip", workers=0)
    list(data.train.epoch(0))
    list(data.train.epoch(1))
    assert (data.bad.count, len(data.bad.names)) == (12, 10)


def test_a_bad_picture_counts_once_wherever_the_set_is_kept(root: Path) -> None:
    spoil(root)
    (root / "test" / "bee" / "002.jpg").write_bytes(b"")
    counts = {}
    for resident, workers in (("memory", 0), ("workers", 0), ("workers", 2)):
        data = opened(root, resident=resident, workers=workers, on_bad_image="skip")
        for epoch in range(3):
            list(data.train.epoch(epoch))
            list(data.reference(5)), list(data.test(5))
        counts[resident, workers] = data.bad.count, sorted(data.bad.names)
    assert len({str(found) for found in counts.values()}) == 1, counts
    assert counts["memory", 0][0] == 5


def test_a_picture_of_one_pixel_and_a_grey_one_are_welcome(root: Path) -> None:
    picture(1, 1, 1).save(root / "train" / "ant" / "000.jpg")
    picture(1).convert("L").save(root / "train" / "ant" / "001.jpg")
    data = opened(root, workers=0)
    first = next(data.reference(2)).image
    assert torch.equal(first[0], first[0, :, :1, :1].expand(3, 16, 16))
    assert torch.equal(first[1, 0], first[1, 2])


DYING = """
import os, signal, sys
import torch
from graphssl import spec
from graphssl.data import open_data
from graphssl.data.folder import Files
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


def test_workers_outlive_an_interrupt_of_the_terminal(root: Path) -> None:
    data = opened(root, workers=2)
    batches = data.train.epoch(0)
    first = next(batches)
    for pid in workers_of(data):
        os.kill(pid, signal.SIGINT)
    assert same([first, *batches], list(data.train.epoch(0)))


def test_a_bad_image_error_is_one_line() -> None:
    with pytest.raises(BadImageError) as caught:
        decode("/nowhere/a.jpg", 8)
    assert "\n" not in str(caught.value)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_batches_from_workers_reach_the_gpu(root: Path) -> None:
    settings = spec.Data(use="image_folder", root=str(root), size=16, batch=4, resident="workers", workers=2)
    data = open_data(settings, torch.device("cuda"), 0)
    for a, b in zip(data.train.epoch(0), opened(root).train.epoch(0), strict=True):
        assert all(x.is_cuda and torch.equal(x.cpu(), y) for x, y in zip(a, b, strict=True))
    data.close()

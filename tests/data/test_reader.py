"""Pictures that cannot be read: named, left out or replaced, and counted once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import picture_files
import pytest
import torch
from picture_files import closing, picture, same, seen, write_folder

from graphssl.data import Datasets
from graphssl.errors import RunError

_close = pytest.fixture(autouse=True)(closing)
opened = partial(picture_files.opened, resident="workers")  # where a test does not say otherwise


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_folder(tmp_path)


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
        for image, index, label in zip(*batch[:3], strict=True):
            path = root / "train" / ("ant", "bee")[int(label)] / f"{int(index) % 12:03d}.jpg"
            assert torch.equal(image, seen(path, 16))
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
            assert torch.equal(batch.image[slot], seen(path, 16))
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

"""Folders of pictures: layouts, the held-out tenth, labels, and what is said when a folder is not as expected."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from picture_files import config, opened, picture, seen, write_folder

from graphssl.data import facts, folder, open_data
from graphssl.data.files import Paths
from graphssl.data.folder import listing
from graphssl.errors import RunError
from graphssl.graph import spec


def test_train_and_test_folders(tmp_path: Path) -> None:
    root = write_folder(tmp_path, each=6)
    data = opened(root)
    train, test = next(data.reference(100)), next(data.test(100))
    assert (train.label.tolist(), test.label.tolist()) == ([0] * 6 + [1] * 6,) * 2
    assert torch.equal(train.index, torch.arange(12))
    assert torch.equal(train.image[7], seen(root / "train/bee/001.jpg", 16))
    assert torch.equal(test.image[0], seen(root / "test/ant/000.jpg", 16))
    assert (data.classes, data.train.samples, data.place) == (("ant", "bee"), 12, "memory")


@pytest.mark.parametrize("part", ["val", "valid", "validation"])
def test_val_stands_in_where_test_has_no_classes(tmp_path: Path, part: str) -> None:
    write_folder(tmp_path, ("train", part), each=3)
    (tmp_path / "test").mkdir()
    picture(0).save(tmp_path / "test" / "unsorted.jpg")
    train, held, _ = listing(tmp_path)
    assert (len(train.paths), len(held.paths)) == (6, 6)
    assert held.paths[0] == str(tmp_path / part / "ant" / "000.jpg")


@pytest.mark.parametrize("parts", [("train",), ("",)])
def test_without_a_split_a_tenth_of_each_class_is_held_out(tmp_path: Path, parts: tuple[str, ...]) -> None:
    write_folder(tmp_path, parts, each=20)
    train, held, classes = listing(tmp_path)
    assert torch.bincount(train.label).tolist() == [18, 18]
    assert torch.bincount(held.label).tolist() == [2, 2]
    assert not set(train.paths) & set(held.paths)
    assert len(set(train.paths) | set(held.paths)) == 40
    assert classes == ("ant", "bee")
    again = listing(tmp_path)[1]
    assert list(again.paths) == list(held.paths)


@pytest.mark.parametrize(("each", "held"), [(1, 0), (2, 1), (14, 1), (15, 2), (25, 3)])
def test_how_many_a_tenth_is(tmp_path: Path, each: int, held: int) -> None:
    for i in range(each):
        (tmp_path / "ant").mkdir(exist_ok=True)
        (tmp_path / "ant" / f"{i}.jpg").touch()
    assert len(listing(tmp_path)[1].paths) == held
    assert facts(config(tmp_path)).samples == each - held


@pytest.mark.parametrize("folder", ["", "train"])
def test_pictures_without_classes_have_no_labels(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    for i in range(20):
        picture(i).save(tmp_path / folder / f"{i}.png")
    data = opened(tmp_path)
    assert data.classes == ()
    assert facts(config(tmp_path)).classes is None
    assert data.train.samples == facts(config(tmp_path)).samples == 18
    assert next(data.train.epoch(0)).label.tolist() == [-1] * 4
    assert list(data.reference(4)) == []
    assert next(data.test(4)).label.tolist() == [-1, -1]


def test_what_is_passed_over(tmp_path: Path) -> None:
    write_folder(tmp_path, each=3)
    (tmp_path / "train" / "empty").mkdir()
    (tmp_path / "train" / ".cache").mkdir()
    picture(0).save(tmp_path / "train" / ".cache" / "a.jpg")
    picture(0).save(tmp_path / "train" / "loose.jpg")
    (tmp_path / "train" / "ant" / "._000.jpg").write_bytes(b"resource fork")
    (tmp_path / "train" / "ant" / "notes.txt").write_text("no picture")
    (tmp_path / "train" / "bee" / "deeper").mkdir()
    picture(0).save(tmp_path / "train" / "bee" / "deeper" / "LOUD.JPEG")
    train, _, classes = listing(tmp_path)
    assert classes == ("ant", "bee")
    assert train.label.tolist() == [0] * 3 + [1] * 4
    assert train.paths[6].endswith("bee/deeper/LOUD.JPEG")


@pytest.mark.parametrize("parts", [("train", "test"), ("train",), ("",)])
@pytest.mark.parametrize("each", [1, 2, 5, 15, 16])
def test_a_bounded_count_agrees_with_the_whole_one(tmp_path: Path, parts: tuple[str, ...], each: int) -> None:
    known = facts(config(write_folder(tmp_path, parts, ("ant", "bee", "cow"), each)))
    for n in range(3 * each + 3):
        assert known.fewer_than(n) == (known.samples if known.samples < n else None), n


def test_a_bounded_count_of_loose_pictures_and_of_none(tmp_path: Path) -> None:
    known = facts(config(tmp_path))
    assert (known.samples, known.fewer_than(5)) == (None, None)
    for i in range(20):
        (tmp_path / f"{i}.png").touch()
    known = facts(config(tmp_path))
    assert (known.samples, known.fewer_than(18), known.fewer_than(19)) == (18, None, 18)
    assert facts(config(tmp_path / "none")).fewer_than(5) is None


def test_a_bounded_count_stops_when_it_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path, classes=("ant",), each=1)
    (tmp_path / "train" / "bee").mkdir()
    for i in range(300):
        (tmp_path / "train" / "bee" / f"{i:03d}.jpg").touch()
    seen: list[str] = []
    plain = folder.is_picture
    monkeypatch.setattr(folder, "is_picture", lambda one, *of: (seen.append(one.name), plain(one, *of))[1])
    assert facts(config(tmp_path)).fewer_than(10) is None
    assert len(seen) < 40


def test_the_fingerprint_is_of_the_training_names(tmp_path: Path) -> None:
    one, two = write_folder(tmp_path / "one", each=4), write_folder(tmp_path / "two", each=4)
    before = opened(one).fingerprint
    assert before == opened(two, resident="workers").fingerprint, "wherever the root is, however it is read"
    (two / "train" / "ant" / "002.jpg").rename(two / "train" / "ant" / "002b.jpg")
    assert opened(two).fingerprint != before, "as many, and others"
    (one / "test" / "ant" / "002.jpg").rename(one / "test" / "ant" / "002b.jpg")
    assert opened(one).fingerprint == before, "the held-out split is not trained on"
    (one / "train" / "ant" / "003.jpg").rename(one / "train" / "bee" / "004.jpg")
    assert opened(one).fingerprint != before, "of another class"


def test_sets_that_come_as_arrays_have_no_fingerprint() -> None:
    assert open_data(spec.Data(use="digits"), torch.device("cpu"), 0).fingerprint is None


def test_names_of_any_bytes_survive() -> None:
    names = ["a.jpg", "dir/ä ö.png", "b\udcff.jpg", ""]
    paths = Paths(names)
    assert list(paths) == names
    assert len(paths) == 4


def test_a_missing_root_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=rf"no folder '{tmp_path}/none'.*train/<class>"):
        opened(tmp_path / "none")


def test_an_empty_root_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no pictures under .*<class>/\*\.jpg"):
        opened(tmp_path)


def test_a_held_out_class_must_be_known(tmp_path: Path) -> None:
    write_folder(tmp_path, ("train",))
    write_folder(tmp_path, ("test",), ("ant", "beee"))
    with pytest.raises(RunError, match=r"test/beee.*did you mean 'bee'"):
        opened(tmp_path)


def test_imagenet_is_a_folder_with_val(tmp_path: Path) -> None:
    write_folder(tmp_path, ("train", "val"), ("n01440764", "n01443537"), each=4)
    data = opened(tmp_path, "imagenet", size=None)
    assert data.classes == ("n01440764", "n01443537")
    assert next(data.train.epoch(0)).image.shape == (4, 3, 224, 224)


def test_imagenet_with_an_unsorted_val_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, ("train",), ("n01440764",))
    (tmp_path / "val").mkdir()
    picture(0).save(tmp_path / "val" / "ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(RunError, match=r"not laid out as ImageNet.*class folders too.*image_folder"):
        opened(tmp_path, "imagenet")


def test_more_pictures_than_promised_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from graphssl.graph.spec import DATA_SETS

    write_folder(tmp_path, ("train", "val"), each=4)
    monkeypatch.setitem(DATA_SETS, "imagenet", replace(DATA_SETS["imagenet"], samples=7))
    with pytest.raises(RunError, match="7 training pictures and 8 were found"):
        opened(tmp_path, "imagenet")


def test_decoding_at_the_start_reports_progress(tmp_path: Path) -> None:
    root, told = write_folder(tmp_path, each=5), []
    open_data(config(root), torch.device("cpu"), 0, progress=lambda done, total: told.append((done, total)))
    assert told == [(10, 20), (20, 20)]

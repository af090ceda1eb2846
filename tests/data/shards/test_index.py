"""The index of a shard: samples and labels from its headers, kept and read again, and damaged tars."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from picture_files import seen
from shard_files import jpeg, opened, own_cache, own_set, tar

from graphssl.data import Datasets
from graphssl.data.shards import index as tarindex
from graphssl.data.shards.index import load, scan
from graphssl.errors import RunError

cache = pytest.fixture(autouse=True)(own_cache)


root = pytest.fixture(own_set)


def one(path: Path, members: dict[str, bytes]) -> Datasets:
    return opened(tar(path / "train.tar", members), batch=1)


@pytest.mark.parametrize(
    ("text", "labels", "classes"),
    [
        ({"cls": b"1"}, [1], ("0", "1")), ({"cls": b"1\n"}, [1], ("0", "1")), ({"cls": b"01"}, [1], ("0", "1")),
        ({"json": b'{"label": 1}'}, [1], ("0", "1")), ({"json": b'{"cls": "bee", "x": 2}'}, [0], ("bee",)),
        ({"cls": b"bee"}, [0], ("bee",)), ({"cls": b"-1"}, [-1], ()), ({"cls": b"-7"}, [-1], ()), ({}, [-1], ()), ({"json": b"[1]"}, [-1], ()),
        ({"json": b"no json"}, [-1], ()), ({"json": b'{"label": true}'}, [-1], ()), ({"txt": b"1"}, [-1], ()),
        ({"cls": b"1", "json": b'{"label": 0}'}, [1], ("0", "1")), ({"json": b'{"label": 0}', "cls": b"1"}, [1], ("0", "1")),
        ({"cls": b"5000000000"}, [0], ("5000000000",)), ({"cls": b"7" * 5000}, [0], ("7" * 5000,)),
        ({"json": b"[" * 100_000}, [-1], ()), ({"json": b'{"label": ' + b"7" * 5000 + b"}"}, [-1], ()),
    ],
)  # fmt: skip
def test_labels(tmp_path: Path, text: dict[str, bytes], labels: list[int], classes: tuple[str, ...]) -> None:
    data = one(tmp_path, {"a.jpg": jpeg(0), **{f"a.{suffix}": content for suffix, content in text.items()}})
    assert next(data.train.epoch(0)).label.tolist() == labels
    assert data.classes == classes


def test_json_labels_that_are_long_are_no_labels(tmp_path: Path) -> None:
    text = json.dumps({"label": [0, 1], "caption": "a bee"}).encode()
    assert one(tmp_path, {"a.jpg": jpeg(0), "a.json": text}).classes == ()


def test_names_of_classes_are_numbered_in_their_order(tmp_path: Path) -> None:
    names = ["wasp", "ant", "bee", "ant"]
    members = {}
    for n, name in enumerate(names):
        members |= {f"{n}.jpg": jpeg(n), f"{n}.cls": name.encode()}
    data = one(tmp_path, members)
    assert data.classes == ("ant", "bee", "wasp")
    assert next(data.reference(4)).label.tolist() == [2, 0, 1, 0]


def test_only_labelled_samples_are_referred_to(tmp_path: Path) -> None:
    data = one(tmp_path, {"a.jpg": jpeg(0), "b.jpg": jpeg(1), "b.cls": b"0", "c.jpg": jpeg(2)})
    assert next(data.reference(4)).index.tolist() == [1]


def test_a_sample_is_what_shares_a_key(tmp_path: Path) -> None:
    members = {
        "x/1.cls": b"1", "x/1.jpg": jpeg(0), "x/1.seg.png": b"no picture", "y/1.JPEG": jpeg(1), "y/1.cls": b"0", "z.txt": b"no picture",
        ".hidden.jpg": b"", "v1.5/7.input.jpg": jpeg(2), "__key__": b"", "_.jpg": jpeg(3),
    }  # fmt: skip
    data = one(tmp_path, members)
    batch = next(data.train._source.read(torch.arange(4), 4, full=False))
    assert data.train.samples == 4
    assert batch.label.tolist() == [1, 0, -1, -1]
    for n, image in enumerate(batch.image):
        assert torch.equal(image, seen(jpeg(n), 16))


def test_the_picture_is_the_one_without_a_further_name(tmp_path: Path) -> None:
    names = ["a.depth.png", "a.jpg", "a.seg.png", "b.left.jpg", "b.right.jpg", "c.jpeg", "c.png"]
    data = one(tmp_path, {name: jpeg(number) for number, name in enumerate(names)})
    images = next(data.train._source.read(torch.arange(3), 3, full=False)).image
    for image, number in zip(images, (1, 3, 5), strict=True):
        assert torch.equal(image, seen(jpeg(number), 16))


def test_a_name_that_comes_again_is_another_sample(tmp_path: Path) -> None:
    """A picture never gets the label of another one."""
    tar(tmp_path / "train.tar", {"a.jpg": jpeg(0), "a.cls": b"0"})
    tar(tmp_path / "train.tar", {"a.jpg": jpeg(1), "a.cls": b"1"}, "a")
    source = opened(tmp_path / "train.tar", batch=1)._train
    batch = next(source.read(torch.arange(2), 2, full=False))
    assert batch.label.tolist() == [0, 1]
    for number in range(2):
        assert torch.equal(batch.image[number], seen(jpeg(number), 16))


@pytest.mark.parametrize("names", ["a.jpg b.jpg a.cls b.cls", "a.cls b.json a.jpg b.jpg", "b.jpg a.jpg b.cls a.cls"])
def test_a_label_apart_from_its_picture_is_refused(tmp_path: Path, names: str) -> None:
    contents = {"jpg": jpeg(0), "cls": b"1", "json": b'{"label": 1}'}
    with pytest.raises(RunError, match=r"train\.tar' the label of '[ab]' does not follow its picture.*tar --sort=name"):
        one(tmp_path, {name: contents[name[2:]] for name in names.split()})


def test_what_has_no_picture_may_have_a_label(tmp_path: Path) -> None:
    members = {"a.jpg": jpeg(0), "b.cls": b"1", "b.txt": b"", "c.jpg": jpeg(1), "c.cls": b"0"}
    assert one(tmp_path, members)._train.labelled.tolist() == [1]


def test_a_name_may_begin_as_a_compressed_file_does(tmp_path: Path) -> None:
    assert one(tmp_path, {"BZh1.jpg": jpeg(0)}).train.samples == 1


def test_folders_and_links_in_a_tar_are_passed_over(tmp_path: Path) -> None:
    import tarfile

    with tarfile.open(tmp_path / "train.tar", "w") as file:
        for name, kind in (("d.jpg", tarfile.DIRTYPE), ("l.jpg", tarfile.SYMTYPE)):
            member = tarfile.TarInfo(name)
            member.type = kind
            file.addfile(member)
        member = tarfile.TarInfo("n" * 150 + ".jpg")  # of several headers
        member.size = len(jpeg(5))
        file.addfile(member, io.BytesIO(jpeg(5)))
    data = opened(tmp_path / "train.tar", batch=1)
    assert data.train.samples == 1
    assert torch.equal(next(data.train.epoch(0)).image[0], seen(jpeg(5), 16))


def test_an_index_of_another_version_is_made_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan(str(root / "train-0.tar"), "").save(root / "0.index")
    assert load(root / "0.index") is not None
    monkeypatch.setattr(tarindex, "VERSION", "other")
    assert load(root / "0.index") is None


def test_names_of_any_kind_survive(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"ä/ö ü.jpg": jpeg(0), "ä/ö ü.cls": "käfer".encode(), "\udcff.jpg": jpeg(1)})
    index = scan(str(path), "")
    index.save(tmp_path / "a.index")
    again = load(tmp_path / "a.index")
    assert again is not None
    assert (again.names, again.labels) == (index.names, index.labels) == (("ä/ö ü.jpg", "\udcff.jpg"), ("käfer", ""))
    assert again.offset.tolist() == index.offset.tolist()


def no_tar(root: Path) -> None:
    (root / "train-1.tar").write_bytes(b"this is no tar" * 100)


def cut(root: Path) -> None:
    content = (root / "train-1.tar").read_bytes()
    (root / "train-1.tar").write_bytes(content[: content.index(b"0102.jpg") + 700])


def zipped(root: Path) -> None:
    (root / "train-1.tar").write_bytes(gzip.compress((root / "train-1.tar").read_bytes()))


def joined(root: Path) -> None:
    with (root / "train-1.tar").open("ab") as file:
        file.write((root / "train-0.tar").read_bytes())


def header(root: Path) -> None:
    content = bytearray((root / "train-1.tar").read_bytes())
    content[content.index(b"0102.jpg") + 150] ^= 1  # its checksum
    (root / "train-1.tar").write_bytes(content)


def texts(root: Path) -> None:
    tar(root / "train-1.tar", {"a.txt": b"", "a.cls": b"1"})


def empty(root: Path) -> None:
    (root / "train-1.tar").write_bytes(b"")


DAMAGE = {
    no_tar: r"the shard '.*train-1\.tar' is no whole tar", cut: r"train-1\.tar' is no whole tar: unexpected end of data",
    joined: r"train-1\.tar' is no whole tar: .*another tar follows its end",
    zipped: r"train-1\.tar' is compressed \(gzip\).*Unpack it", header: r"train-1\.tar' is no whole tar: a header is damaged",
    texts: r"no picture in the shard '.*train-1\.tar': a sample is KEY\.jpg", empty: r"train-1\.tar' is no whole tar: empty file",
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda f: f.__name__)
def test_a_damaged_shard_is_named(root: Path, damage: Callable[[Path], None]) -> None:
    damage(root)
    with pytest.raises(RunError, match=DAMAGE[damage]) as caught:
        opened(root)
    assert "\n" not in str(caught.value)


def hostile(path: Path, kind: bytes, size: int) -> str:
    """A header with so many bytes of its own, of which there are none but holes."""
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, size
    with path.open("wb") as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        file.truncate(512 + size + 1024)
    return str(path)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_headers_with_too_much_of_their_own(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(RunError, match="no whole tar: a header says that it has 10,737,418,240 bytes of its own"):
        scan(hostile(tmp_path / "a.tar", kind, 10 << 30), "a.tar")


def test_a_label_of_any_size_is_none(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, content in (("a.jpg", b"x"), ("a.cls", bytes(2 << 20))):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    with pytest.raises(RunError, match=r"'a\.cls' has 2,097,152 bytes, and is no label"):
        scan(str(tmp_path / "a.tar"), "a.tar")


def test_pipes_hold_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.tar")
    with pytest.raises(RunError, match="it is a pipe, and no regular file"):
        scan(str(tmp_path / "a.tar"), "a.tar")
    os.mkfifo(tmp_path / "a.tar.index")
    assert load(tmp_path / "a.tar.index") is None


def test_other_formats_in_a_tar_are_counted(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name in ("a.jpg", "a.cls", "b.heic", "b.cls", "c.heic", "d.txt", "e.json"):
            tar.addfile(tarfile.TarInfo(name))
    index = scan(str(tmp_path / "a.tar"), "a.tar")
    assert (len(index.names), index.others, index.other) == (1, 2, "b.heic")
    index.save(tmp_path / "x")
    again = load(tmp_path / "x")
    assert again is not None
    assert (again.others, again.other) == (2, "b.heic")

"""The named sets, written small in the files' real formats and read through torchvision."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from graphssl.data import Datasets, open_data
from graphssl.errors import RunError
from graphssl.graph import spec

RANDOM = np.random.RandomState(0)


def pixels(*shape: int) -> np.ndarray:
    return RANDOM.randint(0, 256, shape).astype(np.uint8)


def opened(use: str, root: Path, **values: object) -> Datasets:
    values = {"batch": 4, **values}
    return open_data(spec.Data(use=use, root=str(root), **values), torch.device("cpu"), 0)  # type: ignore[arg-type]


def everything(data: Datasets) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    train, test = list(data.reference(3)), list(data.test(3))
    return (
        torch.cat([b.image for b in train]), torch.cat([b.label for b in train]),
        torch.cat([b.image for b in test]), torch.cat([b.label for b in test]),
    )  # fmt: skip


def check(data: Datasets, train: np.ndarray, test: np.ndarray, train_y: list[int], test_y: list[int]) -> None:
    got = everything(data)
    assert torch.equal(got[0], torch.from_numpy(train))
    assert torch.equal(got[2], torch.from_numpy(test))
    assert (got[1].tolist(), got[3].tolist()) == (train_y, test_y)


def _dump(path: Path, content: object) -> list[str]:
    path.write_bytes(pickle.dumps(content))
    return [path.name, hashlib.md5(path.read_bytes()).hexdigest()]


@pytest.fixture
def cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, np.ndarray, np.ndarray]:
    from torchvision.datasets import CIFAR10

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    train, test = pixels(10, 3, 32, 32), pixels(5, 3, 32, 32)
    parts = [
        _dump(folder / f"data_batch_{i + 1}", {"data": train[2 * i : 2 * i + 2].reshape(2, -1), "labels": [i, 9 - i]})
        for i in range(5)
    ]
    monkeypatch.setattr(CIFAR10, "train_list", parts)
    held = _dump(folder / "test_batch", {"data": test.reshape(5, -1), "labels": [4, 3, 2, 1, 0]})
    monkeypatch.setattr(CIFAR10, "test_list", [held])
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    meta = _dump(folder / "batches.meta", {"label_names": names})
    monkeypatch.setattr(CIFAR10, "meta", {"filename": meta[0], "key": "label_names", "md5": meta[1]})
    return tmp_path, train, test


def test_cifar10(cifar10: tuple[Path, np.ndarray, np.ndarray]) -> None:
    root, train, test = cifar10
    data = opened("cifar10", root)
    check(data, train, test, [0, 9, 1, 8, 2, 7, 3, 6, 4, 5], [4, 3, 2, 1, 0])
    assert data.classes[:3] == ("airplane", "automobile", "bird")
    assert (data.train.samples, data.train.steps, data.place) == (10, 2, "memory")


def test_another_size_is_that_of_what_is_evaluated(cifar10: tuple[Path, np.ndarray, np.ndarray]) -> None:
    root, train, test = cifar10
    data = opened("cifar10", root, size=16)
    batch = next(data.train.epoch(0))
    assert torch.equal(batch.image, torch.from_numpy(train)[batch.index]), "views are cut of the pictures themselves"
    expected = functional.interpolate(torch.from_numpy(test), (16, 16), mode="bilinear", antialias=True)
    assert torch.equal(next(data.test(len(test))).image, expected)


def test_a_root_below_home_is_found(
    cifar10: tuple[Path, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(cifar10[0]))
    assert opened("cifar10", Path("~")).train.samples == 10


def test_a_damaged_file_is_told_from_a_missing_one(cifar10: tuple[Path, np.ndarray, np.ndarray]) -> None:
    root = cifar10[0]
    (root / "cifar-10-batches-py" / "test_batch").write_bytes(b"half")
    with pytest.raises(RunError, match=r"incomplete or damaged.*Delete it.*download: true"):
        opened("cifar10", root)


def test_cifar100(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR100

    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    train, test = pixels(6, 3, 32, 32), pixels(4, 3, 32, 32)
    coarse = {"coarse_labels": [0] * 6}
    kept = _dump(folder / "train", {"data": train.reshape(6, -1), "fine_labels": [5, 99, 0, 7, 7, 1], **coarse})
    held = _dump(folder / "test", {"data": test.reshape(4, -1), "fine_labels": [1, 2, 3, 98], **coarse})
    monkeypatch.setattr(CIFAR100, "train_list", [kept])
    monkeypatch.setattr(CIFAR100, "test_list", [held])
    meta = _dump(folder / "meta", {"fine_label_names": [f"class {i}" for i in range(100)]})
    monkeypatch.setattr(CIFAR100, "meta", {"filename": "meta", "key": "fine_label_names", "md5": meta[1]})
    data = opened("cifar100", tmp_path)
    check(data, train, test, [5, 99, 0, 7, 7, 1], [1, 2, 3, 98])
    assert len(data.classes) == 100


def test_fashion_mnist(tmp_path: Path) -> None:
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    split = {"train": (pixels(7, 28, 28), [0, 1, 2, 3, 4, 5, 9]), "t10k": (pixels(5, 28, 28), [9, 8, 7, 6, 5])}
    for name, (image, label) in split.items():
        header = np.array([0x803, *image.shape], dtype=">i4").tobytes()
        (folder / f"{name}-images-idx3-ubyte").write_bytes(header + image.tobytes())
        header = np.array([0x801, len(label)], dtype=">i4").tobytes()
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(header + bytes(label))
    data = opened("fashion_mnist", tmp_path)
    grey = {name: np.repeat(image[:, None], 3, axis=1) for name, (image, _) in split.items()}
    check(data, grey["train"], grey["t10k"], split["train"][1], split["t10k"][1])
    assert data.classes[9] == "Ankle boot"


def test_svhn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.io import savemat
    from torchvision.datasets import SVHN

    train, test = pixels(32, 32, 3, 6), pixels(32, 32, 3, 5)
    listed = {}
    for name, image, label in (("train", train, [1, 10, 3, 4, 5, 10]), ("test", test, [2, 10, 9, 1, 1])):
        path = tmp_path / f"{name}_32x32.mat"
        savemat(path, {"X": image, "y": np.array(label, dtype=np.uint8)[:, None]})
        listed[name] = ["", path.name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(SVHN, "split_list", listed)
    channels_first = (np.ascontiguousarray(image.transpose(3, 2, 0, 1)) for image in (train, test))
    data = opened("svhn", tmp_path)
    check(data, *channels_first, [1, 0, 3, 4, 5, 0], [2, 0, 9, 1, 1])
    assert data.classes == tuple("0123456789")


@pytest.fixture
def stl10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, dict[str, np.ndarray]]:
    from torchvision.datasets import STL10

    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    images = {"train": pixels(4, 3, 96, 96), "unlabeled": pixels(6, 3, 96, 96), "test": pixels(5, 3, 96, 96)}
    for name, image in images.items():
        (folder / f"{name}_X.bin").write_bytes(image.transpose(0, 1, 3, 2).tobytes())  # stored by columns
    (folder / "train_y.bin").write_bytes(bytes([1, 10, 3, 4]))
    (folder / "test_y.bin").write_bytes(bytes([5, 4, 3, 2, 1]))
    (folder / "class_names.txt").write_text("airplane\nbird\ncar\ncat\ndeer\ndog\nhorse\nmonkey\nship\ntruck\n")
    md5 = {p.name: hashlib.md5(p.read_bytes()).hexdigest() for p in folder.iterdir()}
    listed = {
        "train_list": ["train_X.bin", "train_y.bin", "unlabeled_X.bin"],
        "test_list": ["test_X.bin", "test_y.bin"],
    }
    for attribute, names in listed.items():
        monkeypatch.setattr(STL10, attribute, [[name, md5[name]] for name in names])
    return tmp_path, images


def test_stl10_trains_on_all_and_is_judged_by_the_labelled(stl10: tuple[Path, dict[str, np.ndarray]]) -> None:
    root, images = stl10
    data = opened("stl10", root, batch=10)
    assert data.train.samples == 10
    seen = next(data.train.epoch(0))
    both = torch.from_numpy(np.concatenate((images["train"], images["unlabeled"])))
    assert torch.equal(seen.image, both[seen.index])
    assert seen.label[seen.index.argsort()].tolist() == [0, 9, 2, 3, -1, -1, -1, -1, -1, -1]
    check(data, images["train"], images["test"], [0, 9, 2, 3], [4, 3, 2, 1, 0])
    assert [b.index.tolist() for b in data.reference(3)] == [[0, 1, 2], [3]]
    assert data.classes[9] == "truck"


@pytest.mark.parametrize(
    ("use", "holds"),
    [
        ("cifar10", "cifar-10-batches-py"), ("cifar100", "cifar-100-python"), ("fashion_mnist", "FashionMNIST/raw"),
        ("svhn", "train_32x32.mat"), ("stl10", "stl10_binary"),
    ],
)  # fmt: skip
def test_a_missing_set_says_where_to_put_it(tmp_path: Path, use: str, holds: str) -> None:
    with pytest.raises(RunError) as caught:
        opened(use, tmp_path)
    message = str(caught.value)
    assert f"no '{holds}' in '{tmp_path}'" in message
    assert "`data.download: true`" in message
    assert "\n" not in message


def test_a_root_one_folder_too_deep_is_recognised(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=rf"`data.root` is the folder that holds .*: '{tmp_path}'"):
        opened("cifar10", tmp_path / "cifar-10-batches-py")


def test_a_download_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import cifar

    def fail(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(cifar, "download_and_extract_archive", fail)
    with pytest.raises(RunError, match=r"could not be downloaded to .*no route to host.*another machine"):
        opened("cifar10", tmp_path, download=True)

"""The data sets that `data.use` may name: what is known of each before it is read, and how it lies on the disk.

A new set is a row of `DATA_SETS`. Where its format is new too, it is of a new kind, which stands with the options that
it takes, with a reader in `data/open.py`, and with a look whether it is there in `data/presence.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["embedded", "archive", "pictures", "shards"]
Channels = tuple[float, float, float]


@dataclass(frozen=True)
class Archive:
    """A set that torchvision reads and fetches: its class, what selects a split, what the root then holds."""

    cls: str
    train: Mapping[str, Any]
    test: Mapping[str, Any]
    holds: str
    megabytes: int


@dataclass(frozen=True)
class Layout:
    """How pictures lie under the root, in full and in short.

    called: whose layout it is, where folders for training and for held-out pictures must be there; else any will do.
    """

    full: str
    short: str
    called: str | None = None


@dataclass(frozen=True)
class DataSet:
    """What is known of a set.

    kind: `embedded` comes with scikit-learn; an `archive` is read and fetched by torchvision; `pictures` lie in
    folders; `shards` are tars of pictures. samples: to train on; None, like classes, where only its files tell.
    size: height and width of its views in pixels; of arrays, of the images themselves. mean, std: of the training
    split's pixels, per channel, where white is 1.
    """

    kind: Kind
    samples: int | None
    classes: int | None
    size: int
    mean: Channels
    std: Channels
    archive: Archive | None = None
    layout: Layout | None = None


def _grey(value: float) -> Channels:
    return value, value, value


IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGENET_FOLDERS = "train/<class>/*.JPEG and val/<class>/*.JPEG"

DATA_SETS: dict[str, DataSet] = {
    "digits": DataSet("embedded", 1500, 10, 32, _grey(0.3090), _grey(0.3499)),
    "cifar10": DataSet(
        "archive", 50_000, 10, 32, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616),
        Archive("CIFAR10", {"train": True}, {"train": False}, "cifar-10-batches-py", 170),
    ),
    "cifar100": DataSet(
        "archive", 50_000, 100, 32, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762),
        Archive("CIFAR100", {"train": True}, {"train": False}, "cifar-100-python", 170),
    ),
    "fashion_mnist": DataSet(
        "archive", 60_000, 10, 28, _grey(0.2860), _grey(0.3530),
        Archive("FashionMNIST", {"train": True}, {"train": False}, "FashionMNIST/raw", 30),
    ),
    "svhn": DataSet(
        "archive", 73_257, 10, 32, (0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970),
        Archive("SVHN", {"split": "train"}, {"split": "test"}, "train_32x32.mat", 250),
    ),
    "stl10": DataSet(  # 5,000 labelled and 100,000 unlabelled; the statistics are those of the labelled ones
        "archive", 105_000, 10, 96, (0.4467, 0.4398, 0.4066), (0.2603, 0.2566, 0.2713),
        Archive("STL10", {"split": "train+unlabeled"}, {"split": "test"}, "stl10_binary", 2640),
    ),
    "imagenet": DataSet(
        "pictures", 1_281_167, 1000, 224, *IMAGENET, layout=Layout(IMAGENET_FOLDERS, IMAGENET_FOLDERS, "ImageNet")
    ),
    "image_folder": DataSet(
        "pictures", None, None, 224, *IMAGENET,
        layout=Layout("train/<class>/*.jpg and test/<class>/*.jpg, or <class>/*.jpg", "train/<class>/*.jpg"),
    ),
    "webdataset": DataSet("shards", None, None, 224, *IMAGENET),
}  # fmt: skip

# Options of `data:` that not every set takes: the kinds that do, and what these are called; None for their names.
OPTIONS: dict[str, tuple[str | None, tuple[Kind, ...]]] = {
    "root": ("sets that are not embedded", ("archive", "pictures", "shards")),
    "download": ("sets that can be fetched", ("archive",)),
    **dict.fromkeys(("test", "samples", "window"), (None, ("shards",))),
    **dict.fromkeys(("workers", "decode", "on_bad_image"), ("pictures in files", ("pictures", "shards"))),
}


def users_of(option: str) -> tuple[str, tuple[str, ...]]:
    """The sets that take an option, in words and by name.

    >>> users_of("window")
    ("'webdataset' alone", ('webdataset',))
    """
    called, kinds = OPTIONS[option]
    names = tuple(name for name, known in DATA_SETS.items() if known.kind in kinds)
    return called or f"{' and '.join(map(repr, names))} alone", names

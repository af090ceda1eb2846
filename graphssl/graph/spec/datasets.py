"""The data sets that `data.use` may name: what is known of each before it is read, and how it lies on the disk.

A new set is a row of `DATA_SETS`. Where its format is new too, it is of a new kind, which stands with the options that
it takes, with a reader in `data/open.py`, and with a look whether it is there in `data/presence.py`. Sets that are a
class in Python, the user's among them, are rows of the kind `dataset`; see `data/own/registry.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from .section import Section

Kind = Literal["embedded", "archive", "pictures", "shards", "dataset"]
Measure = Literal["top1", "mean_per_class"]
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
    folders; `shards` are tars of pictures; a `dataset` is a class in Python. samples: to train on; None, like classes,
    where only its files tell. size: height and width of its views in pixels; of arrays, of the images themselves. mean,
    std: of the training split's pixels, per channel, where white is 1. config: the options of a `dataset`. cls: its
    class, or where one of ours stands.
    """

    kind: Kind
    samples: int | None
    classes: int | None
    size: int
    mean: Channels
    std: Channels
    archive: Archive | None = None
    layout: Layout | None = None
    config: type[BaseModel] | None = None
    cls: type[Any] | str | None = None

    def takes(self, option: str) -> bool:
        """Whether an option that not every set takes is one of this set's."""
        if self.config is not None and option in self.config.model_fields:
            return True
        called = self.layout is not None and self.layout.called is not None
        return option in OPTIONS and self.kind in OPTIONS[option][1] and not (called and option in LOOSE)


class HuggingFace(Section):
    """Options of `hf`."""

    path: str = Field(description="a folder, or a name such as `cifar10`")
    name: str | None = Field(default=None, description="of its configuration, where it has several")
    split: str = Field(default="train", description="which to train on")
    test: str | None = Field(
        default=None, description="which to hold out; default: `test` or `validation` where there is one, else a tenth"
    )
    image: str | None = Field(default=None, description="the column of pictures; default: that of the kind Image")
    label: str | None = Field(
        default=None, description="the column of labels; default: that of the kind ClassLabel; `none` for no labels"
    )


class Fetched(Section):
    """Options of the sets that torchvision reads picture by picture."""

    root: str = Field(description="the folder that holds it")
    download: bool = Field(default=False, description="fetch it there where it is not")

    called: ClassVar[str]


@dataclass(frozen=True)
class Published:
    """A set of torchvision's: its class, and its splits to learn from and to judge; None for one that has none.

    measure: what the literature's tables have of it, of which one is the mean over classes of the accuracy in each.
    """

    cls: str
    train: tuple[str, ...] | None
    test: tuple[str, ...]
    classes: int
    measure: Measure
    megabytes: int


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
    "hf": DataSet(
        "dataset", None, None, 224, *IMAGENET,
        config=HuggingFace, cls="graphssl.data.own.huggingface:HuggingFaceSet",
    ),
}  # fmt: skip


def _fetched(name: str) -> type[Fetched]:
    return type("Fetched", (Fetched,), {"called": name, "__doc__": Fetched.__doc__, "__module__": __name__})


TORCHVISION: dict[str, Published] = {
    "food101": Published("Food101", ("train",), ("test",), 101, "top1", 5000),
    "dtd": Published("DTD", ("train", "val"), ("test",), 47, "top1", 630),
    "pets": Published("OxfordIIITPet", ("trainval",), ("test",), 37, "mean_per_class", 810),
    "flowers102": Published("Flowers102", ("train", "val"), ("test",), 102, "mean_per_class", 350),
    "aircraft": Published("FGVCAircraft", ("trainval",), ("test",), 100, "mean_per_class", 2750),
    "cars": Published("StanfordCars", ("train",), ("test",), 196, "top1", 1950),
    "caltech101": Published("Caltech101", None, (), 101, "mean_per_class", 140),
}
for _name, _known in TORCHVISION.items():
    DATA_SETS[_name] = DataSet(
        "dataset", None, _known.classes, 224, *IMAGENET,
        config=_fetched(_name), cls="graphssl.data.own.torchvision:TorchvisionSet",
    )  # fmt: skip

LOOSE = ("files", "labels", "test", "held_out")  # options of pictures that lie as they like

# Options of `data:` that not every set takes: the kinds that do, and what these are called; None for their names.
FILES: tuple[Kind, ...] = ("pictures", "shards", "dataset")
OPTIONS: dict[str, tuple[str | None, tuple[Kind, ...]]] = {
    "root": ("sets that are not embedded", ("archive", "pictures", "shards")),
    "download": ("sets that can be fetched", ("archive",)),
    **dict.fromkeys(("files", "labels"), (None, ("pictures",))),
    "test": (None, ("pictures", "shards")),
    "held_out": ("sets that have no held-out split of their own", ("pictures", "dataset")),
    "window": (None, ("shards",)),
    "samples": ("sets whose files alone tell", ("shards", "dataset")),
    **dict.fromkeys(
        ("workers", "decode", "on_bad_image", "channels", "dtype", "orientation"), ("pictures in files", FILES)
    ),
}


def users_of(option: str) -> tuple[str, tuple[str, ...]]:
    """The sets that take an option, in words and by name.

    >>> users_of("window")
    ("'webdataset' alone", ('webdataset',))
    """
    called = OPTIONS[option][0]
    names = tuple(name for name, known in DATA_SETS.items() if known.takes(option))
    return called or f"{' and '.join(map(repr, names))} alone", names


def options() -> tuple[str, ...]:
    """All options that not every set takes."""
    own = (row.config.model_fields for row in DATA_SETS.values() if row.config is not None)
    return tuple(dict.fromkeys([*OPTIONS, *(name for fields in own for name in fields)]))

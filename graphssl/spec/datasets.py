"""The data sets that `data.use` may name."""

from __future__ import annotations

from typing import Literal, get_args

DataSet = Literal[
    "digits", "cifar10", "cifar100", "fashion_mnist", "svhn", "stl10", "imagenet", "image_folder", "webdataset"
]
DATA_SETS = get_args(DataSet)
SHARDS, PICTURES = ("webdataset",), ("imagenet", "image_folder", "webdataset")
FETCHED, NOT_EMBEDDED = DATA_SETS[1:6], DATA_SETS[1:]
USERS = {  # of an option that not every data set has: those that have it, in words and by name
    "root": ("sets that are not embedded", NOT_EMBEDDED),
    "download": ("sets that can be fetched", FETCHED),
    **dict.fromkeys(("test", "samples", "window"), ("'webdataset' alone", SHARDS)),
    **dict.fromkeys(("workers", "decode", "on_bad_image"), ("pictures in files", PICTURES)),
}

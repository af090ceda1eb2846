"""Opens a data set that is a class in Python: its splits, or the one and what is held out of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...errors import RunError
from ...graph import spec
from ..order import held_out, share_held_out, share_of
from .known import class_names, class_of, form_of, options_of, own_facts, said
from .registry import Facts
from .samples import Samples, labels_in, none_in

__all__ = ["open_dataset"]


def open_dataset(data: spec.Data, _progress: object = None) -> tuple[Samples, Samples, tuple[str, ...]]:
    """Training split, held-out split and the names of the classes. Raises RunError where they are not as was said."""
    known = own_facts(data)
    cls = class_of(data)
    opened = said(data, "`__init__`", lambda: cls(options_of(data)) if _takes_config(cls) else cls())
    train, test = (_split(data, opened, name) for name in ("train", "test"))
    if train is None:
        raise RunError(f"the data set '{data.use}' has no training split: `split('train')` gives None")
    if test is train:
        raise RunError(
            f"`split('test')` of the data set '{data.use}' gives what `split('train')` gives: what is held out is not "
            "trained on. Return other samples, or None: a tenth of the training split is then held out"
        )
    _check_lengths(data, known, train, test)
    classes = class_names(known) or next(
        (tuple(map(str, own)) for split in (train, test) if (own := getattr(split, "classes", None))), ()
    )
    everything = torch.arange(len(train))
    if test is not None:
        return _both(data, (train, everything), (test, torch.arange(len(test))), classes)
    held = held_out(map(str, range(len(train))), share_of(len(train), share_held_out(data.held_out)))
    out = torch.tensor([str(i) in held for i in range(len(train))], dtype=torch.bool)
    return _both(data, (train, everything[~out]), (train, everything[out]), classes)


def _takes_config(cls: Any) -> bool:
    return cls.__init__ is not object.__init__


def _split(data: spec.Data, opened: Any, name: str) -> Any:
    split = said(data, f"`split('{name}')`", lambda: opened.split(name))
    if split is None:
        return None
    if not (hasattr(split, "__getitem__") and hasattr(split, "__len__")):
        raise RunError(
            f"`split('{name}')` of the data set '{data.use}' gives {type(split).__name__}: a map-style Dataset has "
            "`__getitem__` and `__len__`"
        )
    return split


def _check_lengths(data: spec.Data, known: Facts, train: Any, test: Any) -> None:
    """A bank has an entry for each sample that was promised."""
    if known.samples is None:
        if data.samples is not None and len(train) > data.samples:
            raise RunError(f"there are {len(train):,} training samples, and data.samples says {data.samples:,}")
        return
    for name, split, said_of_it in (("train", train, known.samples), ("test", test, known.test)):
        there = None if split is None else len(split)
        if there != said_of_it:
            words = ["none" if n is None else f"{n:,}" for n in (there, said_of_it)]
            key = "samples" if name == "train" else "test"
            right = "" if name == "train" else _remedy(there, said_of_it)
            raise RunError(
                f"`split('{name}')` of the data set '{data.use}' has {words[0]} samples, and its `facts` say "
                f"`{key}`: {words[1]}{right}"
            )


def _remedy(there: int | None, said_of_it: int | None) -> str:
    if said_of_it is None:
        return f". Say Facts(test={there}), or return None: a tenth of `split('train')` is then held out"
    return ". Return a Dataset of so many, or say in `facts` what there is: test=None where there is none"


def _both(
    data: spec.Data, train: tuple[Any, Tensor], test: tuple[Any, Tensor], classes: tuple[str, ...]
) -> tuple[Samples, Samples, tuple[str, ...]]:
    called = [f"'{data.use}' ({name})" for name in ("train", "train" if test[0] is train[0] else "test")]
    labels = [
        labels_in(split, name, len(classes) or None) for (split, _), name in zip((train, test), called, strict=True)
    ]
    for label in labels if not classes else ():
        if not classes and label is not None and len(label):
            classes = tuple(map(str, range(int(label.max()) + 1)))
    if classes:
        labels = [
            none_in(split) if label is None else label for (split, _), label in zip((train, test), labels, strict=True)
        ]
    kept, held = (
        Samples(split, index, name, label, len(classes) or None, form_of(data))
        for (split, index), name, label in zip((train, test), called, labels, strict=True)
    )
    return kept, held, classes

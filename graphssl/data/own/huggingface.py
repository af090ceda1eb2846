"""Hugging Face datasets: a folder that `save_to_disk` wrote, one of pictures or of parquet files, or one by its name.

Needs the extra `graphssl[hf]`. A name is fetched, or found in the library's cache; HF_HUB_OFFLINE=1 is the library's
own switch for machines without a network.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import OptionError, RunError, reason_of, suggest
from ...files import home
from ...graph.spec.datasets import HuggingFace
from ..walk import Walk
from .registry import Facts

__all__ = ["HuggingFaceSet", "is_saved"]

HELD_OUT = ("test", "validation", "valid", "val")
SAVED, SAVED_SPLITS = "dataset_info.json", "dataset_dict.json"  # what `save_to_disk` writes
MOST = 100_000  # files of a folder that are looked at
LABELS = ("label", "labels", "fine_label", "class")


class HuggingFaceSet:
    """The splits of a Hugging Face dataset, memory-mapped; pictures are decoded when they are asked for."""

    def __init__(self, config: HuggingFace) -> None:
        self._config = config
        self._splits = _opened(config)

    @classmethod
    def missing(cls, config: HuggingFace) -> str | None:
        """Why it cannot be read, as far as that is known without opening it."""
        try:
            import datasets  # noqa: F401
        except ImportError:
            return "`use: hf` needs the package datasets: pip install 'graphssl[hf]'"
        path = home(config.path)
        if not os.path.exists(path) and (
            path.is_absolute() or config.path.startswith((".", "~")) or config.path.count("/") > 1
        ):
            return f"there is no folder '{path}' (data.path)"
        if os.path.isfile(path):
            return f"'{path}' is a file (data.path): the folder that holds the data set"
        return None if is_saved(path) else _led_astray(path)

    @classmethod
    def facts(cls, config: HuggingFace) -> Facts:
        """Of a set that was saved, which is opened for it; nobody knows those of others before they are prepared."""
        if not is_saved(home(config.path)):
            return Facts()
        own = cls(config)
        train, test = own.split("train"), own.split("test")
        classes = train.classes or (None if test is None else test.classes)
        return Facts(len(train), None if test is None else len(test), classes)

    def split(self, name: str) -> Any:
        """The Dataset of `data.split`, or of `data.test`; else of the first of the usual names that is there."""
        wanted = self._config.split if name == "train" else self._config.test
        if wanted is None:
            wanted = next((split for split in HELD_OUT if split in self._splits and split != self._config.split), None)
        if wanted is None:
            return None
        if name == "test" and wanted == self._config.split:
            raise OptionError(f"'{wanted}' is both trained on (data.split) and held out (data.test)", "test")
        if wanted not in self._splits:
            key = "split" if name == "train" else "test"
            near = suggest(wanted, self._splits, "it has")
            raise OptionError(f"'{self._config.path}' has no split '{wanted}' (data.{key}); {near}", key)
        return _Rows(self._splits[wanted], self._config, list(self._splits.values()))


class _Rows:
    """One split, as (picture, label): the file's bytes where the set has them.

    splits: all of them, by which the classes are numbered where labels are names.
    """

    def __init__(self, rows: Any, config: HuggingFace, splits: list[Any]) -> None:
        from datasets import ClassLabel, Image

        features = rows.features
        pictures = [name for name, kind in features.items() if isinstance(kind, Image)]
        self._image = _column("image", config.image, features, pictures, config.path)
        self._label = _label_column(config, features, [name for other in splits for name in other.features])
        kind = features[self._image]
        self._rows = rows.cast_column(self._image, Image(decode=False)) if isinstance(kind, Image) else rows
        self.fingerprint = f"{self._image} {self._label}"
        self._numbers, self.classes = None, None
        kind = None if self._label is None else features[self._label]
        if isinstance(kind, ClassLabel):
            self.classes = kind.names
        elif _is_text(kind):
            self.classes = _names(splits, self._label)
            self._numbers = {name: number for number, name in enumerate(self.classes)}

    steady = True

    @property
    def labels(self) -> list[int | None] | None:
        """Of all samples; None where there is no column of them."""
        if self._label is None:
            return None
        found = list(self._rows.with_format(None)[self._label])
        return found if self._numbers is None else [self._numbers.get(name) for name in found]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> tuple[Any, None]:
        found = self._rows[position][self._image]
        if isinstance(found, dict):
            found = found["bytes"] or found["path"]
        if found is None:
            raise ValueError(f"its '{self._image}' is empty")
        return found, None


def _column(key: str, given: str | None, features: Any, found: list[str], path: str) -> str:
    if given is not None and given not in features:
        near = suggest(given, features, "it has")
        raise OptionError(f"'{path}' has no column '{given}' (data.{key}); {near}", key)
    if given is None and len(found) != 1:
        several = f"several columns of pictures: {', '.join(found)}" if found else "no column of the kind Image"
        raise OptionError(f"'{path}' has {several}. Name one by `data.{key}`; it has {', '.join(features)}", "path")
    return given or found[0]


def _label_column(config: HuggingFace, features: Any, anywhere: list[str]) -> str | None:
    """anywhere: the columns of all splits: one of them may have no labels."""
    from datasets import ClassLabel

    if config.label is not None:
        if config.label == "none" or (config.label not in features and config.label in anywhere):
            return None
        return _column("label", config.label, features, [], config.path)
    known = [name for name, kind in features.items() if isinstance(kind, ClassLabel)]
    if len(known) > 1 and not set(known) & set(LABELS):
        several = f"several columns of labels: {', '.join(known)}"
        raise OptionError(f"'{config.path}' has {several}. Name one by `data.label`", "path")
    plain = [name for name in LABELS if name in features and _is_plain(features[name])]
    usual = [name for name in LABELS if name in known]
    return next(iter([*usual, *known, *plain]), None)


def _is_text(kind: Any) -> bool:
    return str(getattr(kind, "dtype", "")) in ("string", "large_string")


def _is_plain(kind: Any) -> bool:
    """Whether the values may be labels."""
    return _is_text(kind) or "int" in str(getattr(kind, "dtype", ""))


def _names(splits: list[Any], label: str | None) -> list[str]:
    """The classes of labels that are names, in the order of the alphabet: the same for every split."""
    found = {name for rows in splits if label in rows.features for name in rows.unique(label)}
    return sorted(found - {None})


def _led_astray(path: Path) -> str | None:
    """Why the library would read other pictures than those of a folder, or go round in it."""
    walk = Walk(path, most=MOST)
    for _ in walk.below(str(path)):
        pass
    if walk.again:
        return f"'{walk.again[0]}' leads to what is in the folder already (data.path): the library would follow it"
    return f"'{walk.made[0]}' is what runs have written (data.path): the library would take it" if walk.made else None


def is_saved(path: Path) -> bool:
    """Whether `save_to_disk` has written it."""
    return os.path.isfile(path / SAVED) or os.path.isfile(path / SAVED_SPLITS)


def _opened(config: HuggingFace) -> dict[str, Any]:
    """The splits by name."""
    try:
        import datasets
    except ImportError as error:
        raise RunError("`use: hf` needs the package datasets: pip install 'graphssl[hf]'") from error
    path = home(config.path)
    try:
        with _quiet(datasets):
            if is_saved(path):
                found = datasets.load_from_disk(str(path))
            else:
                found = datasets.load_dataset(str(path) if os.path.isdir(path) else config.path, config.name)
    except Exception as error:  # each of its parts has its own
        local = ""
        if not os.path.exists(path):
            local = (
                f". There is no folder '{path.absolute()}' either; a name is looked up on the network, which takes its "
                "time where there is none: HF_HUB_OFFLINE=1 looks into the library's cache alone"
            )
        raise OptionError(
            f"'{config.path}' cannot be opened as a Hugging Face dataset: {reason_of(error).rstrip('.')}{local}", "path"
        ) from error
    return dict(found) if isinstance(found, dict) else {str(found.split or "train"): found}


@contextlib.contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Without the library's progress bars, which are for a notebook."""
    shown = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not shown:
            datasets.enable_progress_bars()

"""Sets of torchvision's that transfer is measured on, with the splits of the literature's tables.

Kornblith et al. 2019, arXiv:1805.08974, table 1: classifiers learn from the training and the validation part together.
Caltech-101 has no splits: 30 pictures of each class are learnt from, and all others judged, chosen by their numbers.
"""

from __future__ import annotations

import os
from typing import Any

from ...errors import OptionError, RunError, reason_of
from ...files import home
from ...graph.spec.datasets import TORCHVISION, Fetched
from ..order import held_out
from .registry import Facts

__all__ = ["TorchvisionSet"]

EACH = 30  # of Caltech-101, to learn from


class TorchvisionSet:
    """Both splits, with labels that are known before a picture is read."""

    def __init__(self, config: Fetched) -> None:
        self._config = config
        self._train, self._test = _splits(config, config.download)

    @classmethod
    def missing(cls, config: Fetched) -> str | None:
        """Why it cannot be read, and how it comes there."""
        if config.download:
            return None
        try:
            _splits(config, False)
        except (RuntimeError, OSError, ValueError, KeyError, RunError) as error:
            known, reason = TORCHVISION[config.called], reason_of(error)
            why = "" if "Dataset not found" in reason else f" ({reason})"
            return (
                f"'{config.called}' is not in '{config.root}'{why}: download: true fetches it (about "
                f"{known.megabytes:,} MB), or torchvision.datasets.{known.cls} has put it there before"
            )
        return None

    @classmethod
    def facts(cls, config: Fetched) -> Facts:
        if cls.missing(config) is not None or config.download:
            return Facts(classes=TORCHVISION[config.called].classes)
        own = cls(config)
        return Facts(len(own._train), len(own._test), own._train.classes)

    def split(self, name: str) -> Any:
        return self._train if name == "train" else self._test


class _Pictures:
    """Some samples of one or several of torchvision's datasets, as paths or pictures."""

    steady = True

    def __init__(self, parts: list[Any], classes: list[str], places: list[int] | None = None) -> None:
        every = [(part, i) for part in range(len(parts)) for i in range(len(parts[part]))]
        self._parts, self.classes = parts, classes
        self._places = every if places is None else [every[i] for i in places]
        known = [_labels(part) for part in parts]
        self.labels = [int(known[part][i]) for part, i in self._places]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, position: int) -> tuple[Any, None]:
        part, i = self._places[position]
        return self._parts[part][i][0], None


def _labels(part: Any) -> list[int]:
    """Of a dataset of torchvision's, all of which keep them, under one of these names."""
    for name in ("_labels", "targets", "y"):
        if (found := getattr(part, name, None)) is not None:
            return list(found)
    return [label for _, label in part._samples]


def _splits(config: Fetched, download: bool) -> tuple[_Pictures, _Pictures]:
    """Raises OptionError where they cannot be opened."""
    import torchvision.datasets

    known = TORCHVISION[config.called]
    cls, root = getattr(torchvision.datasets, known.cls), str(home(config.root))
    if not os.path.isdir(root) and not download:
        raise OptionError(f"there is no folder '{root}'", "root")
    try:
        if known.train is None:
            return _parted(cls(root, download=download))
        train, test = (
            [cls(root, split=split, download=download) for split in splits] for splits in (known.train, known.test)
        )
    except RunError:
        raise
    except Exception as error:  # of the network, of a damaged archive
        raise OptionError(f"{config.called} cannot be opened in '{root}': {reason_of(error)}", "root") from error
    classes = _classes(train[0], known.classes)
    return _Pictures(train, classes), _Pictures(test, classes)


def _parted(whole: Any) -> tuple[_Pictures, _Pictures]:
    """So many of each class to learn from; a class with no more is learnt from but for one."""
    labels = _labels(whole)
    learnt: set[int] = set()
    for label in set(labels):
        mine = [i for i, own in enumerate(labels) if own == label]
        chosen = held_out((f"caltech101 {i}" for i in mine), min(EACH, len(mine) - 1))
        learnt |= {i for i in mine if f"caltech101 {i}" in chosen}
    classes = _classes(whole, len(set(labels)))
    rest = [i for i in range(len(labels)) if i not in learnt]
    return _Pictures([whole], classes, sorted(learnt)), _Pictures([whole], classes, rest)


def _classes(dataset: Any, count: int) -> list[str]:
    """Their names, where torchvision has them."""
    named = getattr(dataset, "classes", None) or getattr(dataset, "categories", None)
    return list(named) if named else [str(i) for i in range(count)]

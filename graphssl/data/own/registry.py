"""A data set of one's own: a class with a name, its options, what is known of it, and a torch Dataset for each split.

    @dataset("tiles")
    class Tiles:
        class Config(DatasetConfig):
            root: str

        def __init__(self, config: Config) -> None: ...

        @classmethod
        def facts(cls, config: Config) -> Facts:
            return Facts(samples=9000, test=1000, classes=10, size=64)

        def split(self, name: str) -> torch.utils.data.Dataset | None: ...

`components: [./tiles.py]` and `data: {use: tiles, root: /data/tiles}` then train on it.

- `Config`: a pydantic model, which may be left out. Its fields stand in `data:` beside `batch`, `size` and the others;
  unknown keys are refused.
- `facts(config)` is asked before anything is read, by `graphssl check` too, and reads no picture. It raises what is
  wrong with the options.
- `missing(config)`, if there is one, says in a line why the set is not there; None where it is.
- `split("train")` and `split("test")` give map-style Datasets of `(picture, label)`. A picture is one of Pillow's; an
  array or a tensor of the type that `facts` says, `h w`, `h w c` or `c h w`; the bytes of a file, or its path. A label
  is an int from 0, or None. Where `split("test")` gives None, a tenth of "train" is held out, by number. A Dataset may
  have `labels`, a sequence of them: those of the samples are then not looked at; and `classes`, names.
- The Dataset goes to the processes that read pictures, which call its `__getitem__`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from ...graph.spec.data import Data
from ...graph.spec.datasets import DATA_SETS, IMAGENET, OPTIONS, DataSet
from ...graph.spec.section import Section

__all__ = ["DatasetConfig", "DatasetError", "Facts", "dataset"]

C = TypeVar("C", bound=type[Any])
SIZE = 224


class DatasetError(TypeError):
    """A class that is no data set as the module's docstring describes it."""


class DatasetConfig(Section):
    """Base of a data set's `Config`: unknown keys are refused, values do not change."""


@dataclass(frozen=True)
class Facts:
    """What a data set knows of itself before it is read.

    samples: of `split("train")`. test: of `split("test")`, None where there is none. classes: how many, or their names;
    None where samples have no labels, or nobody knows. size: of views, in pixels, unless `data.size` says otherwise.
    channels, dtype: of pictures; where they are 3 and uint8, all are made RGB bytes. mean, std: of each channel, where
    the type's largest value (for float32 1) is 1. What `data:` says of these counts for more.
    """

    samples: int | None = None
    test: int | None = None
    classes: int | Sequence[str] | None = None
    size: int | tuple[int, int] = SIZE
    channels: int = 3
    dtype: str = "uint8"
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None


def dataset(name: str) -> Callable[[C], C]:
    """Registers a class as the data set that `data.use` names. Raises DatasetError where it cannot be one."""

    def register(cls: C) -> C:
        config = getattr(cls, "Config", DatasetConfig)
        if not (isinstance(config, type) and issubclass(config, BaseModel)):
            raise DatasetError(f"{cls.__qualname__}.Config is no pydantic model: class Config(DatasetConfig)")
        for method in ("facts", "split"):
            if not callable(getattr(cls, method, None)):
                raise DatasetError(f"{cls.__qualname__} needs a method {method}; `graphssl.data.own.registry` has both")
        taken = sorted((set(Data.model_fields) - set(OPTIONS)) & set(config.model_fields))
        if taken:
            raise DatasetError(f"{cls.__qualname__}: the option '{taken[0]}' is the framework's, of every data set")
        known = DATA_SETS.get(name)
        if known is not None and _origin(known.cls) != _origin(cls):
            raise DatasetError(f"two data sets are called '{name}': {_origin(known.cls)} and {_origin(cls)}")
        DATA_SETS[name] = DataSet("dataset", None, None, SIZE, *IMAGENET, config=config, cls=cls)
        return cls

    return register


def _origin(cls: object) -> str:
    if not isinstance(cls, type):
        return str(cls or "graphssl")
    try:
        return f"{inspect.getsourcefile(cls)}: {cls.__qualname__}"
    except TypeError:
        return cls.__qualname__

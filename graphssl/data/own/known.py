"""What a data set that is a class in Python says of itself, asked with its options; what it says wrongly is told."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel

from ...code import own_line
from ...errors import RAISED, OptionError, RunError, reason_of
from ...graph import spec
from ...graph.spec.datasets import DATA_SETS
from ...graph.spec.units import out_of_units
from ..decoding.form import Form
from ..order import share_held_out, share_of
from .checking import wrong_in
from .registry import Facts

__all__ = ["class_names", "class_of", "form_of", "options_of", "own_facts", "said", "samples_of", "told", "why_missing"]

T = TypeVar("T")


def class_of(data: spec.Data) -> Any:
    """The set's class; one of ours is imported now."""
    cls = DATA_SETS[data.use].cls
    if isinstance(cls, str):
        module, _, name = cls.partition(":")
        return getattr(importlib.import_module(module), name)
    return cls


def options_of(data: spec.Data) -> BaseModel:
    """The set's own options."""
    config = DATA_SETS[data.use].config
    assert config is not None
    return config.model_construct(**{name: getattr(data, name) for name in config.model_fields})


def said(data: spec.Data, what: str, ask: Callable[[], T]) -> T:
    """What the set's class answers. Raises RunError where it raises something."""
    try:
        return ask()
    except (RunError, MemoryError):
        raise
    except RAISED as error:  # sys.exit would end the run without a word
        raise RunError(f"{what} of the data set '{data.use}' failed: {told(error)}") from error


def told(error: BaseException) -> str:
    """An error of the user's own code, in a line, with its place."""
    kind, reason, own = type(error).__name__, reason_of(error), own_line(error)
    where = "" if own is None else f" ({own.file}:{own.line}: `{own.text.strip()}`)"
    return f"{kind if reason == kind else f'{kind}: {reason}'}{where}"


def own_facts(data: spec.Data) -> Facts:
    """Raises RunError for facts that are none."""
    cls = class_of(data)
    found = said(data, "`facts`", lambda: cls.facts(options_of(data)))
    if not isinstance(found, Facts):
        raise RunError(f"`facts` of the data set '{data.use}' gives {type(found).__name__}: a `graphssl.data.Facts`")
    wrong = wrong_in(found)
    if wrong is not None:
        raise RunError(f"`facts` of the data set '{data.use}': {wrong}")
    _check_values(data, found)
    return found


def _check_values(data: spec.Data, known: Facts) -> None:
    """What `data:` says and what is known together."""
    channels = data.channels or known.channels
    for name, own in (("mean", known.mean), ("std", known.std)):
        given = getattr(data, name)
        values, whose = (given, f"data.{name}") if given is not None else (own, f"`facts` of '{data.use}': {name}")
        if values is not None and len(values) != channels:
            message = f"{whose} has {len(values)} values, and the pictures {channels} channels"
            raise RunError(message) if given is None else OptionError(message, name)
        wrong = None if given is None else out_of_units(name, given, data.dtype or known.dtype)
        if wrong is not None:
            raise OptionError(wrong, name)


def form_of(data: spec.Data) -> Form:
    """What pictures are when they are decoded."""
    dtype: str | None = data.dtype
    channels, upright = data.channels, data.orientation == "apply"
    if DATA_SETS[data.use].kind == "dataset":
        known = own_facts(data)
        if (known.channels, known.dtype) != (3, "uint8"):
            channels, dtype = channels or known.channels, dtype or known.dtype
    if channels is None and dtype is None:
        return Form(upright=upright)
    return Form(channels or 3, dtype or "uint8", converts=False, upright=upright)


def samples_of(data: spec.Data, known: Facts) -> int | None:
    """How many there are to train on."""
    if known.samples is None:
        return data.samples
    return known.samples - (share_of(known.samples, share_held_out(data.held_out)) if known.test is None else 0)


def class_names(known: Facts) -> tuple[str, ...]:
    """Of each label; none where there are none, or where nobody knows."""
    if known.classes is None or isinstance(known.classes, int):
        return tuple(map(str, range(known.classes or 0)))
    return tuple(map(str, known.classes))


def why_missing(data: spec.Data) -> str | None:
    """Why the set is not there, as it says itself."""
    ask = getattr(class_of(data), "missing", None)
    if ask is None:
        return None
    why = said(data, "`missing`", lambda: ask(options_of(data)))
    return None if why is None else str(why)

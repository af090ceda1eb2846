"""What each kind of argument is made of, or why it is none: a text, a number, a path, a graph, runs."""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError, reason_of
from ..files import home

__all__ = [
    "Take", "anything", "axes", "count", "device", "flag", "form", "function", "graph", "jobs", "only", "options",
    "path", "run", "runs", "seeds", "sets", "text", "texts",
]  # fmt: skip

Take = Callable[[Any, str], Any]  # from what is given, and the argument's name


def _wrong(name: str, what: str, value: Any) -> UsageError:
    return UsageError(f"{name} is {what}, not {_shown(value)}")


def _shown(value: Any) -> str:
    """A text, a path or a number as it is written, and of anything else its kind."""
    plain = value is None or isinstance(value, str | int | float | Path)
    return repr(str(value) if isinstance(value, Path) else value)[:60] if plain else type(value).__name__


def text(what: str) -> Take:
    def take(value: Any, name: str) -> str:
        if not isinstance(value, str) or not value:
            raise _wrong(name, what, value)
        return str(value)

    return take


def count(what: str, most: int | None = None) -> Take:
    """A whole number, 1 or more, of numpy's too."""

    def take(value: Any, name: str) -> int:
        try:
            found = 0 if isinstance(value, bool) else operator.index(value)
        except (TypeError, ValueError, RuntimeError):  # of tensors, too
            found = 0
        if found < 1 or (most is not None and found > most):
            raise _wrong(name, f"{what}, {'1 or more' if most is None else f'1 to {most:,}'}", value)
        return found

    return take


def flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool) and type(value).__name__ not in ("bool", "bool_"):  # of numpy's
        raise _wrong(name, "True or False", value)
    return bool(value)


def path(what: str) -> Take:
    """A path, from the home of a user where it begins so, as a shell has it."""

    def take(value: Any, name: str) -> Path:
        try:
            path = os.fspath(value)
        except TypeError:
            path = None
        if not isinstance(path, str) or not path:
            raise _wrong(name, what, value)
        return Path(path) if os.path.exists(path) else home(path)

    return take


def function(value: Any, name: str) -> Any:
    if not callable(value):
        raise _wrong(name, "a function, that is called as it goes on", value)
    return value


def anything(value: Any, name: str) -> Any:
    """What is looked at where it is used."""
    return value


def _is(value: Any, module: str, kind: str) -> bool:
    """Whether it is one of ours, of a module that is imported where there is one."""
    there = sys.modules.get(f"{__package__.partition('.')[0]}.{module}")
    return there is not None and isinstance(value, getattr(there, kind))


def graph(what: str) -> Take:
    """A graph that is read already, a mapping, or the name or text of one."""

    def take(value: Any, name: str) -> Any:
        read = (
            isinstance(value, Mapping)
            or _is(value, "checks.checked", "Checked")
            or _is(value, "graph.graph", "Graph")
            or _is(value, "graph.difference", "Difference")
        )
        if read or (isinstance(value, str) and ("\n" in value or value.lstrip().startswith("{"))):
            return value
        return str(path(what)(value, name))

    return take


def form(value: Any, name: str) -> str:
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise _wrong(name, "svg, png, html or mmd, or the name of a file that ends so", value)
    return str(os.fspath(value))


def _several(value: Any, name: str, what: str) -> list[Any]:
    """A list, or whatever can be gone through once and is no text; of anybody's code, which may fail."""
    if isinstance(value, str | bytes | bytearray | memoryview | os.PathLike | Mapping):
        raise _wrong(name, what, value)
    try:
        return list(value)
    except TypeError:
        raise _wrong(name, what, value) from None
    except Exception as error:
        raise UsageError(f"{name} cannot be had: {type(error).__name__}: {reason_of(error)}") from error


def sets(value: Any, name: str) -> list[str]:
    """Changes, from a list of them, from one, or from values by their dotted keys."""
    from ..graph.language.given import change_of

    what = "changes, as in ['train.epochs=2'] or {'train.epochs': 2}"
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise UsageError(f"{name} has the key {key!r}: keys are text, such as 'train.epochs'")
        return [change_of(key, one) for key, one in value.items()]
    found: list[str] = []
    for i, one in enumerate(_several(value, name, what)):
        if not isinstance(one, str | Mapping):
            raise _wrong(f"{name}[{i}]", "a change, 'train.epochs=2'", one)
        found += sets(one, name)
    return found


def device(value: Any, name: str) -> str:
    """A device's name, also of torch's own, or the number of a GPU."""
    if type(value).__module__ == "torch" and type(value).__name__ == "device":
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return f"cuda:{value}"
    return str(text("auto, cpu, cuda, cuda:1 or a torch.device")(value, name))


def run(value: Any, name: str) -> str:
    """A run by its name, its folder, or what `run` has given."""
    folder = value.folder if _is(value, "runs.results", "Result") else value
    if _is(folder, "runs.folder", "RunFolder"):
        return str(folder.path)
    if not isinstance(folder, str | os.PathLike) or not isinstance(os.fspath(folder), str) or not str(folder):
        raise _wrong(name, "the name of a run, or its folder", value)
    return str(folder) if isinstance(folder, str) else os.fspath(folder)


def runs(value: Any, name: str) -> list[str]:
    """Several runs, or one."""
    one = isinstance(value, str | os.PathLike) or _is(value, "runs.results", "Result")
    several = [value] if one else _several(value, name, "runs, as in ['byol-1', 'byol-2']")
    return [run(each, f"{name}[{i}]") for i, each in enumerate(several)]


def options(value: Any, name: str) -> Mapping[str, Mapping[str, Any]]:
    """Options by an evaluation's name. None for one is as if nothing were said."""
    from ..graph.language.given import plain

    what = "options by an evaluation's name, as in {'knn': {'k': 20}}"
    if not isinstance(value, Mapping):
        raise _wrong(name, what, value)
    for key, own in value.items():
        if not isinstance(key, str) or not (own is None or isinstance(own, Mapping)):
            raise _wrong(f"{name}[{key!r}]", "options of an evaluation of that name, as in {'k': 20}", own)
    return {key: plain(own or {}, f"{name}[{key!r}]") for key, own in value.items()}


def texts(what: str) -> Take:
    """Several texts, or one."""

    def take(value: Any, name: str) -> list[str]:
        several = [value] if isinstance(value, str) else _several(value, name, what)
        return [str(text(what)(one, f"{name}[{i}]")) for i, one in enumerate(several)]

    return take


def seeds(value: Any, name: str) -> list[int]:
    """Several seeds, or one."""
    one = isinstance(value, int) or (type(value).__module__ == "numpy" and not getattr(value, "shape", ()))
    found = [value] if one else _several(value, name, "seeds, as in [0, 1, 2]")
    for i, seed in enumerate(found):
        try:
            found[i] = -1 if isinstance(seed, bool) else operator.index(seed)
        except TypeError:
            found[i] = -1
        if found[i] < 0:
            raise _wrong(f"{name}[{i}]", "a whole number, 0 or more", seed)
    if len(set(found)) < len(found):
        raise UsageError(f"a seed stands in {name} twice")
    return found


def only(value: Any, name: str) -> str:
    if value != "ours":
        raise _wrong(name, "'ours', which leaves out the other code that some are run beside", value)
    return "ours"


def axes(value: Any, name: str) -> dict[str, Any]:
    """What varies: lists of values, or ranges, by dotted key."""
    from ..graph.language.given import plain

    if not isinstance(value, Mapping):
        raise _wrong(name, "what varies by key, as in {'nodes.critic.temperature': [0.1, 0.2]}", value)
    found = {
        key: one if isinstance(one, Mapping) else _several(one, f"{name}[{key!r}]", "a list of values")
        for key, one in value.items()
    }
    return dict(plain(found, name))


def jobs(value: Any, name: str) -> str:
    """How many at once, or `auto`."""
    if value == "auto":
        return "auto"
    return str(count("how many runs go on at once")(int(value) if str(value).isdecimal() else value, name))

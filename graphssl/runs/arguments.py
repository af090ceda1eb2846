"""What a caller in Python hands over: each argument is made what it should be, or a UsageError says which is none."""

from __future__ import annotations

import functools
import inspect
import operator
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

from ..errors import UsageError, reason_of
from ..files import home

if TYPE_CHECKING:
    import torch

    from ..checks.checked import Checked
    from ..graph.graph import Graph
    from .folder import RunFolder
    from .results import Result

    AnyGraph: TypeAlias = Checked | Graph | str | Path | Mapping[str, Any]
    AnyRun: TypeAlias = str | Path | Result | RunFolder
    Device: TypeAlias = str | torch.device | int
    Sets: TypeAlias = Sequence[str] | Mapping[str, Any]

__all__ = ["TAKES", "taking"]

P = ParamSpec("P")
R = TypeVar("R")
UNGUARDED = (
    "graphssl.{} is called again by a process that imports the script that has started it, as spawned ones do: put "
    'what the script does below `if __name__ == "__main__":`'
)
Take = Callable[[Any, str], Any]  # from what is given, and the argument's name


def taking(function: Callable[P, R]) -> Callable[P, R]:
    """The function, whose arguments `TAKES` makes what they should be, by their names.

    None stands for what is there where nothing is said, if that is None.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        if _imports_main():
            raise UsageError(UNGUARDED.format(function.__name__))
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # which says it with its name
        for name, value in given.arguments.items():
            if value is not None or signature.parameters[name].default is not None:
                given.arguments[name] = TAKES[name](value, name)
        return function(*given.args, **given.kwargs)

    return called


def _imports_main() -> bool:
    """Whether this is a process that imports the script that has started it, as spawned ones do first."""
    here = sys.modules.get("multiprocessing.process")
    return here is not None and getattr(here.current_process(), "_inheriting", False)


def _wrong(name: str, what: str, value: Any) -> UsageError:
    return UsageError(f"{name} is {what}, not {_shown(value)}")


def _shown(value: Any) -> str:
    """A text, a path or a number as it is written, and of anything else its kind."""
    plain = value is None or isinstance(value, str | int | float | Path)
    return repr(str(value) if isinstance(value, Path) else value)[:60] if plain else type(value).__name__


def _text(what: str) -> Take:
    def take(value: Any, name: str) -> str:
        if not isinstance(value, str) or not value:
            raise _wrong(name, what, value)
        return str(value)

    return take


def _count(what: str, most: int | None = None) -> Take:
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


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool) and type(value).__name__ not in ("bool", "bool_"):  # of numpy's
        raise _wrong(name, "True or False", value)
    return bool(value)


def _path(what: str) -> Take:
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


def _function(value: Any, name: str) -> Any:
    if not callable(value):
        raise _wrong(name, "a function, that is called as it goes on", value)
    return value


def _anything(value: Any, name: str) -> Any:
    """What is looked at where it is used."""
    return value


def _is(value: Any, module: str, kind: str) -> bool:
    """Whether it is one of ours, of a module that is imported where there is one."""
    there = sys.modules.get(f"{__package__.partition('.')[0]}.{module}")
    return there is not None and isinstance(value, getattr(there, kind))


def _graph(what: str) -> Take:
    """A graph that is read already, a mapping, or the name or text of one."""

    def take(value: Any, name: str) -> Any:
        read = (
            isinstance(value, Mapping) or _is(value, "checks.checked", "Checked") or _is(value, "graph.graph", "Graph")
        )
        if read or (isinstance(value, str) and ("\n" in value or value.lstrip().startswith("{"))):
            return value
        return str(_path(what)(value, name))

    return take


def _form(value: Any, name: str) -> str:
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


def _sets(value: Any, name: str) -> list[str]:
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
        found += _sets(one, name)
    return found


def _device(value: Any, name: str) -> str:
    """A device's name, also of torch's own, or the number of a GPU."""
    if type(value).__module__ == "torch" and type(value).__name__ == "device":
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return f"cuda:{value}"
    return str(_text("auto, cpu, cuda, cuda:1 or a torch.device")(value, name))


def _run(value: Any, name: str) -> str:
    """A run by its name, its folder, or what `run` has given."""
    folder = value.folder if _is(value, "runs.results", "Result") else value
    if _is(folder, "runs.folder", "RunFolder"):
        return str(folder.path)
    if not isinstance(folder, str | os.PathLike) or not isinstance(os.fspath(folder), str) or not str(folder):
        raise _wrong(name, "the name of a run, or its folder", value)
    return str(folder) if isinstance(folder, str) else os.fspath(folder)


def _runs(value: Any, name: str) -> list[str]:
    """Several runs, or one."""
    one = isinstance(value, str | os.PathLike) or _is(value, "runs.results", "Result")
    several = [value] if one else _several(value, name, "runs, as in ['byol-1', 'byol-2']")
    return [_run(run, f"{name}[{i}]") for i, run in enumerate(several)]


def _options(value: Any, name: str) -> Mapping[str, Mapping[str, Any]]:
    """Options by an evaluation's name. None for one is as if nothing were said."""
    from ..graph.language.given import plain

    what = "options by an evaluation's name, as in {'knn': {'k': 20}}"
    if not isinstance(value, Mapping):
        raise _wrong(name, what, value)
    for key, own in value.items():
        if not isinstance(key, str) or not (own is None or isinstance(own, Mapping)):
            raise _wrong(f"{name}[{key!r}]", "options of an evaluation of that name, as in {'k': 20}", own)
    return {key: plain(own or {}, f"{name}[{key!r}]") for key, own in value.items()}


def _names(value: Any, name: str) -> list[str]:
    """Several names, or one."""
    what = "the name of an evaluation, or a list of some"
    several = [value] if isinstance(value, str) else _several(value, name, what)
    return [_text(what)(one, f"{name}[{i}]") for i, one in enumerate(several)]


def _seeds(value: Any, name: str) -> list[int]:
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


def _only(value: Any, name: str) -> str:
    if value != "ours":
        raise _wrong(name, "'ours', which leaves out the other code that some are run beside", value)
    return "ours"


TAKES: Mapping[str, Take] = {
    "graph": _graph("the path of a graph file, the name of a packaged graph, a mapping, or YAML text"),
    "sets": _sets,
    "run": _run,
    "runs": _runs,
    "resume": _run,
    "name": _text("the name of a new run"),
    "node": _text("the name of a node, or of a value of the flow"),
    "to": _text("the name of a format"),
    "form": _form,
    "device": _device,
    "output": _path("the path of a file"),
    "source": _graph("a folder, a list of files, shards, a saved dataset, or a graph"),
    "images": _anything,
    "queries": _anything,
    "paths": _anything,
    "options": _options,
    "protocol": _names,
    "reproduction": _path("the name of a reproduction, or its file"),
    "seeds": _seeds,
    "only": _only,
    "data": _path("a YAML file with `data:`, a folder or a list of pictures"),
    "k": _count("the number of neighbours"),
    "batch": _count("the number of pictures at a time"),
    "most": _count("the number of pictures to look at"),
    "processes": _count("the number of processes"),
    "port": _count("the number of a port", 65535),
    "weights": _flag,
    "without_data": _flag,
    "skip": _flag,
    "report": _function,
    "warn": _function,
    "progress": _function,
}

"""The user's own Python that a graph names: imported once, said before it is; and the line in it that has failed."""

from __future__ import annotations

import dis
import hashlib
import importlib
import importlib.util
import inspect
import linecache
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from pydantic_core import CoreSchema, core_schema

from .errors import RAISED, Span, leaves, reason_of, suggest

__all__ = [
    "NO_CODE", "Code", "NoSuchFile", "NotAllowed", "is_own", "load_file", "load_package", "loaded_file", "loaded_files",
    "own_field", "own_frame", "own_line", "own_method", "raises_itself",
]  # fmt: skip

OBJECT = r"(?P<place>\S.*\.py|\w+(?:\.\w+)*):(?P<name>\w+(?:\.\w+)*)"
NO_CODE = "GRAPHSSL_NO_CUSTOM_COMPONENTS"  # a variable of the environment: 1 refuses to import what a graph names
FILES = "graphssl_components_"  # modules of the user's files begin so
log = logging.getLogger(__name__)
_lock = threading.RLock()  # of two threads one imports a file, and the other has it whole
_packages: set[str] = set()  # installed ones that a graph names, or that bring components


class NoSuchFile(Exception):
    """A file that is not there: as it was named, and where it would be."""


class NotAllowed(Exception):
    """Python that a graph names, where none is to be imported for a graph: in one line, which and why."""


def _check_allowed(entry: str) -> None:
    """Raises NotAllowed where the variable says so, which the command line sets, and all processes of a run have."""
    if os.environ.get(NO_CODE, "0") not in ("", "0"):
        raise NotAllowed(f"'{entry}' is Python that the graph names, which --no-custom-components refuses to import")


def load_file(path: Path, entry: str, log: logging.Logger = log) -> ModuleType:
    """The module of a file, which is imported once in a process, by whoever asks first.

    entry: how the graph names it. Raises NoSuchFile, NotAllowed, and whatever the file raises.
    """
    _check_allowed(entry)
    if not os.path.isfile(path):
        raise NoSuchFile(f"'{entry}' ({path})")
    with _lock:
        return _load_file(path, entry, log)


def _load_file(path: Path, entry: str, log: logging.Logger) -> ModuleType:
    name = _module_name(path)
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise NoSuchFile(f"'{entry}'")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    log.info("imports %s", entry)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _module_name(path: Path) -> str:
    """The same in every process: pickles name it."""
    return f"{FILES}{path.stem}_{hashlib.blake2b(str(path).encode(), digest_size=8).hexdigest()}"


def loaded_file(path: Path) -> ModuleType | None:
    """The module of a file that this process has imported."""
    return sys.modules.get(_module_name(path))


def loaded_files() -> list[str]:
    """The files that this process has imported, by their paths, in order."""
    return [str(module.__file__) for name, module in list(sys.modules.items()) if name.startswith(FILES)]


def load_package(name: str, log: logging.Logger = log) -> ModuleType:
    """An installed module by its name. Raises NotAllowed, and whatever it raises."""
    _check_allowed(name)
    is_own(name)
    if name not in sys.modules:
        log.info("imports %s", name)
    return importlib.import_module(name)


# -- what has failed in it -------------------------------------------------------------------------------------------


def is_own(package: str) -> None:
    """An installed package's lines are the user's own from here on: of all others that are installed, none is."""
    _packages.add(package.partition(".")[0])


def own_line(error: BaseException | None) -> Span | None:
    """The last line of the user's own Python that an error, or what caused it, has passed through; None without one.

    The user's own is what is neither installed nor Python's nor ours, and the packages that a graph names.
    """
    return next((span for one in _behind(error) if (span := _own_line(one)) is not None), None)


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what caused it, one after the other; of a group first what is in it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        yield error
        error = error.__cause__


def own_frame(frame: FrameType) -> Span | None:
    """The line that a frame is at, if it is the user's own."""
    code, own = frame.f_code, _is_own(frame.f_code.co_filename, str(frame.f_globals.get("__name__", "")))
    return _span(traceback.FrameSummary(code.co_filename, frame.f_lineno, code.co_name)) if own else None


def _own_line(error: BaseException) -> Span | None:
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        text = error.text or linecache.getline(error.filename, error.lineno)
        last = error.end_offset if error.end_lineno == error.lineno else None
        column = max(error.offset or 1, 1)
        return Span(_shown(error.filename), error.lineno, column, max((last or 0) - column, 1), text.rstrip("\n"))
    frames = zip(traceback.walk_tb(error.__traceback__), traceback.extract_tb(error.__traceback__), strict=True)
    own = [said for (f, _), said in frames if _is_own(said.filename, str(f.f_globals.get("__name__", "")))]
    return _span(own[-1]) if own else None


def raises_itself(error: BaseException) -> bool:
    """Whether a `raise` of the user's own has raised it: a KeyboardInterrupt is else a signal's, wherever it came."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None or not _is_own(last.tb_frame.f_code.co_filename, str(last.tb_frame.f_globals.get("__name__", ""))):
        return False
    return dis.opname[last.tb_frame.f_code.co_code[last.tb_lasti]] == "RAISE_VARARGS"


def own_method(method: Any) -> Span | None:
    """Where a function or method of the user's own begins."""
    code = getattr(inspect.unwrap(getattr(method, "__func__", method)), "__code__", None)
    if code is None:
        return None
    text = linecache.getline(code.co_filename, code.co_firstlineno).rstrip("\n")
    start = len(text) - len(text.lstrip())
    own = _is_own(code.co_filename, str(getattr(method, "__module__", "")))
    return Span(_shown(code.co_filename), code.co_firstlineno, start + 1, len(text) - start, text) if own else None


def own_field(cls: type, name: str) -> Span | None:
    """Where a class of the user's own, or one that it is made from, has a field of that name."""
    for base in cls.__mro__:
        if name not in vars(base).get("__annotations__", {}):
            continue
        try:
            lines, first = inspect.getsourcelines(base)
            file = inspect.getsourcefile(base) or ""
        except (OSError, TypeError):
            return None
        for i, line in enumerate(lines):
            if (matched := re.match(rf"(\s*){re.escape(name)}\s*:", line)) and _is_own(file, base.__module__):
                text = line.rstrip("\n")
                start = len(matched[1])
                return Span(_shown(file), first + i, start + 1, len(text) - start, text)
    return None


def _span(said: traceback.FrameSummary) -> Span:
    """Where a frame stands; columns come in bytes."""
    line, text = said.lineno or 1, linecache.getline(said.filename, said.lineno or 1).rstrip("\n")
    raw = text.encode()
    start = (
        len(raw[: said.colno].decode(errors="replace")) if said.colno is not None else len(text) - len(text.lstrip())
    )
    end = said.end_colno if said.end_lineno == said.lineno else None
    stop = len(text) if end is None else len(raw[:end].decode(errors="replace"))
    return Span(_shown(said.filename), line, start + 1, max(stop - start, 1), text)


def _is_own(file: str, module: str) -> bool:
    package = module.partition(".")[0]
    if file.startswith("<") and not file.startswith("<ipython"):
        return False
    if package == __package__ or Path(__file__).parent in Path(file).parents:
        return False
    if package in _packages:
        return True
    return package not in sys.stdlib_module_names and not {"site-packages", "dist-packages"} & set(Path(file).parts)


def _shown(file: str) -> str:
    """A file's name as it is short: relative, where it is below the folder where the program runs."""
    near = os.path.relpath(file) if os.path.isabs(file) else file
    return file if near.startswith(os.pardir) else near


@dataclass(frozen=True)
class Code:
    """A class or a function that a config names: `./net.py:Net`, from the file that says so, or `mylab.nets:Net`.

    folder: of the graph file that names it, which the framework knows; None: the one where the program runs.
    """

    text: str
    folder: Path | None = None

    @property
    def place(self) -> str:
        """The file or the module that it stands in, as it was named."""
        return self._parts()["place"]

    @property
    def file(self) -> Path | None:
        """The file that it stands in, by its full path; None for an installed package."""
        place = self.place
        return Path(os.path.realpath((self.folder or Path()) / place)) if place.endswith(".py") else None

    def portable(self) -> Code:
        """The same, named so that it is found from any folder."""
        return replace(self, text=f"{self.file}:{self._parts()['name']}") if self.file else self

    def load(self) -> Any:
        """Imports what the text names and nothing else. Raises ValueError, in one line, where that cannot be."""
        place, name = self.place, self._parts()["name"]
        try:
            found: Any = load_package(place) if self.file is None else load_file(self.file, place)
        except NoSuchFile as error:
            raise ValueError(
                f"there is no file {error}; the path is relative to the graph file that names it"
            ) from None
        except NotAllowed as error:
            raise ValueError(str(error)) from None
        except RAISED as error:
            raise ValueError(f"'{place}' does not load: {type(error).__name__}: {reason_of(error)}") from error
        for part in name.split("."):
            if not hasattr(found, part):
                near = suggest(part, [n for n in vars(found) if not n.startswith("_")], "it has")
                raise ValueError(f"'{place}' has no '{part}'" + (f"; {near}" if near else ""))
            found = getattr(found, part)
        return found

    def _parts(self) -> Mapping[str, str]:
        matched = re.fullmatch(OBJECT, self.text)
        if matched is None:
            raise ValueError(f"'{self.text}' names no class; write ./net.py:Net, or mylab.nets:Net")
        return matched.groupdict()

    @classmethod
    def _read(cls, text: str) -> Code:
        code = cls(text)
        code._parts()
        return code

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        """In a file it is a string."""
        written = core_schema.no_info_after_validator_function(cls._read, core_schema.str_schema())
        made = core_schema.is_instance_schema(cls)
        text = core_schema.plain_serializer_function_ser_schema(lambda code: code.text)
        return core_schema.json_or_python_schema(written, core_schema.union_schema([made, written]), serialization=text)

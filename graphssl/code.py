"""The user's own Python that a graph names: a file or a package, imported once, and said before it is."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import logging
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic_core import CoreSchema, core_schema

from .errors import suggest

__all__ = ["Code", "NoSuchFile", "load_file", "load_package", "loaded_files"]

OBJECT = r"(?P<place>\S.*\.py|\w+(?:\.\w+)*):(?P<name>\w+(?:\.\w+)*)"
FILES = "graphssl_components_"  # modules of the user's files begin so
log = logging.getLogger(__name__)


class NoSuchFile(Exception):
    """A file that is not there: as it was named, and where it would be."""


def load_file(path: Path, entry: str, log: logging.Logger = log) -> ModuleType:
    """The module of a file, which is imported once in a process, by whoever asks first.

    entry: how the graph names it. Raises NoSuchFile, and whatever the file raises.
    """
    if not os.path.isfile(path):
        raise NoSuchFile(f"'{entry}' ({path})")
    digest = hashlib.blake2b(str(path).encode(), digest_size=8).hexdigest()
    name = f"{FILES}{path.stem}_{digest}"  # the same in every process: pickles name it
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


def loaded_files() -> list[str]:
    """The files that this process has imported, by their paths, in order."""
    return [str(module.__file__) for name, module in list(sys.modules.items()) if name.startswith(FILES)]


def load_package(name: str, log: logging.Logger = log) -> ModuleType:
    """An installed module by its name; raises whatever it raises."""
    if name not in sys.modules:
        log.info("imports %s", name)
    return importlib.import_module(name)


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
        except (Exception, SystemExit) as error:
            raise ValueError(f"'{place}' does not load: {type(error).__name__}: {error}") from error
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

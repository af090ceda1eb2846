"""The user's own components: Python files and packages that a graph file lists under `components:`."""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path

import torch
from torch import nn

from ..code import NoSuchFile, NotAllowed, load_file, load_package, loaded_file
from ..component import REGISTRY
from ..errors import RAISED, Problems
from .language.source import Source
from .slips import slip_of
from .spec.file import COMPONENTS

__all__ = ["load_components", "unregistered"]

log = logging.getLogger(__name__)


def load_components(source: Source, problems: Problems) -> bool:
    """Imports what is listed and nothing else: `./my_critic.py`, from the file that lists it, or `mylab.ssl`.

    Each is imported once in a process, and said before it is: to this module's logger, which the command line shows.
    Returns whether all are there. A list that is not as it should be is left alone: the sections tell of it.
    """
    before, entries = len(problems), _listed(source)
    if entries is None:
        return False
    for i, entry in enumerate(entries):
        at, dtype = source.at(("components", i)), torch.get_default_dtype()
        try:
            if entry.endswith(".py"):
                load_file(Path(os.path.realpath(Path(at.file).parent / entry)), entry, log)
            else:
                load_package(entry, log)
        except NoSuchFile as error:
            hint = "the path is relative to the graph file that lists it"
            problems.add(f"there is no component file {error}", at, hint)
        except NotAllowed as error:
            problems.add(str(error), at)
        except RAISED as error:
            slip, hint = slip_of(error), None
            if isinstance(error, ModuleNotFoundError) and slip.own is None:
                hint = "give the path of a file, ./my_critic.py, or an installed package, mylab.ssl"
            problems.add(f"'{entry}' does not load: {slip.reason}", at, hint or slip.hint, own=slip.own)
        if torch.get_default_dtype() != dtype:  # all other nodes would be of that type
            torch.set_default_dtype(dtype)
            hint = "give a tensor its own, dtype=torch.float64; train.precision says what steps compute in"
            problems.add(f"'{entry}' sets torch's default type, which is that of the whole process", at, hint)
    return len(problems) == before


def _listed(source: Source) -> list[str] | None:
    """What the graph lists; None where that is no list of files and packages."""
    entries = source.data.get("components", [])
    right = isinstance(entries, list) and all(isinstance(e, str) and re.fullmatch(COMPONENTS, e) for e in entries)
    return entries if right else None


def unregistered(source: Source, name: str) -> str | None:
    """What to do about a component that nobody knows, where a listed file has a class that it may be."""
    known = {component.cls for component in REGISTRY.values()}
    for i, entry in enumerate(_listed(source) or ()):
        path = os.path.realpath(Path(source.at(("components", i)).file).parent / entry)
        module = loaded_file(Path(path)) if entry.endswith(".py") else sys.modules.get(entry)
        for cls in vars(module).values() if module is not None else ():
            own = isinstance(cls, type) and issubclass(cls, nn.Module)
            if own and cls not in known and module is not None and cls.__module__ == module.__name__:
                return f"{entry} has a class {cls.__name__}; @component('{name}') before it makes it that component"
    return None

"""The user's own components: Python files and packages that a graph file lists under `components:`."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

from ..code import NoSuchFile, NotAllowed, load_file, load_package
from ..errors import RAISED, Problems
from .language.source import Source
from .slips import slip_of
from .spec.file import COMPONENTS

log = logging.getLogger(__name__)


def load_components(source: Source, problems: Problems) -> bool:
    """Imports what is listed and nothing else: `./my_critic.py`, from the file that lists it, or `mylab.ssl`.

    Each is imported once in a process, and said before it is: to this module's logger, which the command line shows.
    Returns whether all are there. A list that is not as it should be is left alone: the sections tell of it.
    """
    before, entries = len(problems), source.data.get("components", [])
    if not isinstance(entries, list) or not all(isinstance(e, str) and re.fullmatch(COMPONENTS, e) for e in entries):
        return False
    for i, entry in enumerate(entries):
        at = source.at(("components", i))
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
    return len(problems) == before

"""What is wrong in files of pictures with boxes: all of it together, by kind, with how many and an example of each."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ...errors import RunError

__all__ = ["Faults"]

log = logging.getLogger(__name__)

EXAMPLES = 3  # of each kind
KINDS = 8  # that are told


class Faults:
    """Is handed to whoever reads files, notes what it finds, and goes on."""

    def __init__(self) -> None:
        self._wrong: dict[str, list[str]] = {}
        self._left_out: dict[str, list[str]] = {}

    def wrong(self, what: str, where: str) -> None:
        """Without which nothing can be learnt or judged. what: the kind, in the plural."""
        self._wrong.setdefault(what, []).append(where)

    def leave_out(self, what: str, where: str) -> None:
        """What published sets have too: it is not used, and that is said."""
        self._left_out.setdefault(what, []).append(where)

    @property
    def left_out(self) -> dict[str, int]:
        """How many are not used, by kind."""
        return {what: len(where) for what, where in self._left_out.items()}

    @staticmethod
    def stop(of: Mapping[str, Faults]) -> None:
        """Raises RunError where something is wrong, with all of it; warns of what is left out. of: by the option."""
        told = [f"{name}: {one}" for name, faults in of.items() for one in _lines(faults._wrong)]
        if told:
            raise RunError("\n  ".join(["the pictures with boxes cannot be used:", *told]))
        for name, faults in of.items():
            for one in _lines(faults._left_out):
                log.warning("warning: %s: %s", name, one)


def _lines(found: Mapping[str, list[str]]) -> list[str]:
    """`pictures that are missing (2): a.jpg; b.jpg`, of each kind."""
    lines = []
    for what, where in found.items():
        more = "; ..." if len(where) > EXAMPLES else ""
        lines.append(f"{what} ({len(where):,}): {'; '.join(where[:EXAMPLES])}{more}")
    return [*lines[:KINDS], *([f"and {len(lines) - KINDS} other kinds"] if len(lines) > KINDS else [])]

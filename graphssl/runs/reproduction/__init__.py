"""Published figures, reproduced: a file says what was published and how it is run, the ledger what came of it."""

from __future__ import annotations

from .ledger import Entry, Results, results_of
from .page import page, write_page
from .read import Written, listed, read
from .reproduce import Reproduced, reproduce_figure
from .state import State, states

__all__ = [
    "Entry", "Reproduced", "Results", "State", "Written", "listed", "page", "read", "reproduce_figure", "results_of",
    "states", "write_page",
]  # fmt: skip

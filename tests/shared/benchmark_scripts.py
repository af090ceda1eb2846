"""The scripts of benchmarks/: where they are, the smallest size they run at, and what their tables say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
METHODS = ("byol", "simclr", "moco_v2")
TINY = ("--encoder", "small", "--batch", "8", "--repeats", "2")
Script = Callable[[str], Any]  # script("peers"): the module


def cells(text: str, row: str) -> list[str]:
    """The cells of the row that begins so."""
    line = next(line for line in text.splitlines() if line.strip().startswith(row))
    return re.split(r"  +", line.strip().removeprefix(row).strip())


def number(cell: str) -> float:
    return float(cell.split()[0].replace(",", ""))

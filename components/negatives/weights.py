"""A file of weights, one for each training sample."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphssl.errors import suggest

__all__ = ["read_weights"]


def read_weights(name: str, samples: int) -> NDArray[np.float64]:
    """The non-negative numbers of a text file, one a line, as many as there are samples; not all of them 0.

    name: its path, from the current folder, as `data.root` is. Raises ValueError, which says what is wrong and in which
    line.
    """
    lines = _text(name).splitlines()
    if len(lines) != samples:
        raise ValueError(f"{name} has {len(lines)} lines for {samples} training samples: one weight for each")
    weights = np.array([_weight(name, i, line) for i, line in enumerate(lines, 1)])
    if not weights.any():
        raise ValueError(f"{name}: all weights are 0, so that no sample can be drawn")
    return weights


def _text(name: str) -> str:
    path = Path(name).expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = suggest(path.name, os.listdir(path.parent) if path.parent.is_dir() else ())
        hint = f"; {near}" if near.near else ""
        where = "" if path.is_absolute() else f" in {Path.cwd()}"
        raise ValueError(f"there is no file {name}{where}{hint}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ValueError(f"{name} cannot be read: {reason}") from None


def _weight(name: str, line: int, text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise ValueError(f"{name}:{line}: '{text.strip()}' is not a weight: a number, 0 or more")
    return weight

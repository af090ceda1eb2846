"""The section `data:` that somebody can paste who has looked at the pictures."""

from __future__ import annotations

import statistics
from typing import Any

from ...graph.spec.datasets import DATA_SETS
from ..order import share_of
from .look import Kind, Survey

__all__ = ["proposal"]

DIGITS, LEAST = 4, 0.001  # of mean and std; a std that is not 0
PIXELS = 4  # the least that `size` takes


def proposal(found: Survey) -> dict[str, Any]:
    """The options that the survey was asked with, and what it has found: channels and type, size, mean and std."""
    data = found.data
    options: dict[str, Any] = {"use": data.use, **data.model_dump(mode="json", exclude_defaults=True, by_alias=True)}
    form = found.form
    if not form.converts:
        options |= {"channels": form.channels, "dtype": form.dtype}
    if data.size is None and found.sizes and DATA_SETS[data.use].kind not in ("embedded", "archive"):
        side = round(statistics.median(min(size) for size in found.sizes))
        if side < DATA_SETS[data.use].size:
            options["size"] = max(side, PIXELS)
    if found.statistics is not None:
        mean, std = found.statistics
        options["mean"] = [round(value, DIGITS) for value in mean]
        options["std"] = [max(round(value, DIGITS), LEAST) for value in std]
    bad = found.unreadable or (not form.converts and set(found.kinds) != {Kind(form.channels, form.dtype)})
    if bad:
        options["on_bad_image"] = "skip"
    readable = found.train - len(found.unreadable)
    if readable < data.batch:
        options["batch"] = max(1, 1 << (max(readable - share_of(readable), 1).bit_length() - 1))
    return options

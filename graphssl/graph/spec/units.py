"""The units of mean and std: of whole numbers the type's largest value is 1, so that none of them is far above it."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["WHITE", "out_of_units"]

WHITE = {"uint8": 255, "uint16": 65535}
MOST = 2  # a mean or std of values up to 1 is below; somebody's of values up to 255 is above, but of nearly black ones


def out_of_units(name: str, values: Sequence[float], dtype: str) -> str | None:
    """What is to be said of a mean or std that seems to be in the pixels' own units; None where it does not."""
    white = WHITE.get(dtype)
    if white is None or max(values, default=0) <= MOST:
        return None
    right = ", ".join(f"{value / white:.4g}" for value in values)
    return (
        f"'{name}' has {max(values):g}, and is in units in which the largest value of {dtype}, {white}, is 1: "
        f"[{right}], if these are of values up to {white}"
    )

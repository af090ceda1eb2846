"""A box within its picture."""

from __future__ import annotations

import math

from .faults import Faults

__all__ = ["clipped"]

Box = tuple[float, float, float, float]
ROUNDING = 1.0  # px by which boxes of published sets reach over the edge


def clipped(box: Box, size: tuple[int, int], where: str, faults: Faults) -> Box | None:
    """A box, left, top, right, bottom in pixels, cut to the picture's width and height.

    None for one with nothing in it, which is left out and counted, as COCO has some; one that lies outside or reaches
    far over the edge is of another picture, and wrong.
    """
    if not all(math.isfinite(side) for side in box):
        faults.wrong("boxes that are no numbers", where)
        return None
    left, top, right, bottom = box
    if right <= left or bottom <= top:
        faults.leave_out("boxes without an area are left out", where)
        return None
    width, height = size
    if left < -ROUNDING or top < -ROUNDING or right > width + ROUNDING or bottom > height + ROUNDING:
        edges = ", ".join(f"{side:g}" for side in box)
        faults.wrong("boxes outside of their pictures", f"{where}: {edges} of {width} x {height} px")
        return None
    inner = max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))
    if inner[2] <= inner[0] or inner[3] <= inner[1]:
        faults.leave_out("boxes without an area are left out", where)
        return None
    return inner

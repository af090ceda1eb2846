"""Masks as COCO writes them, by pycocotools, which is loaded when it is needed."""

from __future__ import annotations

import importlib.util
from typing import Annotated, Any

import numpy as np

__all__ = ["GET", "MISSING", "as_code", "decoded", "encoded", "is_there"]

MISSING, GET = "it needs pycocotools, which is not installed", "pip install 'graphssl[detection]'"

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


def is_there() -> bool:
    """Whether pycocotools is installed."""
    return importlib.util.find_spec("pycocotools") is not None


def as_code(mask: Any, height: int, width: int) -> dict[str, Any]:
    """Polygons, or a run-length code with plain counts, as a compressed code."""
    from pycocotools import mask as coco

    if isinstance(mask, dict) and not isinstance(mask["counts"], list):
        return mask
    found: Any = coco.frPyObjects(mask, height, width)
    code: dict[str, Any] = coco.merge(found) if isinstance(found, list) else found
    return code


def decoded(mask: Any, height: int, width: int) -> Annotated[Bytes, "h w"]:
    """1 where the object is, else 0."""
    from pycocotools import mask as coco

    found: Bytes = coco.decode(as_code(mask, height, width))
    return found


def encoded(mask: Annotated[Bytes, "h w"]) -> dict[str, Any]:
    """A compressed run-length code."""
    from pycocotools import mask as coco

    code: dict[str, Any] = coco.encode(np.asfortranarray(mask))
    return code

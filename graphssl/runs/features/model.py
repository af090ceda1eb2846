"""A run's encoder as MLflow keeps it: loaded from its folder, with pictures in the forms in which MLflow hands them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy

from ...checks.checked import validated
from ...code import loaded_files
from ...errors import UsageError
from ...graph.language.given import change_of
from ...graph.read import load
from ..trained import compile
from .embed import Embedder
from .given import Images
from .reading import LeftOut

__all__ = ["ABOUT", "ADVICE", "GRAPH", "WEIGHTS", "Model"]

GRAPH, WEIGHTS, ABOUT = "graph.yaml", "weights.safetensors", "about.json"
ADVICE = "Mend it or leave it out"


class Model:
    """Gives features of pictures, prepared as an evaluation of the run's prepares them.

    path: a folder with the resolved graph, the node's weights, and what the node is called.
    """

    def __init__(self, path: str | Path, device: str = "auto") -> None:
        from safetensors.torch import load_file

        folder = Path(path)
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        entries = [_here(entry, folder) for entry in about["components"]]
        checked = validated(load(folder / GRAPH, [change_of("components", entries)] if entries else ()))
        module = compile(checked, weights=False).features(about["node"])
        module.load_state_dict(load_file(folder / WEIGHTS))
        self.embedder = Embedder(checked, module, about["node"], device, None)

    def predict(self, pictures: Any, params: Mapping[str, Any] | None = None) -> numpy.ndarray[Any, Any]:
        """Features, float32 `n d`.

        pictures: an array `n h w c` of bytes; a path, a Pillow picture, the bytes of a file, or a list of any of these;
        a data frame with a column of them, `image` where it has several. Raises UsageError for what is none, RunError
        for a file that cannot be read.
        """
        given = self.embedder.given(_pictures(pictures), "the input")
        features, _ = self.embedder(given, LeftOut(advice=ADVICE))
        found: numpy.ndarray[Any, Any] = features.cpu().numpy()
        return found


def _here(entry: str, folder: Path) -> str:
    """The user's file of components that lies beside the graph; or the one that it is a copy of, where this process has
    that already: of one name there cannot be two."""
    file = folder / entry
    if not entry.endswith(".py"):
        return entry
    content = file.read_bytes()
    for known in map(Path, loaded_files()):
        with contextlib.suppress(OSError):
            if known.read_bytes() == content:
                return str(known)
    return str(file.resolve())


def _pictures(given: Any) -> Images:
    """As lists, arrays, paths and Pillow's pictures."""
    if hasattr(given, "columns"):  # of pandas
        names = list(given.columns)
        if len(names) != 1 and "image" not in names:
            raise UsageError(f"of a data frame with several columns that of the pictures is called 'image': {names}")
        return [_pictures(one) for one in given["image" if "image" in names else names[0]]]
    if isinstance(given, Mapping):
        if "image" not in given:
            raise UsageError(f"pictures stand under 'image', and here are {sorted(map(str, given))}")
        return _pictures(given["image"])
    if isinstance(given, bytes | bytearray | memoryview):
        return _opened(bytes(given))
    if isinstance(given, numpy.ndarray):
        return [_pictures(one) for one in given] if given.dtype == object else _as_bytes(given)
    if isinstance(given, list | tuple) or hasattr(given, "to_list"):
        return _list(list(given))
    return given  # type: ignore[no-any-return]


def _list(given: list[Any]) -> Images:
    """Numbers in lists, as JSON has them, are an array."""
    first: Any = given
    while isinstance(first, list | tuple) and first:
        first = first[0]
    if isinstance(first, int | float):
        return _as_bytes(numpy.asarray(given))
    return [_pictures(one) for one in given]


def _as_bytes(array: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
    """Whole numbers of another type that are bytes, as JSON's are; others are left, and are refused as they are."""
    whole = array.dtype.kind in "iu" and array.dtype != numpy.uint8 and array.size
    return array.astype(numpy.uint8) if whole and array.min() >= 0 and array.max() <= 255 else array


def _opened(content: bytes) -> Images:
    from PIL import Image

    try:
        return Image.open(BytesIO(content))
    except Exception as error:  # Pillow raises what it likes
        raise UsageError(f"{len(content):,} bytes are no picture: {error}") from error

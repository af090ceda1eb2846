"""The section `data:` of what somebody names: a folder, a list, shards, a saved dataset."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ...errors import UsageError, suggest
from ...files import home, special
from ...graph import spec
from ...graph.language.validation import validate
from ...graph.spec.data import data_section
from ..folder import ARRAY, Folder
from ..lists import is_list
from ..own.huggingface import is_saved
from ..shards import addresses

__all__ = ["section_of"]


def section_of(source: str) -> spec.Data:
    """As somebody would write it who knows nothing of the pictures. Raises UsageError for what holds none."""
    options = _options(source)
    section, wrong = validate(data_section(options["use"]), options)
    if section is None:
        raise UsageError(f"'{source}': {wrong[0].message}")
    return section


def _options(source: str) -> dict[str, Any]:
    path = home(Path(source))
    if addresses.is_remote(source) or source.endswith(addresses.SUFFIX) or any(sign in source for sign in "{*"):
        return {"use": "webdataset", "root": source}
    if not os.path.lexists(path):
        beside = [entry.name for entry in path.parent.iterdir()] if os.path.isdir(path.parent) else []
        near = suggest(path.name, beside).near
        hint = f": did you mean '{path.parent / near}'?" if near else ""
        raise UsageError(f"there is no file or folder '{source}'{hint}")
    if not os.path.isdir(path):
        if (found := special(path)) is not None:
            raise UsageError(f"'{source}' is {found}, and no folder or list of pictures")
        if not is_list(source):
            raise UsageError(f"'{source}' is neither a folder nor a list of pictures (.txt, .csv)")
        return {"use": "image_folder", "files": source}
    if is_saved(path):
        return {"use": "hf", "path": source}
    if addresses.everything(source):
        return {"use": "webdataset", "root": source}
    # Of a folder that holds arrays and nothing else, some option must say that they are pictures.
    arrays = not Folder(path).has_pictures and Folder(path, suffixes=(ARRAY,)).has_pictures
    return {"use": "image_folder", "root": source, **({"channels": 3} if arrays else {})}

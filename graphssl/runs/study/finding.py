"""Which study is meant: a graph with what varies in it, a study's file, or one that is known by its name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import Problems, UsageError, suggest
from ...files import special
from ...graph.language.packaged import packaged_file
from ...graph.language.validation import validate
from .axes import SUFFIXES
from .book import find_book
from .listed import kept_plan
from .opening import books_in
from .plan import STUDIES, Plan
from .reading import Asked, asked_in_file, asked_of, asked_of_axes, is_study
from .spec import Study

__all__ = ["no_study", "study_of"]

VARIES = "nothing varies: say what, as in train.optimizer.lr=0.1,0.2"


def study_of(
    source: str, vary: Mapping[str, Any], said: Mapping[str, Any], storage: str | None, *, join: bool = False
) -> Asked | Plan:  # fmt: skip
    """The study of a graph and what varies in it, of a file, or of a name under `studies/` or in a storage.

    said: what the command says of it, by the file's keys. join: whether to take part in it, also in one that another
    command has made. Raises GraphError and UsageError for what is wrong.
    """
    if vary and is_study(source):
        raise UsageError(f"'{source}' is a study's file, in which vary: says what varies, and not the command")
    if vary:
        return asked_of_axes(source, vary, said)
    if is_study(source):
        return asked_in_file(Path(source), said)
    if Path(source).suffix in SUFFIXES or os.path.isfile(source):
        raise UsageError(_no_file(source))
    named = source == Path(source).name and source.strip(".")
    book = find_book(source, STUDIES / source, storage) if named else None
    if book is None:
        raise UsageError(no_study(source, storage))
    facts = book.facts()
    if "spec" not in facts:
        raise UsageError(f"the study '{source}' is not of graphssl's making, or was not begun: say its graph and more")
    if "made" in facts:
        if join and not said:
            return kept_plan(facts)
        raise UsageError(f"'{source}' is made by `graphssl {facts['made']}`: the same command goes on with it")
    spec, wrong = validate(Study, {**facts["spec"], **said})
    if spec is None:
        raise UsageError("; ".join(one.message for one in wrong))
    return asked_of(spec, Path(facts["folder"]), None, Problems())


def _no_file(source: str) -> str:
    """Why a file is none of a study."""
    if not os.path.exists(source):
        near = suggest(source, map(str, Path(source).parent.glob("*.yaml")))
        return f"there is no file '{source}'{f': {near.text}' if near.near else ''}"
    what = special(Path(source))
    return f"'{source}' is {what}" if what else f"'{source}' has no study:, graph: and vary:, and of a graph {VARIES}"


def no_study(source: str, storage: str | None) -> str:
    """That there is none of that name, and what may have been meant."""
    if not Path(source).suffix and packaged_file(source).is_file():
        return f"of the graph '{source}' {VARIES}"
    near = suggest(source, set(books_in(STUDIES)) - {source}, "studies are").text if storage is None else None
    where = f"under {STUDIES}/" if storage is None else "in the storage"
    return f"there is no study '{source}' {where}: {near or 'a graph, and what varies in it, begin one'}"

"""Rows more in a table of the spec, for the time of a test. In its file a row stands before the models are made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar
from unittest import mock

from graphssl.graph import spec
from graphssl.graph.language import choices

T = TypeVar("T")


@contextmanager
def added(table: dict[str, T], rows: Mapping[str, T]) -> Iterator[None]:
    with mock.patch.dict(table, rows):
        _remake()
        try:
            yield
        finally:
            for name in rows:
                del table[name]
            _remake()


def _remake() -> None:
    """Makes the models of the tables as they are now."""
    choices._schema.cache_clear()
    for model in (spec.Data, spec.Train, spec.GraphFile, spec.graph_file()):
        model.model_rebuild(force=True)

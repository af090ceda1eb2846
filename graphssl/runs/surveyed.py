"""A look at pictures that are named in some way: a folder, a list, shards, or a graph whose `data:` is meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..checks.checked import Checked
from ..data.survey import Survey, section_of
from ..data.survey import survey as look
from ..errors import UsageError
from ..graph.graph import Graph
from ..graph.language.given import is_text
from ..graph.read import load

__all__ = ["survey_of"]


def survey_of(
    source: Checked | Graph | str | Path | Mapping[str, Any], sets: Sequence[str], most: int | None,
    progress: Callable[[int, int], None] | None,
) -> Survey:  # fmt: skip
    """What a set of pictures is like. Raises UsageError for changes of what is no graph."""
    named = isinstance(source, str | Path) and not is_text(source) and not str(source).endswith((".yaml", ".yml"))
    if named and sets:
        raise UsageError("--set changes a graph file: name one, or leave it out")
    if named:
        return look(section_of(str(source)), most, progress)
    graph = source.graph if isinstance(source, Checked) else source
    if isinstance(graph, Graph) and sets:
        raise UsageError("sets change a graph as it is read, and this one is: give them where it is loaded")
    return look((graph if isinstance(graph, Graph) else load(graph, sets)).spec.data, most, progress)

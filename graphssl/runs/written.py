"""YAML files that are no graphs, such as a study's: read strictly, validated, each mistake at its place."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from ..errors import Problems, Span, UsageError
from ..files import read_regular
from ..graph.language import yaml
from ..graph.language.kinds import FileKind, refuse_other_kind
from ..graph.language.source import Source
from ..graph.language.validation import validate
from ..graph.spec.section import Section

__all__ = ["read_written"]

LARGEST = 1 << 20  # bytes
S = TypeVar("S", bound=Section)


def read_written(
    file: Path, model: type[S], what: str, problems: Problems, kind: FileKind | None = None, hint: str = ""
) -> tuple[S | None, Source]:
    """A file's one section, None where it is wrong, which is noted; and where its parts stand. what: the file is.

    Raises UsageError for one that cannot be read, GraphError for one that is no YAML, and for one that is of another
    kind than is given, with the hint what would be right.
    """
    document = _document(file, model, what, problems)
    problems.stop()
    assert document is not None
    source = Source(document.data, document.places, (file,))
    if kind is not None:
        refuse_other_kind(source, [kind], problems, hint)
    section, wrong = validate(model, document.data)
    for one in wrong:
        problems.add(one.message, source.at(one.path, key=one.kind == "unknown"), one.hint, kind=one.kind)
    return section, source


def _document(file: Path, model: type[S], what: str, problems: Problems) -> yaml.Document | None:
    try:
        content = read_regular(file, LARGEST)
        text = None if content is None else content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"'{file}' cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if text is None:
        raise UsageError(f"'{file}' has more than {LARGEST:,} bytes: this is not the file of {what}")
    document = yaml.read(text, str(file), problems)
    if document is not None and not isinstance(document.data, dict):
        said = "the file is empty" if document.data is None else f"{what} is a mapping"
        problems.add(said, Span(str(file), 1), f"keys are {', '.join(model.model_fields)}")
    return document

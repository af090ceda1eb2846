"""YAML files that are no graphs, such as a study's: read strictly, validated, each mistake at its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ..errors import Problems, Span, UsageError
from ..files import read_regular
from ..graph.language import yaml
from ..graph.language.kinds import FileKind, refuse_other_kind
from ..graph.language.source import Source
from ..graph.language.validation import validate
from ..graph.spec.section import Section

__all__ = ["WrittenFile", "read_written"]

LARGEST = 1 << 20  # bytes
S = TypeVar("S", bound=Section)


@dataclass(frozen=True)
class WrittenFile:
    """A file, and where what it says stands."""

    file: Path
    document: yaml.Document

    def at(self, path: Sequence[str | int], *, key: bool = False) -> Span:
        """Where a value stands, or its key; what is not there stands where the section around it does."""
        for end in range(len(path), 0, -1):
            if (found := self.document.places.get(tuple(path[:end]))) is not None:
                return found.key if key or end < len(path) else found.value
        return Span(str(self.file), 1)


def read_written(
    file: Path, model: type[S], what: str, problems: Problems, kind: FileKind | None = None, hint: str = ""
) -> tuple[S | None, WrittenFile]:
    """A file's one section, None where it is wrong, which is noted. what: the file is, `a study`.

    Raises UsageError for one that cannot be read, GraphError for one that is no YAML, and for one that is of another
    kind than is given, with the hint what would be right.
    """
    document = _document(file, model, what, problems)
    problems.stop()
    assert document is not None
    if kind is not None:
        refuse_other_kind(Source(document.data, document.places, (file,)), [kind], problems, hint)
    written = WrittenFile(file, document)
    section, wrong = validate(model, document.data)
    for one in wrong:
        problems.add(one.message, written.at(one.path, key=one.kind == "unknown"), one.hint, kind=one.kind)
    return section, written


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

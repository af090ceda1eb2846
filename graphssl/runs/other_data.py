"""Data that a run was not trained on: a file with a section `data:`, or pictures themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..data.known import sides
from ..data.survey import section_of
from ..errors import Problems
from ..graph import spec
from ..graph.language.kinds import refuse_other_kind
from ..graph.language.load import load
from ..graph.language.source import Source
from ..graph.language.validation import validate
from ..graph.plugins import load_components
from ..graph.spec.data import data_section

__all__ = ["other_data"]


def other_data(source: str, trained_on: spec.Data) -> tuple[str, spec.Data]:
    """What it is called, and the section, seen as the network sees pictures: of its size, and read in its batches.

    source: a YAML file with `data:`, of a graph too, or with nothing but that section's keys; a folder, a list of
    pictures, shards. What it does not say of size, preprocessing, channels and batch is as in training. Raises
    GraphError with what is wrong in a file, UsageError for what holds no pictures.
    """
    if not source.endswith((".yaml", ".yml")):
        section = section_of(source)
        return Path(source).stem, _as_trained(section, set(), trained_on)
    section, given = _section(Path(source))
    return Path(source).stem, _as_trained(section, given, trained_on)


def _section(file: Path) -> tuple[spec.Data, set[str]]:
    """The section of a file, and the keys that it has. Relative paths are from where the command is, as in graphs."""
    source, problems = load(file), Problems()
    refuse_other_kind(source, ["data", "graph"], problems, "data: {use: image_folder, root: FOLDER}, say, is one")
    load_components(source, problems)
    place: tuple[str, ...] = ("data",) if "data" in source.data else ()
    keys = source.data.get("data", source.data)
    if not isinstance(keys, dict):
        problems.add("'data' is no section: it has keys, such as use and root", source.at(place))
        problems.stop()
    section, wrong = validate(data_section(keys.get("use")), keys)
    for one in wrong:
        problems.add(one.message, source.at((*place, *one.path), key=one.kind == "unknown"), one.hint, kind=one.kind)
    _note_more(source, place, problems)
    problems.stop()
    assert section is not None
    return section, set(keys)


def _note_more(source: Source, place: tuple[str, ...], problems: Problems) -> None:
    """Of a file that is no graph, sections beside `data:` that do nothing here."""
    if place and "nodes" not in source.data:
        for key in sorted(set(source.data) - {"data", "components", "description"}):
            problems.add(f"'{key}' says nothing of data", source.at((key,), key=True), "data: and components: are read")


def _as_trained(section: spec.Data, given: set[str], trained_on: spec.Data) -> spec.Data:
    taken: dict[str, Any] = {key: getattr(trained_on, key) for key in ("eval", "channels", "dtype") if key not in given}
    if "size" not in given:
        taken["size"] = sides(trained_on)
    return section.model_copy(update={**taken, "batch": trained_on.batch, "last": "keep"})

"""The sections of a file, validated. What is wrong is noted and left out, so that the rest can be checked too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import Problems, suggest
from ..spec import DATA_SETS, GraphFile, graph_file, options
from ..spec.codes import CODES
from .load import START
from .source import SET, Source
from .validation import Wrong, validate
from .yaml import Path

__all__ = ["EXAMPLES", "Sections", "read_sections"]

EXAMPLES = {
    "nodes": "critic: {use: critic.cosine}",
    "flow": "z: projector(encoder(x))",
    "loss": "infonce: objective(s)",
    "update": "target: follow()",
}


@dataclass(frozen=True)
class Sections:
    """A validated file, and what was left out of it.

    lacking: sections without which nothing can be said. nodes, values: names of entries in error.
    """

    spec: GraphFile
    lacking: frozenset[str] = frozenset()
    nodes: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()


def read_sections(source: Source, problems: Problems, *, incomplete: bool = False) -> Sections | None:
    """The sections, None where not even a part of them can be read.

    incomplete: some of the graph's own components did not load, and an evaluation that nobody knows may be of those.
    """
    _check_codes(source, problems)
    _leave_out_idle(source)
    spec, wrong = validate(_model(source), source.data)
    if spec is not None:
        return Sections(spec)
    misplaced = dict(_misplaced(source))
    for one in wrong:
        if one.path[:2] not in misplaced and not _may_be_right(one, source, incomplete):
            _note(one, misplaced, source, problems)
    _note_misplaced(misplaced, source, problems)
    return _what_is_right(source, [one.path for one in wrong], misplaced)


def _set(source: Source) -> object:
    """The name of the data set."""
    data = source.data.get("data")
    return data.get("use") if isinstance(data, dict) else None


def _model(source: Source) -> type[GraphFile]:
    return graph_file(_set(source))


def _may_be_right(one: Wrong, source: Source, incomplete: bool) -> bool:
    """Whether nobody can say: it may belong to what did not load, or to a data set that nobody knows."""
    unknown = one.kind == "unknown"
    if one.path == ("data", "use") or (unknown and one.path[:-1] == ("evaluate",)):
        return incomplete and (unknown or isinstance(_set(source), str))
    use = _set(source)
    return unknown and one.path[:-1] == ("data",) and isinstance(use, str) and use not in DATA_SETS


def _what_is_right(source: Source, wrong: Sequence[Path], misplaced: Mapping[Path, str]) -> Sections | None:
    """The sections without what is wrong with them."""
    data = json.loads(json.dumps(source.data))
    for path in sorted({path[:2] if path[:2] in misplaced else path for path in wrong}, key=len, reverse=True):
        _remove(data, path)
    spec, _ = validate(_model(source), {"graph": "graph", "nodes": {}, "flow": {}, "loss": {}, **data})
    unknown = any(len(path) == 1 and path[0] not in GraphFile.model_fields for path in wrong)
    lacking = {name for name in ("nodes", "flow", "loss") if name not in data}
    lacking |= {name for name in ("update", "components") if name not in data and (unknown or name in source.data)}
    # What is misplaced may be used as a node or as a value.
    strays = {str(name) for _, name in misplaced}
    nodes, values = (frozenset(_left_out(source, data, section) | strays) for section in ("nodes", "flow"))
    return None if spec is None else Sections(spec, frozenset(lacking), nodes, values)


def _check_codes(source: Source, problems: Problems) -> None:
    """Notes the codes of `allow:` that no rule has."""
    codes = source.data.get("allow")
    for i, code in enumerate(codes if isinstance(codes, list) else ()):
        if isinstance(code, str) and code not in CODES:
            hint = suggest(code, CODES, "codes are").text or "`graphssl explain` lists them"
            problems.add(f"no rule has the code '{code}'", source.at(("allow", i)), hint)


def _leave_out_idle(source: Source) -> None:
    """Takes out the options of `data:` that an extended graph has for its own set, and that this set has no use for."""
    data, use = source.data.get("data"), source.at(("data", "use")).file
    if not isinstance(data, dict) or "use" not in data:
        return
    order = {file: i for i, file in enumerate([*map(str, source.files), SET])}
    row = DATA_SETS.get(data["use"]) if isinstance(data["use"], str) else None
    for key in options():
        idle = row is None or not row.takes(key)
        if key in data and idle and order[source.at(("data", key)).file] < order[use]:
            del data[key]


def _left_out(source: Source, data: dict[str, Any], section: str) -> set[str]:
    """The entries of a section that are in error."""
    entries = source.data.get(section)
    return {str(name) for name in entries if name not in data.get(section, {})} if isinstance(entries, dict) else set()


def _misplaced(source: Source) -> Iterator[tuple[Path, str]]:
    """Expressions among the nodes, and nodes among the expressions: their paths, and messages."""
    for section in EXAMPLES:
        entries = source.data.get(section)
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            if section == "nodes" and isinstance(entry, str) and "(" in entry:
                yield (section, name), f"'{name}' is an expression, and stands under nodes:"
            elif section != "nodes" and isinstance(entry, dict) and "use" in entry:
                yield (section, name), f"'{name}' is a node, and stands under {section}:"


def _lines_of_flow(misplaced: Iterable[Path]) -> list[Path]:
    return [path for path in misplaced if path[0] == "nodes"]


def _note_misplaced(misplaced: Mapping[Path, str], source: Source, problems: Problems) -> None:
    lines = _lines_of_flow(misplaced) if "flow" not in source.data else []
    if lines:
        problems.add("'flow' is missing", source.at(lines[0], key=True), "write flow: above this line", kind="missing")
    for path, message in misplaced.items():
        if path not in lines:
            problems.add(message, source.at(path, key=True))


def _note(wrong: Wrong, misplaced: Iterable[Path], source: Source, problems: Problems) -> None:
    if wrong.path:
        at = source.at(wrong.path, key=wrong.kind == "unknown")
        problems.add(wrong.message, at, _example(wrong.path, source) or wrong.hint, kind=wrong.kind)
    elif wrong.keys != ("flow",) or not _lines_of_flow(misplaced):
        at, hint = source.at(()), f"{START}; a variant says which graph it extends:"
        for name in GraphFile.model_fields:
            if name in wrong.keys and (name,) in source.removed:
                at, hint = source.removed[name,], "this null takes it out of the extended graph"
                break
        problems.add(wrong.message, at, hint, kind=wrong.kind)


def _example(path: Path, source: Source) -> str | None:
    """What an entry of a section looks like, for one that is nothing of the kind."""
    if path[0] in EXAMPLES and len(path) == 1 and source.data[path[0]] is None:
        return f"as in {EXAMPLES[path[0]]}"
    if len(path) != 2 or path[0] not in EXAMPLES:
        return None
    section, name = str(path[0]), path[1]
    entry = source.data[section][name]
    extends = len(source.files) > 1
    made_of = (isinstance(entry, dict) and section != "flow") or (isinstance(entry, list) and section == "update")
    if (entry is None and extends) or made_of:
        return None
    if section == "nodes" and isinstance(entry, str):
        return f"write {name}: {{use: {entry}}}"
    return f"as in {EXAMPLES[section]}"


def _remove(data: Any, path: Path) -> None:
    """Takes out what stands at a path; one wrong entry spoils its list."""
    for i, step in enumerate(path):
        if not isinstance(data, dict):
            return
        if i == len(path) - 1 or isinstance(data.get(step), list):
            data.pop(step, None)
            return
        data = data.get(step)

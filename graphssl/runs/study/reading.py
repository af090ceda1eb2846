"""From a study's file, or from words of a command, to a study that holds."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import GraphError, Problem, Problems, Refused, Span, UsageError
from ...files import read_regular
from ...graph.graph import Graph
from ...graph.language import yaml
from ...graph.language.packaged import find
from ...graph.language.source import SET, Source
from ...graph.language.validation import validate
from ...graph.read import load
from ..conditions import Condition, condition
from ..naming import LONGEST, check_name
from ..written import LARGEST, read_written
from .axes import SUFFIXES, Axis, axis_of
from .spec import Study

__all__ = ["Asked", "asked_in_file", "asked_of", "asked_of_axes", "axes_in_words", "is_study"]

MARK = re.compile(r"^['\"]?(study|vary)['\"]?\s*:", re.MULTILINE)
KEYS = {"study", "vary"}  # that no graph has
ARGUMENT = "the command"
MOST = 1_000_000  # cells of a grid, conditions apart
ROOM = 24  # bytes of a run's name that stand after its study's


@dataclass(frozen=True)
class Asked:
    """A study whose words hold: the graph as it is without variation, what varies, and the conditions.

    folder: from which files are found. source: the graph's file or name, as `load` takes it.
    """

    spec: Study
    folder: Path
    source: str
    graph: Graph
    axes: Mapping[str, Axis]
    conditions: tuple[Condition, ...]

    @property
    def name(self) -> str:
        return self.spec.study

    @property
    def digest(self) -> str:
        """Of what makes its cells, so that another study has another; of files that are laid over, what is in them."""
        spec = self.spec.model_dump(mode="json", include={"vary", "where", "sampler", "metric"})
        named = [axis.folder / name for axis in self.axes.values() if axis.files for name in axis.values or () if name]
        files = [hashlib.sha256(_content(path)).hexdigest() for path in named]
        text = json.dumps([self.graph.hash(), spec, *files], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _content(file: Path) -> bytes:
    """Nothing of what cannot be read, which is told where it is laid over."""
    try:
        return read_regular(file, LARGEST) or b""
    except OSError:
        return b""


def is_study(name: str) -> bool:
    """Whether a file is a study's, and no graph's; also one with mistakes."""
    path = Path(name)
    if path.suffix not in SUFFIXES or not os.path.isfile(path):
        return False
    try:
        text = (read_regular(path, LARGEST) or b"").decode("utf-8-sig", "replace")
    except OSError:
        return False
    document = yaml.read(text, name, Problems()) if "\N{REPLACEMENT CHARACTER}" not in text else None
    if document is None:
        return bool(MARK.search(text))
    return isinstance(document.data, dict) and bool(KEYS & set(document.data))


def asked_in_file(file: Path, changed: Mapping[str, Any]) -> Asked:
    """The study of a file. changed: what the command says instead. Raises GraphError with all that is wrong."""
    problems = Problems()
    spec, written = read_written(file, Study, "a study", problems)
    if spec is None:
        problems.stop()
    assert spec is not None
    return asked_of(_with(spec, changed), file.parent, written, problems)


def axes_in_words(words: Sequence[str]) -> dict[str, Any]:
    """What varies, of `KEY=VALUE,VALUE` words: values, or a range, by key. Raises GraphError for what is none."""
    problems = Problems()
    vary = {key: values for word in words if (found := _axis(word, problems)) for key, values in [found]}
    problems.stop()
    if len(vary) < len(words):
        keys = [word.partition("=")[0].strip() for word in words]
        twice = next(key for i, key in enumerate(keys) if key in keys[:i])
        raise UsageError(f"'{twice}' is said twice: all values of a key stand together")
    return vary


def asked_of_axes(graph: str, vary: Mapping[str, Any], said: Mapping[str, Any]) -> Asked:
    """The study of a graph and what varies in it. said: what else there is to say, by the file's keys.

    Without a name it is called after the graph and what varies: the same command is the same study.
    """
    problems = Problems()
    named = {"study": "study", **said}
    spec, wrong = validate(Study, {"graph": graph, "vary": dict(vary), **named})
    for one in wrong:
        of = f"{one.path[1]}: " if one.path[:1] == ("vary",) and len(one.path) > 1 else ""
        problems.add(f"{of}{one.message}", None, one.hint, kind=one.kind)
    problems.stop()
    assert spec is not None
    asked = asked_of(spec, Path(), None, problems)
    if "study" in said:
        return asked
    name = f"{asked.graph.name.replace('/', '-')}-{asked.digest[:6]}"
    return replace(asked, spec=spec.model_copy(update={"study": name}))


def _with(spec: Study, changed: Mapping[str, Any]) -> Study:
    """The study with what a command says instead, its changes and conditions after those of the file."""
    if not changed:
        return spec
    data = spec.model_dump(mode="json", exclude_unset=True)
    more = {key: [*data.get(key, []), *changed[key]] for key in ("set", "where") if key in changed}
    merged, wrong = validate(Study, {**data, **changed, **more})
    if merged is None:
        raise UsageError("; ".join(one.message for one in wrong))
    return merged


def _axis(word: str, problems: Problems) -> tuple[str, Any] | None:
    """`nodes.critic.temperature=0.1,0.2` as key and values; a mapping with `low` is a range."""
    key, equals, text = word.partition("=")
    span = Span(ARGUMENT, 1, 1, max(len(key), 1), word)
    if not equals or not key.strip() or not text.strip():
        problems.add(f"'{word}' does not say what varies", span, "as in nodes.critic.temperature=0.1,0.2")
        return None
    document = yaml.read(f"[{text}]", ARGUMENT, inner := Problems())
    if document is None:
        found = next(iter(inner))
        problems.add(f"the values of '{key}' cannot be read: {found.message}", span, found.hint)
        return None
    values = document.data
    if len(values) == 1 and isinstance(values[0], dict) and "low" in values[0]:
        return key.strip(), values[0]
    return key.strip(), values


def asked_of(spec: Study, folder: Path, written: Source | None, problems: Problems) -> Asked:
    """Holds a study against its graph; raises GraphError with all that is wrong, UsageError for a name that is none."""

    def at(*path: str | int, key: bool = False) -> Span | None:
        return None if written is None else written.at(path, key=key)

    check_name(spec.study, "a study", "studies/", LONGEST - ROOM)
    beside = folder / spec.graph
    source = os.path.relpath(beside) if os.path.isfile(beside) else spec.graph
    find(source, missing := Problems())
    for problem in missing:
        problems.add(problem.message, at("graph"), problem.hint, kind="unknown")
    problems.stop()
    axes = {key: axis_of(key, values, folder) for key, values in spec.vary.items()}
    for key, axis in axes.items():
        for message, hint in _against(axis, spec):
            problems.add(f"{'' if written else f'{key}: '}{message}", at("vary", key), hint)
    cells = math.prod(axis.count for axis in axes.values())
    if spec.sampler == "grid" and MOST < cells < math.inf:
        message = f"these are {cells:,} cells, and a grid has {MOST:,} at most"
        problems.add(message, at("vary", key=True), "fewer values, or sampler: random, which draws trials: of them")
    conditions = []
    for i, text in enumerate(spec.where):
        try:
            conditions.append(condition(text, at("where", i)))
        except Refused as error:
            problems.add(str(error), at("where", i), error.hint)
    for i, change in enumerate(spec.set):
        if change.partition("=")[0].strip() == "train.seed":
            problems.add("the seed is no change of the graph", at("set", i), "seeds: says which there are")
    if spec.sampler == "grid" and spec.trials is not None:
        problems.add("trials are drawn, and a grid has all cells", at("trials"), "sampler: random, or tpe")
    problems.stop()
    try:
        graph = load(source, [*spec.set, "train.seed=0"])
    except GraphError as error:
        spans = {change: at("set", i) for i, change in enumerate(spec.set)}
        raise GraphError(_at_home(one, spans) for one in error.problems) from None
    return Asked(spec, folder, source, graph, axes, tuple(conditions))


def _at_home(problem: Problem, spans: Mapping[str, Span | None]) -> Problem:
    """A problem of one of a file's changes, which `load` takes for one of the command's, where it stands."""
    span = problem.span
    found = spans.get(span.text) if span is not None and span.file == SET else None
    return problem if found is None else replace(problem, span=found)


def _against(axis: Axis, spec: Study) -> list[tuple[str, str | None]]:
    """What is wrong with an axis, and what would be right."""
    if axis.key == "train.seed":
        return [("the seed does not vary as a value does", "seeds: 3, or a list of them")]
    if axis.files:
        missing = [name for name in axis.values or () if name is not None and not os.path.isfile(axis.folder / name)]
        return [(f"there is no file '{name}'", f"the path is relative to {axis.folder}/") for name in missing]
    if axis.range is not None and spec.sampler == "grid" and axis.range.step is None:
        return [("a grid has all cells, and this range has no step", "list the values, or sampler: random")]
    if spec.sampler == "grid" and axis.count == math.inf:
        return [("a range of more steps than can be counted", "list the values, or sampler: random")]
    if not all(part.strip() for part in axis.key.split(".")):
        return [(f"'{axis.key}' is no key of a graph", "as in nodes.critic.temperature")]
    return []

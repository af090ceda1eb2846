"""The file of a reproduction: found by its name or path, read strictly, held against graph and evaluations."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from ...errors import GraphError, Problem, Problems, Span, UsageError, suggest
from ...evaluation.registry import REGISTRY, find_evaluation, measured_in_runs
from ...files import special
from ...graph.graph import Graph
from ...graph.language import yaml
from ...graph.language.packaged import find, other_kind, packaged_file, packaged_reproductions
from ...graph.language.source import SET, Source
from ...graph.language.validation import validate
from ...graph.read import load
from ..written import read_written
from .spec import Reproduction

__all__ = ["Written", "asking", "asks_of_figures", "find_file", "listed", "packaged_folder", "read"]

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Written:
    """A file that holds: its name, where it is, what it says, and its graph with the file's own changes.

    asked: the graph as it is asked for: a name, or a path from where the command is. places: of the file's changes.
    """

    name: str
    file: Path
    spec: Reproduction
    graph: Graph
    asked: str
    places: Mapping[str, Span]

    @property
    def packaged(self) -> bool:
        """Whether it comes with graphssl."""
        return self.file.resolve().parent == packaged_folder().resolve()

    def at_home(self, problem: Problem) -> Problem:
        """A problem of one of the file's changes, which `load` takes for one of the command's, where it stands."""
        return _at_home(problem, self.places)

    @property
    def command(self) -> str:
        """What reproduces it."""
        return f"graphssl reproduce {shlex.quote(self.name if self.packaged else str(self.file))}"


def packaged_folder() -> Path:
    """Where those are that come with graphssl."""
    return Path(str(resources.files("graphssl.reproductions")))


def listed() -> list[str]:
    """Names of those that come with graphssl."""
    return packaged_reproductions()


def find_file(name: str) -> Path:
    """The file of a path, or of a name. Raises UsageError, with a suggestion, where there is none."""
    path, ours = Path(name), packaged_folder() / f"{name}.yaml"
    if os.path.isfile(path) and path.suffix in SUFFIXES:
        return path
    if name in listed():
        return ours
    if found := special(path):
        raise UsageError(f"'{name}' is {found}, and no reproduction's file")
    if os.path.isfile(path):
        raise UsageError(f"'{name}' is no reproduction's file, which ends in .yaml")
    if other := other_kind(name, "reproduction"):
        raise UsageError(f"no reproduction is called '{name}': {other}")
    if path.suffix in SUFFIXES or path.name != name:
        near = suggest(name, map(str, path.parent.glob("*.yaml"))) if os.path.isdir(path.parent) else None
        known = near.text if near is not None and near.near else None
        known = known or (suggest(path.stem, listed()).text if suggest(path.stem, listed()).near else None)
        raise UsageError(f"there is no file '{name}'{f': {known}' if known else ''}")
    hint = suggest(name, listed(), "there are").text or "`graphssl reproduce` lists those that there are"
    raise UsageError(f"no reproduction is called '{name}': {hint}")


def read(name: str) -> Written:
    """A reproduction by its name or path. Raises GraphError with everything that is wrong in it."""
    file, problems = find_file(name), Problems()
    right = "a reproduction of it has title:, graph: and figures:"
    spec, text = read_written(file, Reproduction, "a reproduction", problems, "reproduction", right)
    if spec is None:
        problems.stop()
    assert spec is not None
    found = _graph(spec, text, problems)
    _check_figures(spec, text, problems, known=found is not None)
    problems.stop()
    assert found is not None
    return Written(file.stem, file, spec, *found, _changes(spec, text))


def _graph(spec: Reproduction, text: Source, problems: Problems) -> tuple[Graph, str] | None:
    """The graph with the file's changes, and as it is asked for; None where that is wrong, which is noted."""
    beside = text.files[-1].parent / spec.graph
    asked = os.path.relpath(beside) if os.path.isfile(beside) else spec.graph
    if asked == spec.graph and not (packaged_file(spec.graph).is_file() or os.path.isfile(asked)):
        missing = Problems()
        find(spec.graph, missing)
        for problem in missing:
            problems.add(problem.message, text.at(("graph",)), problem.hint, kind="unknown")
        return None
    for i, change in enumerate(spec.set):
        key = change.partition("=")[0].strip()
        if "=" not in change or not key:
            at = text.at(("set", i))
            problems.add("a change is written KEY=VALUE", at, "as in nodes.queue.size=65536")
        elif key == "train.seed":
            problems.add("the seed is not a change of the graph", text.at(("set", i)), "seeds: says it")
        elif asks_of_figures(spec, key):
            at = text.at(("set", i))
            problems.add(f"'{key}' is an option of a figure", at, "figures: {NAME: {options: {...}}} says it")
    if problems.errors:
        return None
    try:
        return load(asked, spec.set), asked
    except GraphError as error:
        places = _changes(spec, text)
        problems.merge(_at_home(problem, places) for problem in error.problems)
    return None


def _changes(spec: Reproduction, text: Source) -> dict[str, Span]:
    """Where each of the file's changes stands, and what its figures ask of the graph."""
    asked = {asking(metric.partition("/")[0], f.options): ("figures", metric) for metric, f in spec.figures.items()}
    places: dict[str, yaml.Path] = {**asked, **{change: ("set", i) for i, change in enumerate(spec.set)}}
    return {change: text.at(path) for change, path in places.items()}


def asks_of_figures(spec: Reproduction, key: str) -> bool:
    """Whether a change of the graph is one of an evaluation that a figure is of, whose options the figure says."""
    first, _, rest = key.partition(".")
    return first == "evaluate" and rest.partition(".")[0] in {metric.partition("/")[0] for metric in spec.figures}


def asking(evaluation: str, options: Mapping[str, object]) -> str:
    """The change of a graph that asks for an evaluation."""
    return f"evaluate.{evaluation}={json.dumps(options)}"


def _at_home(problem: Problem, places: Mapping[str, Span]) -> Problem:
    span = problem.span
    if span is None or span.file != SET or span.text not in places:
        return problem
    return replace(problem, span=places[span.text])


def _check_figures(spec: Reproduction, text: Source, problems: Problems, *, known: bool) -> None:
    """Notes evaluations that are not there, and options that they do not take. known: whether the graph's own are."""
    options: dict[str, dict[str, object]] = {}
    for metric, figure in spec.figures.items():
        name, path = metric.partition("/")[0], ("figures", metric)
        if name not in REGISTRY:
            if known:
                problems.unknown_name("evaluation", name, text.at(path, key=True), REGISTRY)
            continue
        kind = find_evaluation(name)
        if not kind.gives(metric):
            given = [f"{name}/{part}" if part else name for part in kind.parts or () if re.fullmatch(r"\w*", part)]
            problems.unknown_name("figure", metric, text.at(path, key=True), given)
        _, wrong = validate(kind.Config, figure.options)
        for one in wrong:
            at = text.at((*path, "options", *one.path), key=one.kind == "unknown")
            problems.add(one.message, at, one.hint, kind=one.kind)
        if options.setdefault(name, figure.options) != figure.options:
            at = text.at((*path, "options"))
            problems.add(f"figures of one evaluation have the same options, and those of '{name}' differ", at)
        if figure.epoch == "best" and not measured_in_runs(name):
            at = text.at((*path, "epoch"))
            hint = f"those that are: {', '.join(filter(measured_in_runs, REGISTRY))}"
            problems.add(f"'{name}' is not measured while a run trains, so there is no best epoch", at, hint)

"""What evaluations need of the data and do not find there: known before a network is trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..data.counted import Counts, counted
from ..errors import Problem, Problems, Severity
from ..graph.graph import Graph
from ..graph.language.packaged import is_packaged
from ..graph.spec import Data
from ..graph.spec.evaluate import evaluations_asked
from .features import features_of
from .shapes import Shapes

__all__ = [
    "Known", "Lack", "Told", "known_of", "lacks_of", "no_judgement", "note_lacks", "note_refusals", "problem_of",
    "told_of",
]  # fmt: skip


@dataclass(frozen=True)
class Known:
    """What is known before there are features. counts: of the pictures, None where nobody has looked. data: the section
    that the network is trained by. views: whether the graph has a node that makes views. ordered: whether the layers of
    what is judged have an order that is known."""

    data: Data
    views: bool
    counts: Counts | None = None
    ordered: bool | None = None

    def names(self, labels: Iterable[int]) -> str:
        """Classes in words: `'a', 'b' and 7 more`."""
        known = self.counts.classes if self.counts is not None else ()
        each = [f"'{known[label]}'" if label < len(known) else str(label) for label in labels]
        return f"{', '.join(each[:3])} and {len(each) - 3} more" if len(each) > 4 else ", ".join(each)


class Lack(NamedTuple):
    """Something that an evaluation needs and that is not there.

    message: what. option: of its own that asks for it. stops: whether there is no evaluation
    then, and so no run begins; else it is said, such as of a number that is left out. labels: there are none, of which
    a run says that it goes on without what needs them. hint: what would be right.
    """

    message: str
    option: str | None = None
    stops: bool = True
    labels: bool = False
    hint: str | None = None

    @property
    def prevents(self) -> bool:
        """Whether there is no such evaluation."""
        return self.stops or self.labels


def known_of(graph: Graph, counts: Counts | None, ordered: bool | None = None) -> Known:
    """Of a graph and its data."""
    views = any("view" in node.component.traits for node in graph.nodes.values())
    return Known(graph.spec.data, views, counts, ordered)


def lacks_of(evaluations: Mapping[str, Any], known: Known) -> dict[str, list[Lack]]:
    """What each lacks, of those that lack something."""
    found = {name: list(_lacks(kind, known)) for name, kind in evaluations.items()}
    return {name: lacks for name, lacks in found.items() if lacks}


def _lacks(kind: Any, known: Known) -> Iterator[Lack]:
    counts = known.counts
    if kind.needs_labels and counts is not None:
        if reason := no_judgement(counts):
            yield Lack(reason, stops=False, labels=True)
            return
        if kind.quantity == "accuracy":
            yield from _of_classes(counts, known)
    yield from kind.lacks(known)


def _of_classes(counts: Counts, known: Known) -> Iterator[Lack]:
    """Held-out classes that nothing can be learnt of."""
    if counts.learning is None or counts.judging is None:
        return
    strange = [label for label, n in enumerate(counts.judging) if n and not counts.learning[label]]
    if strange:
        n = sum(counts.judging[label] for label in strange)
        pictures = "one held-out picture is" if n == 1 else f"{n:,} held-out pictures are"
        what = f"the class {known.names(strange)}" if len(strange) == 1 else f"the classes {known.names(strange)}"
        yield Lack(f"{pictures} of {what}, of which there is none to learn from: they count as wrong", stops=False)


def no_judgement(data: Any) -> str | None:
    """Why features cannot be judged on a data set, by its `Counts`, or as it is open."""
    if not data.classes:
        return f"the data set has no labels; {data.labels}"
    if len(data.classes) == 1:
        return f"the data set has one class, '{data.classes[0]}', and so nothing to tell apart"
    if not data.held_out:
        return "the data set has no held-out pictures"
    if not data.judged:
        return f"no held-out picture has a label{'' if data.labelled else ' but one of a class'}"
    return None


class Told(NamedTuple):
    """What one evaluation lacks, or several alike. called: they, with the option that asks for it. all: are."""

    lack: Lack
    names: list[str]
    all: bool

    @property
    def called(self) -> str:
        return ", ".join(self.names if self.lack.option is None else [f"{n}.{self.lack.option}" for n in self.names])

    @property
    def line(self) -> str:
        """In words, but for the hint."""
        if self.lack.labels:
            return f"{'evaluation' if self.all else self.called} is left out: {self.lack.message}"
        return f"{self.called}: {self.lack.message}"

    @property
    def whole(self) -> str:
        return self.line if self.lack.hint is None else f"{self.line} ({self.lack.hint})"


def told_of(evaluations: Mapping[str, Any], known: Known) -> list[Told]:
    """What they lack, each once."""
    alike = dict[tuple[Lack, str | None], list[str]]()
    for name, lacks in lacks_of(evaluations, known).items():
        for lack in lacks:
            alike.setdefault((lack, None if lack.option is None else name), []).append(name)
    return [Told(lack, names, len(names) == len(evaluations)) for (lack, _), names in alike.items()]


def note_lacks(graph: Graph, found: Problems) -> None:
    """Notes what the evaluations of a graph lack, at their places, as far as it is known before the data are opened.

    What stops nothing is a warning of what the user's own file asks for. Of data with which something is wrong already
    nothing more is said.
    """
    evaluations = dict(evaluations_asked(graph.spec.evaluate))
    if not evaluations:
        return
    wrong = any(p.about == "data" and p.severity == "error" for p in found)
    for told in told_of(evaluations, known_of(graph, None if wrong else counted(graph.spec.data))):
        problem = problem_of(graph, told)
        named = ("evaluate", told.names[0]) in graph.source.places
        if told.lack.stops or (named and problem.span and not is_packaged(problem.span.file)):
            found.merge([problem])


def note_refusals(graph: Graph, shapes: Shapes, found: Problems) -> None:
    """Notes networks that cannot be judged as the graph asks, at the evaluation's place."""
    judged = graph.spec.evaluate.named or tuple(filter(None, (features_of(graph, shapes),)))
    for evaluation, kind in evaluations_asked(graph.spec.evaluate):
        for name in judged:
            network = shapes.modules.get(graph.original(name))
            for why in kind.refusals(network, shapes.data.channels):
                found.add(f"{evaluation}: '{name}': {why}", graph.source.at(("evaluate", evaluation), key=True))


def problem_of(graph: Graph, told: Told) -> Problem:
    """At its place in a graph that asks for it."""
    option = (told.lack.option,) if told.lack.option is not None else ()
    at = graph.source.at(("evaluate", told.names[0], *option), key=not option)
    severity: Severity = "error" if told.lack.stops else "warning"
    return Problem(told.line, at, told.lack.hint, severity=severity, kind="missing", about=told.names[0])

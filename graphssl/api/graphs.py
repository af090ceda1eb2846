"""Graphs: read, checked, compiled, drawn; and the pictures that one is about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..errors import UsageError
from ..runs.arguments import taking
from .telling import Progress

if TYPE_CHECKING:
    from ..checks.checked import Checked
    from ..data.survey import Survey
    from ..graph.difference import Difference
    from ..graph.graph import Graph
    from ..program.program import Program
    from ..runs.arguments import AnyGraph, Device, Sets

__all__ = ["check", "compile", "diff", "draw", "load", "survey"]


@taking
def load(graph: AnyGraph, sets: Sets = ()) -> Graph:
    """Reads a graph and wires it.

    sets: changes such as `nodes.queue.size=65536`. Raises GraphError with everything that is wrong.
    """
    from ..checks.checked import Checked
    from ..graph import read
    from ..graph.graph import Graph

    if not isinstance(graph, Graph | Checked):
        return read.load(graph, list(sets))
    if sets:
        raise UsageError("sets change a graph as it is read, and this one is: give them where it is loaded")
    return graph.graph if isinstance(graph, Checked) else graph


@taking
def check(graph: AnyGraph, sets: Sets = (), *, without_data: bool = False) -> Checked:
    """Everything that can be known without a look at the data: shapes, gradient, states, rules, where the data are.

    sets: changes of a graph that is read. without_data: also where the data set is not there, as on a machine that only
    looks at the graph. Raises GraphError with everything that is wrong.
    """
    from ..checks import checked
    from ..graph.graph import Graph

    if without_data:
        return checked.validated(load(graph, sets))
    return checked.check(load(graph, sets) if isinstance(graph, Graph | checked.Checked) else graph, list(sets))


@taking
def compile(graph: AnyGraph, device: Device = "cpu", *, weights: bool = True, processes: int = 1) -> Program:
    """The step as a torch.fx module, `program.code()` in Python, on a device with the weights that it starts with.

    weights: whether nodes with `weights:` get those; False draws them as the others' are. processes: of those that
    train together, each on its rows of the batch. Raises GraphError for a graph that is wrong.
    """
    from ..checks.checked import Checked
    from ..runs import trained
    from ..train.device import choose_device

    where = "meta" if str(device) == "meta" else choose_device(str(device))
    known = graph if isinstance(graph, Checked) else load(graph)
    return trained.compile(known, where, weights=weights, processes=processes)


@taking
def diff(graph: AnyGraph, other: AnyGraph, sets: Sets = ()) -> Difference:
    """In what two graphs differ, part by part; each may also be a run. `draw` makes a picture of it.

    sets: changes of both. Raises GraphError for a graph that is wrong.
    """
    from ..checks.checked import Checked
    from ..graph.difference import difference_of
    from ..graph.graph import Graph
    from ..runs.sides import graph_of

    if sets and any(isinstance(one, Graph | Checked) for one in (graph, other)):
        raise UsageError("sets change a graph as it is read, and one of these is: give them where it is loaded")

    def side(one: AnyGraph) -> Graph:
        found = one.graph if isinstance(one, Checked) else one
        return found if isinstance(found, Graph) else graph_of(cast("Any", found), list(sets))

    return difference_of(side(graph), side(other))


@taking
def draw(graph: AnyGraph | Difference, form: str | Path = "svg") -> bytes:
    """The picture of a graph; or of what `diff` gives, two graphs laid over each other. The same gives the same bytes.

    form: svg, png, html (a page that zooms) or mmd (mermaid's text), or the name of a file that ends so. Raises
    UsageError for another, and GraphError for a graph that is wrong.
    """
    from .. import report
    from ..checks.checked import Checked
    from ..graph.difference import Difference, unseen

    kind = report.kind_of(str(form))
    if isinstance(graph, Difference):
        was, now = (check(side, without_data=True) for side in (graph.first, graph.last))
        return report.draw_difference((was.graph, was.shapes), (now.graph, now.shapes), unseen(graph), kind)
    checked = graph if isinstance(graph, Checked) else check(graph, without_data=True)
    return report.draw(checked.graph, checked.shapes, kind)


@taking
def survey(source: AnyGraph, sets: Sets = (), *, most: int | None = None, progress: Progress | None = None) -> Survey:
    """What a set of pictures is like: sizes, channels, classes, unreadable ones, mean and std of the training split.

    source: a folder, a list of files, shards, a saved Hugging Face dataset; or a graph file, whose `data:` is meant,
    and sets, changes of it. most: pictures that are looked at, spread evenly; default: all. progress: of `embed_files`.
    Raises UsageError for what is none of these, RunError for a set that does not open.
    """
    from ..runs.surveyed import survey_of

    return survey_of(source, list(sets), most, progress)

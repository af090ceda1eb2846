"""The weights that the nodes of a graph ask for: looked at by `check`, read once at the start of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ...errors import Problems, RunError
from ...graph.graph import Graph
from ...graph.language.packaged import is_packaged
from ...graph.nodes import Node
from ...graph.spec.weights import Weights
from .fit import Fit, fit, grouped
from .places import Shape
from .refusal import Refused
from .sources import Stored, find_stored, pinned
from .usable import refuse_unusable

__all__ = ["Loading", "awaited", "look", "pin"]

Modules = Mapping[str, nn.Module]


@dataclass(frozen=True)
class Loading:
    """A node's weights: how they fit, and where they are."""

    fit: Fit
    stored: Stored

    def load(self, module: nn.Module) -> None:
        """Copies them into the node. Raises RunError where they cannot be read, or are others than at the check."""
        try:
            tables = self.stored.read()
            refuse_unusable(self.fit, module.state_dict(), tables[self.fit.place.table])
            self.fit.load(module, tables)
        except (Refused, KeyError, RuntimeError) as error:
            hint = f" ({error.hint})" if isinstance(error, Refused) and error.hint else ""
            raise RunError(f"the weights of '{self.fit.node}' cannot be loaded: {error}{hint}") from error


def look(graph: Graph, modules: Modules, found: Problems, *, partly: bool = False) -> dict[str, Loading]:
    """How the weights that nodes ask for fit them, by their names and shapes; notes what does not.

    modules: the nodes, on any device. partly: some could not be built, of which it is looked whether the file is one.
    """
    loadings = {}
    for node, weights in _asking(graph):
        try:
            stored = find_stored(weights, node.name, _folder(graph, node))
            if partly and node.name not in modules:
                stored.look()
                continue
            shapes = _shapes(modules[node.name]) if node.name in modules else {}
            if not shapes:
                raise Refused(f"it is {node.component.name}, and has none")
            tables = stored.look()
            fits = fit(node.name, shapes, tables, weights)
        except Refused as refused:
            if not (refused.absent and _left_open(graph, node)):
                _note(graph, node, refused, found)
        else:
            loadings[node.name] = Loading(fits, stored)
            _note_misfit(graph, node, loadings[node.name], found)
            try:
                if stored.path is not None:  # else they are to be fetched, and only their shapes are known
                    refuse_unusable(fits, modules[node.name].state_dict(), tables[fits.place.table])
            except Refused as refused:
                _note(graph, node, refused, found)
    return loadings


def awaited(graph: Graph, loadings: Mapping[str, Loading]) -> Problems:
    """What nodes ask for and nobody has given yet.

    It stands in a graph that comes with graphssl, which says what has to be given as it says where data have to lie:
    such a graph can be checked and drawn without, and not run.
    """
    found = Problems()
    for node, weights in _asking(graph):
        if node.name not in loadings:
            try:
                find_stored(weights, node.name, _folder(graph, node))
            except Refused as refused:
                given = f"--set nodes.{node.name}.weights=..., a file or {{run: NAME, node: NODE}} (docs/weights.md)"
                hint = f"give what it starts with: {given}" + (f"; {refused.hint}" if refused.hint else "")
                _note(graph, node, Refused(refused.message, hint, refused.key), found)
    return found


def pin(graph: Graph, loadings: Mapping[str, Loading]) -> Graph:
    """The graph with its weights by their full paths and their digests: which they are, wherever they are read.

    Raises GraphError where some are still awaited.
    """
    awaited(graph, loadings).stop()
    known = {
        node.name: pinned(weights, loadings[node.name].stored, node.name, _folder(graph, node))
        for node, weights in _asking(graph)
    }
    return graph.with_weights(known)


def _asking(graph: Graph) -> Iterator[tuple[Node, Weights]]:
    for node in graph.nodes.values():
        if (weights := node.common_keys.start) is not None:
            yield node, weights


def _left_open(graph: Graph, node: Node) -> bool:
    """Whether what a node starts with is named by a graph that comes with graphssl."""
    return is_packaged(graph.source.at(("nodes", node.name, "weights")).file)


def _folder(graph: Graph, node: Node) -> Path:
    """Of the file that says it."""
    return Path(graph.source.at(("nodes", node.name, "weights")).file).parent


def _shapes(module: nn.Module) -> dict[str, Shape]:
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def _note(graph: Graph, node: Node, refused: Refused, found: Problems) -> None:
    path = ["nodes", node.name, "weights"]
    if refused.key is not None and isinstance(node.common_keys.weights, Weights):
        path.append(refused.key)
    found.add(f"weights of '{node.name}': {refused.message}", graph.source.at(path), refused.hint, about=node.name)


def _note_misfit(graph: Graph, node: Node, loading: Loading, found: Problems) -> None:
    """Notes what is missing, unexpected and refused, each once."""
    at, fits, said = graph.source.at(("nodes", node.name, "weights")), loading.fit, loading.stored.said
    where = f"weights of '{node.name}': {said}, {fits.place}"
    if fits.missing:
        hint = f"missing: [{_pattern(fits.missing)}] keeps what they start with; strict: false allows whatever differs"
        found.add(f"{where}, has no {grouped(fits.missing)}", at, hint, about=node.name)
    if fits.unexpected:
        hint = f"ignore: [{_pattern(fits.unexpected)}] leaves them out; strict: false allows whatever differs"
        found.add(f"{where}, has {grouped(fits.unexpected)}, which the node has not", at, hint, about=node.name)
    if fits.refused:
        hint = f"missing: [{_pattern(list(fits.refused))}] keeps what they start with"
        if all("pos_embed" in name and have[::2] == there[::2] for name, (have, there) in fits.refused.items()):
            hint = f"interpolate: true makes position embeddings of the other grid's; {hint}"
        found.add(f"{where}: {_shapes_text(fits.refused)}", at, hint, about=node.name)


def _shapes_text(refused: Mapping[str, tuple[Shape, Shape]]) -> str:
    """What is of another shape, the first few with both."""
    first = dict(list(refused.items())[:2])
    texts = [f"{name} is {_text(there)}, the node's {_text(have)}" for name, (have, there) in first.items()]
    rest = [name for name in refused if name not in first]
    return "; ".join([*texts, *([f"of other shapes too are {grouped(rest)}"] if rest else [])])


def _pattern(names: Sequence[str]) -> str:
    """Patterns for names: themselves, or what many of them begin with."""
    words = list(dict.fromkeys(name.split(".")[0] for name in names))
    return ", ".join(names if len(names) <= 2 else [f"{word}*" for word in words])


def _text(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "one number"

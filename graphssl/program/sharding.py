"""Which weights `train.shard: full` parts among the processes: those of nodes that are only ever called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from torch import nn

from ..checks.chance import named_parts
from ..checks.shapes import Shapes
from ..graph.graph import Graph

__all__ = ["held_whole", "in_parts", "parted"]

Within = Mapping[str, Collection[str]]


def parted(graph: Graph, nodes: Mapping[str, nn.Module], within: Within) -> dict[str, list[nn.Module]]:
    """By node, the modules whose weights come and go together, inner ones first.

    A module in a Sequential that has modules of its own, as the blocks of a ResNet or a vision transformer, is here by
    itself; what a node has beside these comes and goes with the node. A moving average is parted as what it follows.
    within: as of `Shapes`; a block is by itself where what it has is called in its own call only.
    """
    whole, found = held_whole(graph, nodes), {}
    names = {module: name for name, module in named_parts(nodes)}

    def is_called(block: nn.Module) -> bool:
        parts = [names[part] for part in block.modules() if names[part] in within]
        return names[block] in parts and all(names[block] in within[part] for part in parts)

    for name, node in nodes.items():
        if name not in whole and any(p.ndim for p in node.parameters()):
            roots = list(node.children()) if _follows(graph, name) else [node]
            modules = [module for root in roots for module in (*filter(is_called, _blocks_alone(root)), root)]
            found[name] = [module for module in modules if _has_weights(module)]
    return found


def held_whole(graph: Graph, nodes: Mapping[str, nn.Module]) -> dict[str, str]:
    """The nodes with weights that every process keeps whole, and why: somebody reads these beside the call."""
    owners = Counter(id(p) for node in nodes.values() for p in node.parameters())
    updated = {call.node for call in graph.update_calls()}
    found = {}
    for name, node in nodes.items():
        weights = list(node.parameters())
        if not weights:
            continue
        readers = [other for other, by in graph.nodes.items() if name in by.refs() and not _follows(graph, other)]
        if name in updated and not _follows(graph, name):
            found[name] = "its updates may write its weights"
        elif hasattr(graph.nodes[name].component.cls, "bound"):
            found[name] = "its bound may read its weights"
        elif readers:
            found[name] = f"'{readers[0]}' may read its weights"
        elif any(owners[id(p)] > 1 for p in weights):
            found[name] = "it shares weights with another node"
    for name in nodes:
        if _follows(graph, name) and (kept := [ref for ref in graph.nodes[name].refs() if ref in found]):
            found[name] = f"it follows '{kept[0]}'"
    return found


def in_parts(graph: Graph, shapes: Shapes) -> dict[str, list[tuple[nn.Module, list[nn.Parameter]]]]:
    """The modules of `parted`, each with the weights that come and go with it and not with one before it."""
    seen: set[int] = set()
    found: dict[str, list[tuple[nn.Module, list[nn.Parameter]]]] = {}
    for name, modules in parted(graph, shapes.modules, shapes.within).items():
        for module in modules:
            own = [p for p in module.parameters() if p.ndim and id(p) not in seen]
            seen |= {id(p) for p in own}
            found.setdefault(name, []).append((module, own))
    return found


def _follows(graph: Graph, name: str) -> bool:
    return "average" in graph.nodes[name].component.traits


def _has_weights(module: nn.Module) -> bool:
    return any(p.ndim for p in module.parameters())


def _blocks_alone(root: nn.Module) -> list[nn.Module]:
    """Its blocks, but for those that share weights with what is beside them: such weights come and go with the root."""
    uses = Counter(id(p) for _, p in root.named_parameters(remove_duplicate=False))
    by_block = [
        (block, Counter(id(p) for _, p in block.named_parameters(remove_duplicate=False))) for block in _blocks(root)
    ]
    return [block for block, own in by_block if all(uses[key] == count for key, count in own.items())]


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        inner = list(_blocks(child))
        if inner:
            yield from inner
        elif isinstance(module, nn.Sequential) and any(True for _ in child.children()) and _has_weights(child):
            yield child

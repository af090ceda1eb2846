"""What features are evaluated: those of a node, or of a value of the flow, on plain images instead of views."""

from __future__ import annotations

from ..graph.calls import Slot
from ..graph.graph import Graph
from .shapes import Shapes


def features_of(graph: Graph, shapes: Shapes) -> str | None:
    """What is evaluated: `evaluate.features`, or else the first node that takes the data's images and learns."""
    if named := graph.spec.evaluate.named:
        return named[0]
    views = {n.name for n in graph.nodes.values() if "view" in n.component.traits}
    trained = shapes.trainable()
    return next((n for n in graph.nodes if n in trained - views and image_size(graph, shapes, n) is not None), None)


def probed(graph: Graph, shapes: Shapes) -> Slot | None:
    """What an online probe learns from, where the graph asks for one."""
    return learnt_from(graph, shapes) if "probe" in graph.spec.evaluate.asked else None


def learnt_from(graph: Graph, shapes: Shapes) -> Slot | None:
    """What a step computes of what is evaluated, of its first view: what an online probe learns from. None where a step
    has nothing of it, as of the copy in a moving average."""
    name = features_of(graph, shapes) or ""
    if name in graph.values:
        return graph.values[name].slots[0]
    call = next((c for c in graph.step_calls() if c.node == name and c.method == "forward" and not c.grid), None)
    outputs = () if call is None else call.outputs
    found = [s for s in outputs if s.kind == "tensor" and len(shapes.slots[s.id][0]) in (2, 4)]
    found.sort(key=lambda slot: (slot.output != "vector", len(shapes.slots[slot.id][0])))  # as `pooled` chooses
    return found[0] if found else None


def image_size(graph: Graph, shapes: Shapes, name: str) -> tuple[int, int] | None:
    """Height and width in pixels of the images from which `name` gives features; None where it cannot.

    A node takes images itself, and so does its copy in a moving average. For a value, plain images stand for what the
    calls on `batch.image` give.
    """
    name = graph.original(name)
    if name in graph.nodes:
        called = [c for c in graph.calls if c.node == name and c.method == "forward"]
        return None if called and all(c.grid for c in called) else _taken(shapes, name)
    if feature_problem(graph, shapes, name) is not None:
        return None
    pixels = graph.batch["image"]
    first = next(c for c in graph.before(graph.values[name].slots[0]) if pixels in c.inputs())
    height, width = shapes.slots[first.outputs[0].id][0][2:]
    return height, width


def _taken(shapes: Shapes, node: str) -> tuple[int, int] | None:
    """Height and width of the images that a node takes, of as many channels as the data have."""
    size = shapes.image_size(node)
    return size if size is not None and shapes.sizes[node]["c"] == shapes.data.channels else None


def feature_problem(graph: Graph, shapes: Shapes, name: str) -> str | None:
    """Why a node or a value gives no features of images; None where it does."""
    if (node := graph.nodes.get(graph.original(name))) is not None:
        if "view" in node.component.traits:
            return f"'{name}' makes images, and no features of them"
        if image_size(graph, shapes, name) is not None:
            return None
        if not any(c.node == node.name and c.section != "update" for c in graph.calls):
            return f"'{node.name}' is never called, and so nothing says what it takes"
        if _taken(shapes, node.name) is not None:
            return f"'{name}' is given the positions of a grid, and no whole images: name a value that is made of them"
        return f"'{name}' takes no whole images of {shapes.data.channels} channels"
    value = graph.values[name]
    if value.parts is not None:
        parts = ", ".join(f"{name}.{part}" for part in value.parts)
        return f"'{name}' has several parts, {parts}: give one of them a line of its own"
    slot = value.slots[0]
    if slot.kind != "tensor" or len(shapes.slots[slot.id][0]) not in (2, 4):
        return f"'{name}' is no vector (b d) and no map (b c r k)"
    made_of = {s.node for c in graph.before(slot) for s in c.inputs() if s.node.startswith("batch.")}
    if made_of != {"batch.image"}:
        return f"'{name}' is made of {' and '.join(sorted(made_of)) or 'no field of the batch'}, not of images alone"
    return _stand_in_problem(graph, shapes, name)


def _stand_in_problem(graph: Graph, shapes: Shapes, name: str) -> str | None:
    """Why plain images cannot stand for what is made of `batch.image`; None where they can."""
    pixels, slot = graph.batch["image"], graph.values[name].slots[0]
    for call in graph.before(slot):
        if pixels not in call.inputs():
            if call.node in graph.nodes and graph.nodes[call.node].forward.needs_draws:
                return (
                    f"'{call.node}' draws anew each time, and needs its draws: what is evaluated is no matter of chance"
                )
            continue
        made = [shapes.slots[s.id][0] for s in call.outputs]
        if call.node in shapes.trainable() or any(len(m) != 4 or m[1] != shapes.data.channels for m in made):
            return (
                f"'{call.node}' makes no images of batch.image, for which plain ones could stand: name the node itself"
            )
        if slot in call.outputs:
            return f"'{name}' are images, and no features of them"
    return None

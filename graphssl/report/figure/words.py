"""The small print of a picture: configs, sizes and numbers of parameters in a few characters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from ...checks.axes import Shape
from ...checks.shapes import Shapes
from ...component import NodeConfig
from ...graph.calls import Slot
from ...graph.nodes import Node
from ...schedule import Schedule
from .figure import Letter

LONGEST = 14  # characters of one value
ENTRIES = 4  # config entries in a box
LINE = 15  # characters of a line, where it can be helped


def config_lines(node: Node) -> list[str]:
    """What a node's config changes from the defaults, as short lines: `depth 10, width 16`."""
    entries = [f"{key.replace('_', ' ')} {text}" for key, text in _told(node.config, node.component.refs)]
    return _filled(entries[:ENTRIES])


def _told(config: NodeConfig, refs: Sequence[str]) -> Iterator[tuple[str, str]]:
    for key, field in type(config).model_fields.items():
        value = getattr(config, key)
        if key in refs or (not field.is_required() and value == field.get_default(call_default_factory=True)):
            continue
        text = short(value)
        if text and len(text) <= LONGEST:
            yield field.alias or key, text


def short(value: Any) -> str:
    """A config value in a few characters; empty for one that cannot be said shortly."""
    if isinstance(value, Schedule):
        return f"{short(value.start)} → {short(value.end)}" if value.shape != "constant" else short(value.start)
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(short(v) for v in value)
    use = value.get("use") if isinstance(value, Mapping) else getattr(value, "use", None)
    return use if isinstance(use, str) else ""


def _filled(entries: Iterable[str]) -> list[str]:
    lines: list[str] = []
    for entry in entries:
        if lines and len(lines[-1]) + len(entry) + 2 <= LINE:
            lines[-1] += f", {entry}"
        else:
            lines.append(entry)
    return lines


def count_text(number: int) -> str:
    """`0.70 M`, `12 k`, `321`."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.1 * size and number >= 1e3:
            amount = number / size
            return f"{amount:.{0 if amount >= 10 else 1 if amount >= 1 else 2}f} {unit}"
    return str(number)


def parameters_line(module: nn.Module | None) -> list[str]:
    """`0.70 M params`; nothing for a node that has none."""
    number = sum(p.numel() for p in module.parameters()) if module is not None else 0
    return [f"{count_text(number)} params"] if number else []


def letters(slots: Sequence[Slot], shapes: Shapes) -> tuple[tuple[Letter, ...], ...]:
    """Letters and sizes of the tensors of a family of slots; sizes in which the views differ stand as `32/16`."""
    found = [[_pairs(a, s) for a, s in zip(x.axes, shapes.slots.get(x.id, ()), strict=False)] for x in slots]
    return tuple(_joined(tensors) for tensors in zip(*found, strict=False))


def _pairs(axes: Sequence[str], shape: Shape) -> list[Letter]:
    """Each letter with its size; `...` takes what is left, if anything is, and a fixed size has no letter."""
    sizes = [str(size) for size in shape]
    if "..." in axes:
        at = axes.index("...")
        end = len(shape) - (len(axes) - at - 1)
        sizes[at:end] = ["·".join(sizes[at:end])]
    return [("" if a.isdigit() else a, s) for a, s in zip(axes, sizes, strict=False) if s]


def _joined(tensors: Sequence[Sequence[Letter]]) -> tuple[Letter, ...]:
    columns = zip(*tensors, strict=False)
    return tuple((column[0][0], "/".join(dict.fromkeys(size for _, size in column))) for column in columns)

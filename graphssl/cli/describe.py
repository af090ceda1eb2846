"""What `graphssl check`, `graphssl components` and `graphssl compare` print."""

from __future__ import annotations

import inspect
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from pydantic_core import PydanticUndefined

from ..checks.checked import Checked
from ..component import Component, discover, find
from ..graph.calls import Slot, Value
from ..ports import Signature
from ..program.cost import Cost, predict
from ..track import Comparison
from ..train.precision import DTYPES, resolve

WIDEST = 48  # characters of a value in a table


def describe(checked: Checked) -> str:
    """A checked graph: nodes with their parameters, values with their axes and sizes, totals."""
    graph, shapes = checked.graph, checked.shapes
    nodes = [["node", "component", "parameters", "MFLOP per image"]]
    for name, node in graph.nodes.items():
        module = shapes.modules[name]
        own = sum(p.numel() for p in module.parameters())
        state = sum(b.numel() for b in module.buffers())
        held = f"{own:,}" if own else (f"{state:,} (state)" if state else "-")
        flops = shapes.flops.get(name, 0) / shapes.batch / 1e6
        nodes.append([name, node.component.name, held, f"{flops:.2f}" if flops else "-"])
    values = [["value", "kind", "axes"]]
    values += [[name, value.describe(), _shape(checked, value)] for name, value in graph.values.items()]
    return "\n\n".join([f"{graph.name}: valid", _table(nodes), _table(values), _totals(checked)])


def _shape(checked: Checked, value: Value) -> str:
    if value.parts is not None:
        return "; ".join(f".{name}: {_shape(checked, part)}" for name, part in value.parts.items())
    seen = dict.fromkeys(_slot_shape(checked, slot) for slot in value.slots)
    return ", ".join(seen)


def _slot_shape(checked: Checked, slot: Slot) -> str:
    """`b d = 256 128`, for each tensor of the slot."""
    shapes = checked.shapes.slots.get(slot.id, ())
    words = [
        f"{' '.join(axes)} = {' '.join(map(str, shape))}"
        for axes, shape in zip(slot.axes, shapes, strict=False)
        if axes
    ]
    return "; ".join(words) or "one number"


def _totals(checked: Checked) -> str:
    """Trainable parameters, and what a step costs where it would run here: on a GPU if there is one."""
    train = checked.graph.spec.train
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision: Any = resolve("auto", device).name if train.precision == "auto" else train.precision
    trained = sum(p.numel() for m in checked.shapes.modules.values() for p in m.parameters() if p.requires_grad)
    cost = predict(checked.graph, checked.shapes, device, DTYPES[precision])
    auto = " (batch: auto, for which `graphssl run` takes the most that fits)" if checked.graph.asks_for_batch else ""
    return (
        f"{trained:,} trainable parameters; {memory_text(cost, precision)}{auto}; "
        f"{cost.flops / cost.batch / 1e9:.3g} GFLOP per image and step"
    )


def memory_text(cost: Cost, precision: str) -> str:
    """`about 5.3 GiB at batch 256 in fp32 (activations 4.9, weights and gradients 0.2, optimizer 0.1, states 0.1)`."""
    unit, size = ("GiB", 2**30) if cost.memory >= 2**30 else ("MiB", 2**20)
    parts = {
        "activations": cost.activations, "weights and gradients": cost.weights + cost.gradients,
        "optimizer": cost.optimizer, "states": cost.states,
    }  # fmt: skip
    words = ", ".join(f"{name} {_short(part / size)}" for name, part in parts.items())
    return f"about {cost.memory / size:,.1f} {unit} at batch {cost.batch:,} in {precision} ({words})"


def _short(number: float) -> str:
    return f"{number:,.1f}" if number >= 1 else f"{number:.1g}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def components_text() -> str:
    """All components by kind, a line each."""
    kinds: dict[str, list[Component]] = defaultdict(list)
    for entry in discover().values():
        kinds[entry.name.split(".")[0]].append(entry)
    blocks = []
    for kind in sorted(kinds):
        rows = [[f"  {c.name}", c.summary] for c in sorted(kinds[kind], key=lambda c: c.name)]
        blocks.append(f"{kind}\n{_table(rows)}")
    return "\n\n".join([*blocks, "`graphssl components NAME` shows ports, config and source."])


def component_text(name: str) -> str:
    """A component: what it is, its ports, config, updates and origin. Raises LookupError with a suggestion."""
    kind = [c for key, c in discover().items() if key.startswith(f"{name}.")]
    if kind:
        return "\n\n\n".join(component_text(c.name) for c in kind)
    entry = find(name)
    blocks = [
        entry.name,
        inspect.getdoc(entry.cls) or "",
        "config\n" + _config(entry),
        "call\n" + _ports(entry.forward),
    ]
    for method, signature in entry.updates.items():
        doc = inspect.getdoc(getattr(entry.cls, method)) or ""
        blocks.append(f"update: NODE: {method}({', '.join(p.name for p in signature.inputs)})\n{_ports(signature)}" + (
            f"\n  {doc.splitlines()[0]}" if doc else ""
        ))  # fmt: skip
    if entry.detached:
        blocks.append("Its output never carries a gradient.")
    return "\n\n".join(b for b in [*blocks, f"source: {entry.origin}"] if b)


def comparison_text(comparison: Comparison) -> str:
    """Runs side by side: the parameters that differ, then the metrics, last and best."""
    names = [run.name for run in comparison.runs]
    params = [[key, *(_clipped(v) for v in row)] for key, row in comparison.params.items()]
    metrics = [
        [row.name, *(_last_and_best(last, best) for last, best in zip(row.last, row.best, strict=True))]
        for row in sorted(comparison.metrics, key=lambda row: row.name)
    ]
    blocks = [
        _table([["what differs", *names], *params]) if params else "The graphs are the same.",
        _table([["metric: last (best)", *names], *metrics]) if metrics else "No metrics were logged.",
    ]
    return "\n\n".join(blocks)


def _clipped(value: str | None) -> str:
    text = "-" if value is None else value
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _last_and_best(last: float | None, best: float | None) -> str:
    if last is None:
        return "-"
    return f"{last:.5g}" if best is None else f"{last:.5g} ({best:.5g})"


def _ports(signature: Signature) -> str:
    lines = [f"  {port.name}: {port}" for port in signature.inputs] or ["  takes nothing"]
    lines += [f"  -> {port.name + ': ' if port.name else ''}{port}" for port in signature.outputs]
    return "\n".join(lines)


def _config(entry: Component) -> str:
    rows = [
        [f"  {key}", takes, "required" if default is None else f"= {default}", meaning]
        for key, takes, default, meaning in config_rows(entry)
    ]
    return _table(rows) if rows else "  none"


def config_rows(entry: Component) -> Iterator[tuple[str, str, str | None, str]]:
    """Of each key of a component's config: its name, what it takes, its default (None if required), its meaning."""
    schema = entry.config.model_json_schema()
    for key, field in entry.config.model_fields.items():
        required = field.default is PydanticUndefined and field.default_factory is None
        default = None if required else _plain(field.get_default(call_default_factory=True))
        yield key, type_text(schema["properties"][key], schema), default, field.description or ""


def _plain(value: Any) -> str:
    """A value as one would write it in a graph file."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json", by_alias=True)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_plain(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_plain, value)) + "]"
    if isinstance(value, float):
        return str(float(f"{value:.6g}"))
    return str(value) if isinstance(value, str) and value else json.dumps(value)


def type_text(schema: dict[str, Any], top: dict[str, Any]) -> str:
    """A JSON schema in a few words: `number > 0, or schedule`."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        target = top["$defs"][name]
        return "schedule" if name.startswith("Schedule") else type_text(target, top)
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(dict.fromkeys(type_text(o, top) for o in options))
    if "enum" in schema or "const" in schema:
        return " | ".join(map(str, schema.get("enum", [schema.get("const")])))
    if schema.get("type") == "array":
        return f"list of {type_text(schema.get('items', {}), top)}"
    if "properties" in schema:
        return "{" + ", ".join(_key(key, value) for key, value in schema["properties"].items()) + "}"
    return str(schema.get("type", "any")) + " and".join(_bounds(schema))


def _key(name: str, schema: dict[str, Any]) -> str:
    """A key of a mapping; with its value where it can have no other, as in `{use: group, groups}`."""
    return f"{name}: {schema['const']}" if "const" in schema else name


def _bounds(schema: dict[str, Any]) -> Iterable[str]:
    words = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    return [f" {sign} {schema[key]:g}" for key, sign in words.items() if key in schema]

"""The free grid of mask, reader, target and objective on tokens: every cell as a graph, and why some are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..api import check
from ..checks.checked import Checked
from ..component import Component, discover
from ..errors import GraphError, Problem
from ..graph.language.source import Source
from ..graph.read import read
from .grid_table import grid_table

__all__ = ["READERS", "checked_masks", "mask_columns", "masks", "masks_text", "refused_masks"]

TOKEN = 16  # numbers of a token
COPY, CODES = "target.ema", "target.ema, prototypes"
# How a prediction comes from the masked picture: its lines, and whether it is of hidden patches alone.
READERS = {
    "kept, head.decoder": ("encoder(x[0], m.kept)", "decoder(h.tokens, m.kept, m.hidden, m.valid)", True),
    "kept, head.mlp": ("encoder(x[0], m.kept)", "head(h.tokens)", True),
    "mask token, head.mlp": ("encoder(x[0], mask=m.mask)", "head(h.tokens)", False),
}


def masks() -> list[str]:
    """The components that part patches into kept and hidden ones."""
    return [c.name for c in discover().values() if "masks" in c.traits]


def mask_columns() -> list[tuple[str, str]]:
    """Each target of hidden patches with each objective on two tensors with positions; codes are told as shares."""
    targets = [*(c.name for c in discover().values() if _tells_patches(c)), COPY, CODES]
    pairs = [c for c in discover().values() if c.name.startswith("objective.") and _takes_positions(c)]
    return [(t, c.name) for t in targets for c in pairs if (t == CODES) == (c.forward.inputs[0].axes[0][-1] == "p")]


def masks_text() -> str:
    """The grid as a table, a row for each mask and reader, a column for each target and objective, then the reasons."""
    rows = [((mask, reader), refused_masks(mask, reader)) for mask in masks() for reader in READERS]
    return grid_table(rows, mask_columns(), " with ".join)


def _tells_patches(component: Component) -> bool:
    takes, gives = component.forward.inputs, component.forward.outputs
    tells = [p.name for p in takes] == ["image"] and gives[0].axes == (("b", "t", "e"),)
    return component.name.startswith("target.") and tells


def _takes_positions(component: Component) -> bool:
    needed = [p for p in component.forward.inputs if not p.optional]
    return len(needed) == 2 and all(p.kind == "tensor" and "..." in p.axes[0] for p in needed)


def refused_masks(mask: str, reader: str) -> dict[tuple[str, str], Problem]:
    """The targets and objectives that this mask and reader do not go with, and why not."""
    refused = {}
    for target, objective in mask_columns():
        try:
            checked_masks(mask, reader, target, objective)
        except GraphError as error:
            refused[target, objective] = error.problems[0]
    return refused


def checked_masks(mask: str, reader: str, target: str, objective: str) -> Checked:
    """The graph of one cell."""
    return check(read(Source(_graph(mask, reader, target, objective), files=(Path("grid"),))))


def _graph(mask: str, reader: str, target: str, objective: str) -> dict[str, Any]:
    tokens, prediction, hidden_alone = READERS[reader]
    nodes, flow, told = _target(target)
    told = f"take({told}, m.hidden)" if hidden_alone else told
    if target == CODES:
        prediction, told = f"prototypes({prediction})", f"codes({told})"
    where = ", where=m.valid" if hidden_alone else ", where=m.mask"
    optional = {p.name for p in discover()[objective].forward.inputs if p.optional}
    width = {"target.hog": 108, "target.pixels": 48}.get(target, TOKEN)
    given = {
        "take": {"use": "context.take"},
        "decoder": {"use": "head.decoder", "of": "encoder", "dim": TOKEN, "depth": 1, "heads": 2, "out": width},
        "head": {"use": "head.mlp", "layers": 1, "out": width},
    }
    vit = {"use": "encoder.vit", "patch": 4, "dim": TOKEN, "depth": 1, "heads": 2, "init": "mae", "tokens": True}
    return {
        "graph": "cell",
        "data": {"use": "digits", "batch": 8, "size": 32},
        "nodes": {
            "augment": {"use": "augment.simclr", "views": 1, "jitter": 0.0, "grey": 0.0, "blur": 0.0},
            "encoder": vit if hidden_alone else {**vit, "mask_token": True},
            "mask": {"use": mask, "of": "encoder"},
            **{name: node for name, node in given.items() if f"{name}(" in f"{prediction} {told}"},
            "objective": {"use": objective},
            **nodes,
        },
        "flow": {"x": "augment(batch.image)", "m": "mask(x[0])", "h": tokens, **flow, "p": prediction, "y": told},
        "loss": {"term": f"objective(p, y{where if 'where' in optional else ''})"},
        "update": {name: "follow()" for name, node in nodes.items() if node["use"] == "target.ema"},
        "evaluate": {"features": "encoder", "knn": None},
    }


def _target(target: str) -> tuple[dict[str, dict[str, Any]], dict[str, str], str]:
    """Its nodes, its lines, and the value that tells each patch."""
    if target not in (COPY, CODES):
        return {"patches": {"use": target, "of": "encoder"}}, {}, "patches(x[0])"
    nodes: dict[str, dict[str, Any]] = {"target": {"use": "target.ema", "of": ["encoder"]}}
    if target == COPY:
        return nodes, {"t": "target(x[0])"}, "t.tokens"
    nodes |= {
        "prototypes": {"use": "head.prototypes", "count": 8},
        "slow": {"use": "target.ema", "of": ["prototypes"]},
        "codes": {"use": "target.sinkhorn"},
    }
    return nodes, {"t": "target(x[0])"}, "slow(t.tokens)"

"""Options that came when there were runs already: at their default they leave a graph's hash as it was.

A checkpoint knows its graph by the hash, and the graph of an older run does not name them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from .nodes import Node
from .spec import GraphFile

__all__ = ["without_later"]

SECTIONS: dict[str, tuple[str, ...]] = {
    "data": ("eval", "files", "labels", "held_out", "channels", "dtype", "mean", "std", "orientation")
}
PARTS = {("train", "schedule"): ("by", "over"), ("train", "optimizer"): ("decay", "rate")}  # of a section's
WHERE = ("shard",)  # of train: where weights lie, and not what is computed
DEFAULT_TRACK = GraphFile.model_fields["track"].default
PER_NODE = ("layer_decay",)  # of train.nodes
VIEWS = ("simclr", "byol", "moco_v1", "moco_v2", "npid", "cmc", "cpc", "amdim", "multicrop", "dino")
COMPONENTS: dict[str, tuple[str, ...]] = {
    **{f"augment.{recipe}": ("style", "boxes") for recipe in VIEWS},
    "augment.chain": ("boxes",),
    "augment.patches": ("pad",),
    "context.masked_conv": ("toward",),
    "context.offset": ("toward",),
    "encoder.resnet": ("stem_width",),
    "encoder.vit": ("drop_path", "init", "positions", "tokens", "layers", "registers", "mask_token"),
    "head.mlp": ("init", "last_bias"),
    "negatives.in_batch": ("positions",),
    "negatives.memory_bank": ("shard",),
    "target.nearest": ("count", "own"),
    "target.sinkhorn": ("rows_first",),
}


def without_later(resolved: Mapping[str, Any], spec: GraphFile, nodes: Mapping[str, Node]) -> dict[str, Any]:
    """A resolved graph without those of these options that are at their default, by the first names of components."""
    found = {key: value for key, value in resolved.items() if key != "track" or spec.track != DEFAULT_TRACK}
    for section, options in SECTIONS.items():
        found[section] = _left(found[section], getattr(spec, section), options)
    for (section, part), options in PARTS.items():
        found[section] = {**found[section], part: _left(found[section][part], _part(spec, section, part), options)}
    rates = found["train"]["nodes"]
    rates = {name: _left(entry, spec.train.nodes[name], PER_NODE) for name, entry in rates.items()}
    found["train"] = {key: value for key, value in found["train"].items() if key not in WHERE} | {"nodes": rates}
    found["nodes"] = dict(found["nodes"])
    for name, entry in found["nodes"].items():
        node = nodes[name]
        left = _left(entry, node.config, COMPONENTS.get(node.component.name, ()))
        found["nodes"][name] = {**left, "use": [*node.component.formerly, node.component.name][0]}
    return found


def _part(spec: GraphFile, section: str, part: str) -> BaseModel:
    found: BaseModel = getattr(getattr(spec, section), part)
    return found


def _left(entry: Mapping[str, Any], config: BaseModel, options: tuple[str, ...]) -> dict[str, Any]:
    default = set(_at_default(config, options))
    return {key: value for key, value in entry.items() if key not in default}


def _at_default(config: BaseModel, options: tuple[str, ...]) -> Iterator[str]:
    for option in options:
        if option not in type(config).model_fields:  # another optimizer's
            continue
        if getattr(config, option) == type(config).model_fields[option].get_default(call_default_factory=True):
            yield option

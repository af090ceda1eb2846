"""Where in a file a node's weights are: in which of its tables, behind which prefix, in whose names.

Released checkpoints hold whole methods: `module.encoder_q.layer1.0.conv1.weight` beside `module.encoder_k...`, or
`student` beside `teacher`. The place is the one at which most of the node's names are, in the same shapes. Of two
networks that are alike `network` says which; by default the one that the authors evaluate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...errors import suggest
from ...graph.spec.weights import Weights
from .files import Tables
from .refusal import Refused
from .spellings import Spelling, spellings

__all__ = ["HEADS", "Place", "Shape", "find_place", "format_of"]

Shape = tuple[int, ...]

# Words of tables and prefixes. The slow copy: MoCo, MoCo v3, DINO, BYOL, timm and DeiT, this library.
MOMENTUM = {
    "encoder_k", "momentum_encoder", "teacher", "target_encoder", "target_network", "momentum_backbone", "model_ema",
    "state_dict_ema", "ema", "target",
}  # fmt: skip
PREDICTORS = {"predictor", "prediction_head"}
PROTOTYPES = {"prototypes", "last_layer"}
PROJECTORS = {"fc", "head", "heads", "projector", "projection_head"}
HEADS = PREDICTORS | PROTOTYPES | PROJECTORS | {"classifier", "head_dist", "fc_norm"}

# By the words that a whole file has, whose it is; only to be said.
FORMATS = {
    "MoCo": {"encoder_q", "encoder_k"},
    "MoCo v3": {"base_encoder", "momentum_encoder"},
    "DINO": {"student", "teacher", "backbone"},
    "SwAV": {"layer4", "projection_head", "prototypes"},
    "Barlow Twins or VICReg": {"backbone", "projector"},
    "SimSiam": {"encoder", "fc", "predictor"},
}


@dataclass(frozen=True)
class Place:
    """names: of the node's own those that are there, to the file's. fits: how many of them have the same shape."""

    table: str
    prefix: str
    spelling: Spelling
    names: Mapping[str, str]
    fits: int

    @property
    def words(self) -> set[str]:
        return {*self.table.split("."), *self.prefix.split(".")}

    @property
    def network(self) -> str:
        return "momentum" if self.words & MOMENTUM else "online"

    @property
    def part(self) -> str:
        """Which part of a method it is; what is no head is its backbone."""
        for part, words in (("predictor", PREDICTORS), ("prototypes", PROTOTYPES), ("projector", PROJECTORS)):
            if self.words & words:
                return part
        return "backbone"

    @property
    def rank(self) -> tuple[int, int]:
        return self.fits, len(self.names)

    def __str__(self) -> str:
        where = f"{self.prefix}*" if self.prefix else "its names"
        return f"{where} of '{self.table}'" if self.table else where


def find_place(own: Mapping[str, Shape], tables: Tables, weights: Weights) -> Place:
    """Where the names of a node are; own: with their shapes.

    Raises Refused where none of them is there, and where several places are equally good.
    """
    places = list(_places(own, tables))
    found = [p for p in places if _asked(p, weights)]
    if not found:
        raise _nowhere(own, tables, weights, places)
    best = max(p.rank for p in found)
    alike = [p for p in found if p.rank == best]
    default = "momentum" if any("teacher" in p.words for p in alike) else "online"
    alike = [p for p in alike if p.network == (weights.network or default)] or alike
    alike = [p for p in alike if p.part == "backbone"] or alike
    first = alike[0]  # of several spellings of one place the node's own is first
    others = [p for p in alike[1:] if (p.table, p.names) != (first.table, first.names)]
    if others:
        several = ", ".join(map(str, dict.fromkeys(map(str, (first, *others)))))
        hint = "say which: prefix, or part: projector, predictor or prototypes"
        raise Refused(f"they may be any of {several}", hint)
    return first


def _asked(place: Place, weights: Weights) -> bool:
    """Whether a place is what the options ask for."""
    return (
        weights.prefix in (None, place.prefix, place.prefix.removesuffix("."))
        and weights.network in (None, place.network)
        and weights.part in (None, place.part)
    )


def _places(own: Mapping[str, Shape], tables: Tables) -> Iterator[Place]:
    """Every place at which one of the names is."""
    for table, tensors in tables.items():
        for spelling in spellings(own):
            for prefix in _prefixes(spelling.names, tensors):
                names = {
                    mine: f"{prefix}{name}" for name, mine in spelling.names.items() if f"{prefix}{name}" in tensors
                }
                fits = sum(tuple(tensors[theirs].shape) == own[mine] for mine, theirs in names.items())
                yield Place(table, prefix, spelling, names, fits)


def _prefixes(names: Mapping[str, str], theirs: Iterable[str]) -> Iterable[str]:
    """What stands before one of the names, in whole words."""
    found: dict[str, None] = {}
    for name in theirs:
        start = 0
        while start >= 0:
            if name[start:] in names:
                found[name[:start]] = None
            start = name.find(".", start) + 1 or -1
    return found


def _nowhere(own: Mapping[str, Shape], tables: Tables, weights: Weights, places: Sequence[Place]) -> Refused:
    """What to say where no place is what the options ask for."""
    names = [name for tensors in tables.values() for name in tensors]
    if weights.prefix is not None and not any(name.startswith(weights.prefix) for name in names):
        good = sorted({p.prefix for p in places if p.prefix and p.rank == max(q.rank for q in places)})
        close = suggest(weights.prefix, [*good, *_starts(names)], "they begin with")
        return Refused(f"none of its names begins with '{weights.prefix}'", str(close) or None, "prefix")
    for key, value in (("network", weights.network), ("part", weights.part)):
        there = sorted({str(getattr(p, key)) for p in places})
        if value is not None and value not in there and there:
            return Refused(f"{key} is {value}, and it has only {', '.join(there)}", key=key)
    ours, theirs = (", ".join([*list(some)[:3], *(["..."] if len(some) > 3 else [])]) for some in (own, names))
    return Refused("none of its names is one of the node's", f"the node has {ours}; the file has {theirs}")


def _starts(names: Iterable[str]) -> list[str]:
    """The first words of names."""
    return sorted({f"{name.split('.')[0]}." for name in names if "." in name})


def format_of(tables: Tables) -> str | None:
    """Whose format a file has, where that is known."""
    words = {word for table, tensors in tables.items() for name in (table, *tensors) for word in name.split(".")}
    return next((name for name, needed in FORMATS.items() if needed <= words), None)

"""How weights fit a node: what is loaded, missing, unexpected, of another shape, and left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...graph.spec.weights import Weights
from .files import Tables
from .places import HEADS, Place, Shape, find_place, format_of
from .spellings import DIRECTIONS, LENGTHS

__all__ = ["Fit", "fit", "grouped"]

Make = Callable[[Mapping[str, Tensor]], Tensor]  # a tensor of the file's


@dataclass(frozen=True)
class Fit:
    """What becomes of each name.

    loaded: of the node's own. missing, refused: of the node's own that are not there, or in another shape (the node's,
    the file's); kept: those of them that may keep what they start with. unexpected: of the file's; ignored: those that
    are left out as asked, others: those of other parts. changed: what is not copied as it is, and how.
    """

    node: str
    place: Place
    format: str | None
    loaded: Mapping[str, Make]
    changed: Mapping[str, str]
    missing: Sequence[str]
    refused: Mapping[str, tuple[Shape, Shape]]
    kept: Sequence[str]
    unexpected: Sequence[str]
    ignored: Sequence[str]
    others: Sequence[str]
    folded: Mapping[str, str]  # by running mean, the bias of the file that is taken off

    def of_file(self, name: str) -> list[str]:
        """The tensors of the file of which one of the node's own is made."""
        return [self.place.names[name], *([self.folded[name]] if name in self.folded else [])]

    @property
    def fits(self) -> bool:
        """Whether nothing is missing, unexpected or refused that may not be."""
        return not (self.missing or self.refused or self.unexpected)

    def load(self, module: nn.Module, tables: Tables) -> None:
        """Copies what is loaded into the node; the rest stays as it is."""
        state = module.state_dict()
        with torch.no_grad():
            for name, make in self.loaded.items():
                state[name].copy_(make(tables[self.place.table]))


def fit(node: str, own: Mapping[str, Shape], tables: Tables, weights: Weights) -> Fit:
    """How a node's weights are found among those of a file. own: the shapes of its state. Raises Refused."""
    place = find_place(own, tables, weights)
    tensors = tables[place.table]
    folded = dict(_folded(own, place, tensors))
    loaded: dict[str, Make] = {}
    changed: dict[str, str] = {}
    refused: dict[str, tuple[Shape, Shape]] = {}
    for mine, theirs in place.names.items():
        have, there = own[mine], tuple(tensors[theirs].shape)
        if have == there:
            loaded[mine] = _copy(theirs)
        elif weights.interpolate and _is_grid(mine, have, there):
            loaded[mine] = _interpolated(theirs, have)
            changed[mine] = f"interpolated from {there[1]} positions to {have[1]}"
        else:
            refused[mine] = have, there
    for mine, bias in folded.items():
        loaded[mine] = _without(place.names[mine], bias)
        changed[mine] = f"with {bias} taken off, since the layer before it has no bias here"
    absent = [name for name in own if name not in place.names]
    kept = [name for name in (*absent, *refused) if not weights.strict or _may_be_absent(name, weights)]
    lengths = _lengths(place, tensors)
    changed |= {mine: f"its direction; {lengths} is 1 everywhere" for mine in place.names if lengths}
    used = {*place.names.values(), *folded.values(), lengths}
    over = [n for n in tensors if n.startswith(place.prefix) and n not in used]
    others = [n for n in over if _is_other_part(n, place)]
    ignored = [n for n in over if n not in others and (not weights.strict or _any(weights.ignore, n, place))]
    others += [n for n in tensors if not n.startswith(place.prefix)]
    return Fit(
        node, place, format_of(tables), loaded, changed, [n for n in absent if n not in kept],
        {n: shapes for n, shapes in refused.items() if n not in kept}, kept,
        [n for n in over if n not in others and n not in ignored], ignored, others, folded,
    )  # fmt: skip


def _copy(theirs: str) -> Make:
    return lambda tensors: tensors[theirs]


# -- what may differ ------------------------------------------------------------------------------------------------


def _may_be_absent(name: str, weights: Weights) -> bool:
    """As asked; and how many batches a norm has seen, which files of early versions of torch do not say."""
    return name.endswith("num_batches_tracked") or any(fnmatchcase(name, pattern) for pattern in weights.missing)


def _any(patterns: Iterable[str], name: str, place: Place) -> bool:
    """Whether a file's name is meant, written whole or behind the prefix."""
    return any(fnmatchcase(n, p) for p in patterns for n in (name, name.removeprefix(place.prefix)))


def _is_other_part(name: str, place: Place) -> bool:
    """Whether a name is of a head that stands in the file beside what the node has."""
    first = name.removeprefix(place.prefix).split(".")[0]
    return first in HEADS and not any(n.split(".")[0] == first for n in place.spelling.names)


# -- what is changed ------------------------------------------------------------------------------------------------


def _folded(own: Mapping[str, Shape], place: Place, tensors: Mapping[str, Tensor]) -> Iterable[tuple[str, str]]:
    """Running means, and the biases of the file that they take: of a layer before batch norm that has none here.

    (W x + b) - mean is W x - (mean - b), in training and in evaluation.
    """
    for spelt, mine in place.spelling.names.items():
        before, _, last = spelt.rpartition(".")
        stem, dot, number = before.rpartition(".")
        if last != "running_mean" or not number.isdigit() or mine not in place.names:
            continue
        bias = f"{place.prefix}{stem}{dot}{int(number) - 1}.bias"
        if bias in tensors and bias not in place.names.values() and tuple(tensors[bias].shape) == own[mine]:
            yield mine, bias


def _without(theirs: str, bias: str) -> Make:
    return lambda tensors: tensors[theirs] - tensors[bias]


def _lengths(place: Place, tensors: Mapping[str, Tensor]) -> str | None:
    """The lengths that a weight-normalised layer has beside its directions, where all of them are 1 (DINO's)."""
    names = [name for name in tensors if name in {f"{place.prefix}{last}" for last in LENGTHS}]
    directions = {f"{place.prefix}{last}" for last in DIRECTIONS} & {*place.names.values()}
    return next((name for name in names if directions and _is_one(tensors[name])), None)


def _is_one(tensor: Tensor) -> bool:
    return not tensor.is_meta and tensor.layout == torch.strided and bool((tensor == 1).all())


def _is_grid(name: str, have: Shape, there: Shape) -> bool:
    """Whether both are position embeddings of square grids, `1 t d`, with as many tokens beside them."""
    if "pos_embed" not in name or len(have) != 3 or len(there) != 3 or have[::2] != there[::2]:
        return False
    return _extra(have[1]) == _extra(there[1])


def _extra(tokens: int) -> int:
    return int(tokens - math.isqrt(tokens) ** 2)


def _interpolated(theirs: str, shape: Shape) -> Make:
    """Position embeddings for another grid, as DINO's code has them for views of another size."""

    def make(tensors: Mapping[str, Tensor]) -> Tensor:
        known = tensors[theirs].float()
        extra, side, new = _extra(known.shape[1]), math.isqrt(known.shape[1]), math.isqrt(shape[1])
        grid = known[:, extra:].transpose(1, 2).unflatten(2, (side, side))
        grid = functional.interpolate(grid, (new, new), mode="bicubic", align_corners=False)
        return torch.cat((known[:, :extra], grid.flatten(2).transpose(1, 2)), 1)

    return make


def grouped(names: Iterable[str]) -> str:
    """Names in a line, all of them: many of one beginning as `layer4.* (30)`."""
    return ", ".join(_groups(list(names), 0))


def _groups(names: Sequence[str], depth: int) -> list[str]:
    if len(names) <= 4:
        return list(names)
    by_word: dict[str, list[str]] = {}
    for name in names:
        by_word.setdefault(".".join(name.split(".")[: depth + 1]), []).append(name)
    if len(by_word) == 1 and all(name.count(".") > depth for name in names):  # of one beginning: what follows it
        return _groups(names, depth + 1)
    return [some[0] if len(some) == 1 else f"{word}.* ({len(some)})" for word, some in by_word.items()]

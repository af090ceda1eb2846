"""Ports: what a component takes and gives, read from the signatures of its methods.

A port is annotated with its axes as einops words: `image: Annotated[Tensor, "b c h w"]`, for which
`In["b c h w"]` is the short form. The letters: `b` batch, `d` embedding, `n` negatives, `c h w` image or map,
`r k` rows and columns of a patch grid; a number is a fixed size, `...` any axes. The same letter in two ports
of a component is the same size within a call; a node with weights is built for one size.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

import torch
from torch import Tensor

from .pairs import Own, Pairs, whole


class _Negatives(NamedTuple):
    entries: Tensor
    pick: Tensor | None = None
    mask: Tensor | Own | None = None
    same: Tensor | None = None


class Negatives(_Negatives):
    """Entries that stand for other samples.

    entries: `n d`, shared by the batch.
    pick: `b m` or None; the entries drawn for each sample, as indices into `entries`. None takes all of them.
    mask: `b n` (`b m` with `pick`) or None; True where an entry is not a negative, such as the sample's own.
    same: as `mask`; True where an entry is a further positive, of a sample of the same class.

    A mask may be given as `Own`; read by its name it is a tensor all the same.
    """

    __slots__ = ()

    @property
    def mask(self) -> Tensor | None:
        return whole(self[2])

    def scores(self, positive: Tensor, negative: Tensor | Pairs) -> Scores:
        """Scores of the entries, of whose pairs they say what the negatives say."""
        return Scores(positive, negative, self[2], self.same)

    @classmethod
    def __class_getitem__(cls, axes: str) -> Any:
        return Annotated[cls, axes]


class _Scores(NamedTuple):
    positive: Tensor
    negative: Tensor | Pairs | None = None
    mask: Tensor | Own | None = None
    same: Tensor | None = None


class Scores(_Scores):
    """A critic's scores: positive pairs `b`, negative pairs `b n` or None.

    positive may be `b ...`: several positives of one query, such as the positions of a map, share its negatives.
    mask: `b n` or None; True where a pair is not a negative; an objective leaves those out.
    same: `b n` or None; True where a pair is a further positive. Only objectives that know of it use those pairs.

    Negatives may be given as `Pairs` and a mask as `Own`, so that large ones take no room; read by their names they
    are tensors all the same. An objective that needs no more than `pairs.log_sum_exp` or `pairs.total` spares
    the memory.
    """

    __slots__ = ()

    @property
    def negative(self) -> Tensor | None:
        return whole(self[1])

    @property
    def mask(self) -> Tensor | None:
        return whole(self[2])

    @property
    def pairs(self) -> Pairs | None:
        """The negatives, where they are not computed yet."""
        return self[1] if isinstance(self[1], Pairs) else None

    @property
    def own(self) -> Own | None:
        """The mask, where it is one entry of each sample."""
        return self[2] if isinstance(self[2], Own) else None

    @classmethod
    def __class_getitem__(cls, axes: str | tuple[str, ...]) -> Any:
        return Annotated[(cls, *([axes] if isinstance(axes, str) else axes))]


class Gaussian(NamedTuple):
    """A diagonal normal distribution: mean and log variance, both `b d`."""

    mean: Tensor
    log_variance: Tensor

    @classmethod
    def __class_getitem__(cls, axes: str) -> Any:
        return Annotated[cls, axes]


class In:
    """`In["b d"]`: a tensor with these axes; short for `Annotated[Tensor, "b d"]`."""

    def __class_getitem__(cls, axes: str) -> Any:
        return Annotated[Tensor, axes]


GRID = frozenset("rk")  # axes of positions, which a call folds into its batch where a port does not know them
FOLDED = ("tensor", "gaussian")  # kinds with such axes

KINDS: dict[type, str] = {Tensor: "tensor", Negatives: "negatives", Scores: "scores", Gaussian: "gaussian"}
AXIS = re.compile(r"[A-Za-z_]\w*|[0-9]+|\.\.\.")
AXES: dict[str, int] = {"tensor": 1, "negatives": 1, "scores": 2, "gaussian": 1, "family": 1}


Axes = tuple[str, ...]  # of a tensor, in order: letters, numbers, `...`


@dataclass(frozen=True)
class Port:
    """One input or output. `kind` is tensor, negatives, scores or gaussian; `axes` one entry for each tensor
    that the kind has axes for; a `family` port takes or gives all views at once, as a tuple."""

    name: str
    kind: str
    axes: tuple[Axes, ...]
    optional: bool = False
    family: bool = False

    def __str__(self) -> str:
        words = ", ".join(" ".join(a) for a in self.axes) or "scalar"
        shape = f"[{words}]" if self.kind == "tensor" else f"{self.kind}[{words}]"
        return ("views of " if self.family else "") + shape + (" (optional)" if self.optional else "")


@dataclass(frozen=True)
class Signature:
    """The ports of one method. Several outputs are the fields of a NamedTuple, taken apart by name."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    draws: bool = False

    def input(self, name: str) -> Port | None:
        return next((p for p in self.inputs if p.name == name), None)

    def output(self, name: str) -> Port | None:
        return next((p for p in self.outputs if p.name == name), None)


class PortError(TypeError):
    """A method whose annotations do not say what its ports are: an error of the component's author."""


def signature_of(method: Callable[..., Any]) -> Signature:
    """Reads the ports of a method from its annotations.

    The parameter `draws`, if there is one, is not a port: it takes what the component's `draw` returned.
    """
    hints = typing.get_type_hints(method, include_extras=True)
    inputs = []
    draws = False
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        if parameter.name == "draws":
            draws = True
            continue
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD):
            raise PortError(
                f"{method.__qualname__}: the port '{parameter.name}' is {parameter.kind.description}; "
                "values are given by position"
            )
        if parameter.name not in hints:
            raise PortError(
                f"{method.__qualname__}: the port '{parameter.name}' has no annotation; "
                f'write {parameter.name}: Annotated[Tensor, "b d"]'
            )
        optional = parameter.default is not inspect.Parameter.empty
        inputs.append(_port(method, parameter.name, hints[parameter.name], optional))
    return Signature(tuple(inputs), _outputs(method, hints.get("return", type(None))), draws)


def _outputs(method: Callable[..., Any], hint: Any) -> tuple[Port, ...]:
    if hint in (None, type(None)):
        return ()
    if isinstance(hint, type) and issubclass(hint, tuple) and hint not in KINDS and hasattr(hint, "_fields"):
        fields = typing.get_type_hints(hint, include_extras=True)
        return tuple(_port(method, name, fields[name], False) for name in hint._fields)
    return (_port(method, "", hint, False),)


def _port(method: Callable[..., Any], name: str, hint: Any, optional: bool) -> Port:
    if get_origin(hint) in (Union, types.UnionType):
        rest = [a for a in get_args(hint) if a is not type(None)]
        if len(rest) == 1:
            hint = rest[0]
    if get_origin(hint) is not Annotated:
        raise PortError(
            f"{method.__qualname__}: '{name or 'the result'}' has no axes; write Annotated[Tensor, \"b d\"], not {hint}"
        )
    base, *words = get_args(hint)
    family = get_origin(base) is tuple
    if family:
        base = get_args(base)[0]
    kind = KINDS.get(base)
    axes = tuple(tuple(w.split()) for w in words if isinstance(w, str))
    if kind is None or len(axes) != AXES[kind]:
        raise PortError(f"{method.__qualname__}: '{name or 'the result'}' is {hint}, which is not a kind with axes")
    for group in axes:
        if group.count("...") > 1 or not all(AXIS.fullmatch(axis) for axis in group):
            raise PortError(
                f"{method.__qualname__}: '{name or 'the result'}' has the axes '{' '.join(group)}'; "
                "axes are words, numbers and at most one '...', with blanks between them"
            )
    return Port(name, kind, axes, optional, family)


def tensors_of(value: Any) -> list[Tensor]:
    """The tensors with axes of a value, one for each entry of its port's `axes`."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Negatives):
        return [value.entries]
    if isinstance(value, Scores):
        return [t for t in (value.positive, value.negative) if t is not None]
    if isinstance(value, Gaussian):
        return [value.mean]
    raise AssertionError(f"not a value of the flow: {type(value)}")


def each_tensor(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """The value with the function done to each of its tensors."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, tuple):
        return type(value)(*(each_tensor(function, member) for member in value))
    return value


def detached(value: Any) -> Any:
    """The value without its gradient."""
    return each_tensor(Tensor.detach, value)


def held(value: Any) -> Any:
    """The value with all of its tensors computed, so that it outlives what they are computed from."""
    if isinstance(value, Negatives | Scores):
        return type(value)(*(whole(member) for member in value))  # type: ignore[arg-type]  # None stays None
    return value


def outlasting(scores: Scores) -> Scores:
    """The scores as they may wait for the optimizer's step: computed where it may change the entries."""
    return held(scores) if scores.pairs is not None and scores.pairs.entries.requires_grad else scores


def joined(values: Sequence[Any]) -> Any:
    """Values of several batches as one, along the batch."""
    first = values[0]
    if isinstance(first, Tensor):
        return torch.cat(list(values))
    members = zip(*map(held, values), strict=True)
    return type(first)(*(None if parts[0] is None else torch.cat(parts) for parts in members))


def parted(value: Any, count: int) -> list[Any]:
    """A value of several batches, each by itself: the reverse of `joined`."""
    if isinstance(value, Tensor):
        return list(value.chunk(count))
    parts = [[None] * count if v is None else v.chunk(count) for v in value]
    return [type(value)(*members) for members in zip(*parts, strict=True)]


def flattened(value: Any, grid: int) -> Any:
    """A value with so many axes of positions folded into its batch."""
    return each_tensor(lambda tensor: tensor.flatten(0, grid), value)


def unflattened(value: Any, sizes: tuple[int, ...]) -> Any:
    """The reverse of `flattened`, of one value or of several views; sizes: of the batch (or -1) and the positions."""
    if type(value) is tuple:
        return tuple(unflattened(view, sizes) for view in value)
    return each_tensor(lambda tensor: tensor.unflatten(0, sizes), value)

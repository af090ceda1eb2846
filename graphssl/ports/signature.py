"""Ports: what a component takes and gives, read from the signatures of its methods.

A port is annotated with its axes as einops words: `image: Annotated[Tensor, "b c h w"]`, for which
`In["b c h w"]` is the short form. The letters: `b` batch, `d` embedding, `n` negatives, `c h w` image or map,
`r k` rows and columns of a patch grid, `t` tokens; a number is a fixed size, `...` any axes. The same letter in two
ports of a component is the same size within a call; a node with weights is built for one size.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from .kinds import AXES, KINDS

Axes = tuple[str, ...]  # of a tensor, in order: letters, numbers, `...`
GRID = frozenset("rkt")  # axes of positions, which a call folds into its batch where a port does not know them
FOLDED = ("tensor", "gaussian")  # kinds with such axes
NO_GRADIENT = object()  # of an output that never carries one: Annotated[Tensor, "b p", NO_GRADIENT]
AXIS = re.compile(r"[A-Za-z_]\w*|[0-9]+|\.\.\.")


@dataclass(frozen=True)
class Port:
    """One input or output. `kind` is tensor, negatives, scores or gaussian; `axes` one entry for each tensor
    that the kind has axes for; a `family` port takes or gives all views at once, as a tuple.

    beside: of an output that is a family, another one, of whose views it says something, one by one.
    gradient: of an output, whether it can carry one.
    """

    name: str
    kind: str
    axes: tuple[Axes, ...]
    optional: bool = False
    family: bool = False
    beside: str = ""
    gradient: bool = True

    def __str__(self) -> str:
        words = ", ".join(" ".join(a) for a in self.axes) or "scalar"
        shape = f"[{words}]" if self.kind == "tensor" else f"{self.kind}[{words}]"
        return ("views of " if self.family else "") + shape + (" (optional)" if self.optional else "")


@dataclass(frozen=True)
class Signature:
    """The ports of one method. Several outputs are the fields of a NamedTuple, taken apart by name.

    draws: whether it is given random numbers. needs_draws: whether it has to be; without, it is not random.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    draws: bool = False
    needs_draws: bool = False

    def input(self, name: str) -> Port | None:
        return next((p for p in self.inputs if p.name == name), None)

    def output(self, name: str) -> Port | None:
        return next((p for p in self.outputs if p.name == name), None)


class PortError(TypeError):
    """A method whose annotations do not say what its ports are: an error of the component's author."""


def signature_of(method: Callable[..., Any]) -> Signature:
    """Reads the ports of a method from its annotations.

    The parameter `draws`, if there is one, is not a port: it takes what the component's `draw` returned. With a default
    it is given in a step only: targets and evaluations call the method without.
    """
    hints = typing.get_type_hints(method, include_extras=True)
    inputs = []
    draws = needs_draws = False
    parameters = list(inspect.signature(method).parameters.values())[1:]
    variadic = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    for parameter in parameters:
        if variadic and parameter.kind is parameter.VAR_KEYWORD:  # `(*x, **named)`: its `signature` says which they are
            continue
        if parameter.name == "draws":
            draws, needs_draws = True, parameter.default is inspect.Parameter.empty
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
    return Signature(tuple(inputs), _outputs(method, hints.get("return", type(None))), draws, needs_draws)


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
    return Port(name, kind, axes, optional, family, gradient=NO_GRADIENT not in words)

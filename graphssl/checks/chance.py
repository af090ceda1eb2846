"""What a call draws by itself, as dropout does, and not by its `draw`: found where shapes are, by a look at each call.

What PyTorch says is random is noted with the module in which it is drawn. A module that multiplies what it gets by a
mask of random numbers, and does nothing else, is tried: on numbers, so that it need not be one that is known by name.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_parameter_registration_hook,
)

from ..ports.draws import GENERATOR
from .counter import Counter

__all__ = ["Chance", "Draw", "Watch", "axes_of_mask", "named_parts"]

TRIED, SIDE = 64, 4  # sizes of the first axis, and of each other one, on which a module is tried
EXACT = 1e-9  # in float64: not even a mask that leaves out next to nothing passes for another


@dataclass(frozen=True)
class Draw:
    """Numbers drawn in a call. operation: PyTorch's. module: the innermost in which it was, None in the node's own
    code. given: the shape of the one tensor that the module was called with, None where it was called otherwise."""

    operation: str
    module: nn.Module | None
    given: tuple[int, ...] | None


@dataclass(frozen=True)
class Chance:
    """What a call draws by itself. names: of the modules of all nodes, `node.path`."""

    draws: tuple[Draw, ...]
    names: Mapping[nn.Module, str]

    @cached_property
    def masks(self) -> Mapping[str, set[tuple[int, ...]]]:
        """By the name of a module that multiplies by a mask, the shapes that it is given."""
        found: dict[str, set[tuple[int, ...]]] = {}
        for draw in self.draws:
            if (name := self._mask(draw)) and draw.given:
                found.setdefault(name, set()).add(draw.given)
        return found

    @cached_property
    def others(self) -> tuple[str, ...]:
        """What else is drawn, and where, in words."""
        return tuple(dict.fromkeys(self._words(draw) for draw in self.draws if not self._mask(draw)))

    def _mask(self, draw: Draw) -> str | None:
        """The name of the module that multiplies by what is drawn, where one does."""
        name = self.names.get(draw.module) if draw.module is not None else None
        return name if name and draw.module and draw.given and axes_of_mask(draw.module, draw.given) else None

    def _words(self, draw: Draw) -> str:
        name = self.names.get(draw.module) if draw.module is not None else None
        return f"{draw.operation} in '{name}' ({type(draw.module).__name__})" if name else draw.operation


class Watch(Counter):
    """Counts, and notes what is drawn, and which modules are called.

    within: by a module that was called, those in which it was at each of its calls, itself among them. made: weights
    that the last call has made.
    """

    def __init__(self) -> None:
        super().__init__()
        self.made: list[str] = []
        self.within: dict[nn.Module, set[nn.Module]] = {}
        self.draws: list[Draw] = []
        self._under_way: list[tuple[nn.Module, Any]] = []

    @contextmanager
    def call(self) -> Iterator[None]:
        """Around a call of a node."""
        self.draws, self._under_way, self.made = [], [], []
        self._thread = threading.get_ident()  # hooks are for all threads
        before = register_module_forward_pre_hook(self._enter)
        after = register_module_forward_hook(lambda *_: self._leave(), always_call=True)
        made = register_module_parameter_registration_hook(self._note)
        try:
            with self:
                yield
        finally:
            before.remove()
            after.remove()
            made.remove()

    def _note(self, module: nn.Module, name: str, weight: Any) -> None:
        if weight is None or threading.get_ident() != self._thread:
            return
        if module._parameters.get(name) is not weight:  # else it is there, and written
            self.made.append(name)

    def _enter(self, module: nn.Module, given: Any) -> None:
        if threading.get_ident() != self._thread:
            return
        self._under_way.append((module, given))
        around = {part for part, _ in self._under_way}
        self.within[module] = self.within.get(module, around) & around

    def _leave(self) -> None:
        if threading.get_ident() == self._thread:
            self._under_way.pop()

    def drawn(self, func: Any) -> None:
        module: nn.Module | None = None
        given: Any = ()
        if self._under_way:
            module, given = self._under_way[-1]
        one = isinstance(given, tuple) and len(given) == 1 and isinstance(given[0], Tensor)
        self.draws.append(Draw(func._opname.strip("_"), module, tuple(given[0].shape) if one else None))


def named_parts(nodes: Mapping[str, nn.Module]) -> Iterator[tuple[str, nn.Module]]:
    """Every module of nodes once, as `node.path`, those that several nodes have by the first one's name."""
    seen: set[nn.Module] = set()
    for name, node in nodes.items():
        yield from node.named_modules(seen, name)


def axes_of_mask(module: nn.Module, given: Sequence[int]) -> int:
    """On how many of the first axes the mask depends by which a module multiplies what it gets: 1 for stochastic depth.

    0 where the module does anything else, or has anything to multiply with but random numbers.
    """
    held = (module.parameters(), module.buffers(), module.children())
    if not given or any(True for part in held for _ in part):
        return 0
    shape = (TRIED, *(SIDE for _ in given[1:]))
    try:
        with GENERATOR, torch.random.fork_rng(devices=[]), torch.device("cpu"), torch.no_grad():
            return _tried(module, shape) if _is_mask(module, shape) else 0
    except Exception:  # whatever a module raises that takes other sizes only
        return 0


def _is_mask(module: nn.Module, shape: tuple[int, ...]) -> bool:
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return all(_alike(_given(module, x, seed), x * _given(module, torch.ones_like(x), seed)) for seed in range(3))


def _tried(module: nn.Module, shape: tuple[int, ...]) -> int:
    """The fewest axes with which the mask is that of all of them."""
    whole = _given(module, torch.ones(shape, dtype=torch.float64), 0)
    for axes in range(1, len(shape)):
        few = torch.ones((*shape[:axes], *(1 for _ in shape[axes:])), dtype=torch.float64)
        if _alike(whole, _given(module, few, 0).expand(shape)):
            return axes
    return len(shape)


def _given(module: nn.Module, x: Tensor, seed: int) -> Tensor:
    torch.manual_seed(seed)
    made = module(x.clone())
    return made if isinstance(made, Tensor) else x.new_empty(0)


def _alike(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=EXACT, atol=EXACT)

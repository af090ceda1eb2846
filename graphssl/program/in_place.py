"""Of a step whose backward pass fails: where a tensor that it needs was written into, and what else is known."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ..code import own_frame
from ..errors import Problem, Span
from ..graph.slips import slip_of
from .program import Program

__all__ = ["overwritten", "problem_of"]


def overwritten(error: BaseException) -> bool:
    """Whether a backward pass fails since a tensor that it needs is another by now."""
    return "modified by an inplace operation" in str(error)


def problem_of(error: BaseException, program: Program, forward: Callable[[], Any]) -> Problem:
    """What is told of a step that fails. forward: does the forward pass again, which changes nothing that lasts."""
    slip = slip_of(error)
    if overwritten(error):
        watch = _Watch(program)
        with torch.autograd.graph.saved_tensors_hooks(watch.saves, lambda saved: saved), watch:
            forward()
        if watch.own is not None or watch.node is not None:
            who = f"'{watch.node}' writes" if watch.node else "something writes"
            return Problem(f"{who} into a tensor that the backward pass needs", _span(program, watch.node), slip.hint,
                           own=watch.own)  # fmt: skip
    name = program.node_in(error)
    what = f"'{name}' fails in a step" if name else "the backward pass fails"
    return Problem(f"{what}: {slip.reason}", _span(program, name), slip.hint, own=slip.own)


def _span(program: Program, node: str | None) -> Span | None:
    """Where all calls of a node stand, if in one place."""
    spans = {call.span for call in program.graph.step_calls() if call.node == node}
    return spans.pop() if len(spans) == 1 else None


class _Watch(TorchFunctionMode):
    """Remembers who first writes into a tensor that was saved for the backward pass. own: the user's line."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.own: Span | None = None
        self.node: str | None = None
        self._names = {id(program.node(name)): name for name in program.graph.nodes}
        self._saved: list[tuple[Tensor, int]] = []

    def saves(self, tensor: Tensor) -> Tensor:
        self._saved.append((tensor, tensor._version))
        return tensor

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        changed = any(tensor._version != version for tensor, version in self._saved)
        if changed and "batch_norm" in getattr(function, "__name__", ""):  # which may write its running statistics
            self._saved = [(tensor, tensor._version) for tensor, _ in self._saved]
        elif changed and self.own is None and self.node is None:
            self._find(sys._getframe(1))
        return result

    def _find(self, inner: FrameType) -> None:
        """Whose call a frame is, up to where the forward pass was begun."""
        for frame, _ in traceback.walk_stack(inner):
            if str(frame.f_globals.get("__name__")).startswith(__package__):
                break
            self.own = self.own or own_frame(frame)
            self.node = self.node or self._names.get(id(frame.f_locals.get("self")))

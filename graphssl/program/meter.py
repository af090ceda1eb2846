"""How much memory operations hold, and how much arithmetic they do, while they run."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

from torch import Tensor, UntypedStorage, nn
from torch.utils._pytree import tree_leaves

from ..checks.counter import Counter

__all__ = ["Meter", "bytes_of"]


class Meter(Counter):
    """Counts the bytes of the storages that operations make and that are alive, and multiply-adds times two.

    The tensors that `root` has outlast the step and are left out. gradients: bytes of them so far; gradients_then: at
    the peak.
    """

    def __init__(self, root: nn.Module) -> None:
        super().__init__()
        self.live = self.peak = self.gradients = self.gradients_then = 0
        self._stored = {t.untyped_storage()._cdata for t in (*root.parameters(), *root.buffers())}
        for parameter in root.parameters():
            if parameter.requires_grad:
                parameter.register_post_accumulate_grad_hook(self._has_gradient)
        self._having: set[int] = set()

    def seen(self, result: Any) -> None:
        for value in (result,) if isinstance(result, Tensor) else tree_leaves(result):
            if isinstance(value, Tensor):
                self._seen(value.untyped_storage())

    def _seen(self, storage: UntypedStorage) -> None:
        key = storage._cdata
        if key in self._stored:
            return
        size = storage.nbytes()
        self._stored.add(key)
        weakref.finalize(storage, self._freed, key, size)
        self.live += size
        if self.live > self.peak:
            self.peak, self.gradients_then = self.live, self.gradients

    def _freed(self, key: int, size: int) -> None:
        self._stored.discard(key)
        self.live -= size

    def _has_gradient(self, parameter: Tensor) -> None:
        if id(parameter) not in self._having:
            self._having.add(id(parameter))
            self.gradients += bytes_of([parameter])


def bytes_of(tensors: Iterable[Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)

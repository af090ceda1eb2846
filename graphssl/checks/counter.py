"""Operations on tensors without data, meta or fake: their multiply-adds, and what they give.

What such an operation gives depends on the kinds of its arguments alone, so that it is worked out once for each: a
network does the same few over and over, and PyTorch takes milliseconds to work out some of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.nn import Parameter
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

__all__ = ["Counter"]


class Counter(TorchDispatchMode):
    """Counts multiply-adds times two of the operations inside; it may be entered again and goes on counting."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0
        self._known: dict[tuple[Any, ...], tuple[int, _Result]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.prim.device.default:
            return args[0].device
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags and _draws(func, args, kwargs):
            self.drawn(func)
        kinds: list[Any] = [func]
        if not (_describe(args, kinds) and _describe(kwargs.items(), kinds)):
            return self._run(func, args, kwargs)
        key = tuple(kinds)
        if key in self._known:
            flops, known = self._known[key]
            self.flops += flops
            result = known.again(args)
            self.seen(result)
            return result
        before = self.flops
        result = self._run(func, args, kwargs)
        if repeatable := _repeatable(func, args, result):
            self._known[key] = self.flops - before, repeatable
        return result

    def _run(self, func: Any, args: Any, kwargs: Any) -> Any:
        counted = func._overloadpacket in flop_registry
        if not counted and torch.is_inference_mode_enabled():  # in which it comes before it is made of others
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        if counted:
            self.flops += flop_registry[func._overloadpacket](*args, **kwargs, out_val=result)
        self.seen(result)
        return result

    def seen(self, result: Any) -> None:
        """Called with what each operation gives."""

    def drawn(self, func: Any) -> None:
        """Called with each operation that draws random numbers."""


def _draws(func: Any, args: Any, kwargs: Any) -> bool:
    """Whether an operation that may draw does: it is not made of others, and leaves out something."""
    if func.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd):
        return False
    given = {argument.name: argument.default_value for argument in func._schema.arguments}
    given |= {**dict(zip(given, args, strict=False)), **kwargs}
    trains = given.get("training", given.get("train", True)) is not False
    return trains and given.get("dropout_p", given.get("dropout", 1)) != 0


@dataclass(frozen=True, slots=True)
class _Kind:
    """A tensor with a storage of its own. mode: of a fake one."""

    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    mode: FakeTensorMode | None

    @classmethod
    def of(cls, tensor: Tensor) -> _Kind:
        mode = tensor.fake_mode if isinstance(tensor, FakeTensor) else None
        return cls(tensor.shape, tensor.stride(), tensor.dtype, tensor.device, mode)

    def new(self) -> Tensor:
        with no_dispatch():
            meta = torch.empty_strided(self.shape, self.stride, dtype=self.dtype, device="meta")
        return meta if self.mode is None else FakeTensor(self.mode, meta, self.device)


@dataclass(frozen=True, slots=True)
class _Result:
    """What an operation gives: its first argument, or new tensors, several of them as a `group`."""

    kinds: tuple[_Kind | None, ...] = ()
    group: type | None = None

    def again(self, args: Sequence[Any]) -> Any:
        if not self.kinds:
            return args[0]
        made = [kind and kind.new() for kind in self.kinds]
        return made[0] if self.group is None else self.group(made)


def _describe(values: Iterable[Any], kinds: list[Any]) -> bool:
    """Adds what a result can depend on; False where that is more than kinds, as with tensors that have data."""
    for value in values:
        if isinstance(value, Tensor):
            if not _without_data(value):
                return False
            kinds += (value.shape, value.stride(), value.dtype, value.device)
        elif isinstance(value, tuple | list):
            kinds += (tuple, len(value))
            if not _describe(value, kinds):
                return False
        else:
            kinds += (type(value), value)  # 1, 1.0 and True are equal
    return True


def _without_data(tensor: Tensor) -> bool:
    if type(tensor) is FakeTensor:
        return tensor.constant is None and tensor.layout == torch.strided
    # A subclass may be of two tensors, or give its own kind.
    return type(tensor) in (Tensor, Parameter) and tensor.is_meta and tensor.layout == torch.strided


def _repeatable(func: Any, args: Any, result: Any) -> _Result | None:
    """The result as it can be given again; None where it is not an argument or new as a whole, such as a view."""
    if func._schema.is_mutable:
        same = args and result is args[0] and torch.Tag.inplace_view not in func.tags
        return _Result() if same else None
    group = type(result) if isinstance(result, tuple | list) else None
    parts = (result,) if group is None else result
    storages = [t.untyped_storage()._cdata for t in tree_leaves(args) if isinstance(t, Tensor)]
    kinds: list[_Kind | None] = []
    for part in parts:
        if part is None:
            kinds.append(None)
            continue
        if not (isinstance(part, Tensor) and _without_data(part)):
            return None
        kind, storage = _Kind.of(part), part.untyped_storage()
        if storage._cdata in storages or storage.nbytes() != kind.new().untyped_storage().nbytes():
            return None
        storages.append(storage._cdata)
        kinds.append(kind)
    return _Result(tuple(kinds), group) if kinds else None

"""Operations without data: counted each time, worked out once, and what they give is as it was."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from graphssl.checks.counter import Counter

Mode = Callable[[], AbstractContextManager[Any]]
MODES = [pytest.param(nullcontext, "meta", id="meta"), pytest.param(FakeTensorMode, "cpu", id="fake")]


class Arriving(TorchDispatchMode):
    """Notes the operations that are worked out."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func._overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def network() -> nn.Module:
    blocks = [nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)) for _ in range(5)]
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(4 * 36, 10))


@pytest.mark.parametrize(("mode", "device"), MODES)
def test_a_network_counts_as_by_pytorch_and_each_kind_of_operation_is_worked_out_once(mode: Mode, device: str) -> None:
    with mode(), torch.device(device):
        net, x = network(), torch.empty(2, 4, 6, 6)
        with FlopCounterMode(display=False) as expected:
            net(x).sum().backward()
        counter = Counter()
        with Arriving() as arriving, counter:
            net(x).sum().backward()
        assert counter.flops == expected.get_total_flops() > 0
        forward = {"convolution", "native_batch_norm", "relu_", "addmm"}
        assert {name: arriving.names.count(name) for name in forward} == dict.fromkeys(forward, 1)
        assert arriving.names.count("native_batch_norm_backward") == 1


def test_it_goes_on_counting_when_it_is_entered_again() -> None:
    counter, a = Counter(), torch.empty(3, 5, device="meta")
    for times in (1, 2):
        with counter:
            a @ a.T
        assert counter.flops == times * 2 * 3 * 5 * 3


@torch.library.custom_op("test_counting::part", mutates_args=())
def part(x: Tensor) -> Tensor:
    return x.new_empty(10)[:5]


@part.register_fake
def _(x: Tensor) -> Tensor:
    return x.new_empty(10)[:5]


def columns(x: Tensor) -> Tensor:
    return x.to(memory_format=torch.channels_last) * 2


OPERATIONS: dict[str, Callable[[Tensor], Any]] = {
    "new": lambda x: x + 1,
    "several": lambda x: torch.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5),
    "a list": lambda x: torch._foreach_add([x, x], 1),
    "in columns": columns,
    "in place": lambda x: x.mul_(2),
    "a view": lambda x: x.flatten(),
    "a view of a part": lambda x: x[1:],
    "a part of what is new": lambda x: part(x),
    "of no size": lambda x: x.sum(),
    "integers": lambda x: x.argmax(1),
    "as told": lambda x: torch.zeros(3, dtype=torch.int16, device=x.device),
    "half": lambda x: x.half(),
    "resized": lambda x: x.new_empty(2).resize_(3),
}


def tensors(result: Any) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else list(result)


def kinds(result: Any) -> list[Any]:
    return [(type(t), t.shape, t.stride(), t.storage_offset(), t.dtype, t.device) for t in tensors(result)]


def sizes(result: Any) -> list[int]:
    """Bytes of the storages."""
    return [t.untyped_storage().nbytes() for t in tensors(result)]


def storages(result: Any) -> list[int]:
    return [t.untyped_storage()._cdata for t in tensors(result)]


@pytest.mark.parametrize(("mode", "device"), MODES)
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_what_is_given_again_is_as_it_was(operation: Callable[[Tensor], Any], mode: Mode, device: str) -> None:
    with mode():
        plain = torch.empty(4, 3, 2, 2, device=device)
        expected = operation(plain)
        x, y = torch.empty_like(plain), torch.empty_like(plain)
        with Counter():
            first, again, other = operation(x), operation(x), operation(y)
    assert kinds(first) == kinds(again) == kinds(other) == kinds(expected)
    assert sizes(other) == sizes(again) == sizes(expected)
    shares = [s == plain.untyped_storage()._cdata for s in storages(expected)]
    assert [s == x.untyped_storage()._cdata for s in storages(again)] == shares
    assert [s == y.untyped_storage()._cdata for s in storages(other)] == shares
    if not any(shares):
        assert len({*storages(first), *storages(again), *storages(other)}) == 3 * len(tensors(first))


@pytest.mark.parametrize(("mode", "device"), MODES)
def test_equal_numbers_of_another_type_are_another_operation(mode: Mode, device: str) -> None:
    with mode(), Counter():
        x = torch.empty(2, dtype=torch.int64, device=device)
        assert [(x * number).dtype for number in (1, 1.0, True)] == [torch.int64, torch.float32, torch.int64]


def test_what_inference_mode_leaves_whole_is_counted() -> None:
    a, counter = torch.empty(3, 5, device="meta"), Counter()
    with counter, torch.inference_mode():
        nn.functional.linear(a, a)
    assert counter.flops == 2 * 3 * 5 * 3


class Wrapped(Tensor):
    """As quantized weights are: it looks like the tensor that it stands for."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Wrapped:
        made: Wrapped = Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype, device=inner.device)  # type: ignore[attr-defined]
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return cls(func(*[a.inner if isinstance(a, cls) else a for a in args], **(kwargs or {})))


def test_a_subclass_gives_its_own_kind() -> None:
    with Counter():
        plain = torch.empty(2, 2, device="meta")
        kinds = [type(x * 2) for x in (plain, Wrapped(plain), Wrapped(plain), plain)]
    assert kinds == [Tensor, Wrapped, Wrapped, Tensor]


def test_tensors_with_data_are_computed_with() -> None:
    with Counter():
        values = [(torch.full((2,), number) + 1).tolist() for number in (1.0, 2.0)]
    assert values == [[2.0, 2.0], [3.0, 3.0]]


def test_the_device_of_a_fake_tensor_is_part_of_its_kind() -> None:
    with FakeTensorMode(), Counter():
        devices = [(torch.empty(2, device=device) + 1).device.type for device in ("cpu", "cuda", "cpu", "cuda")]
    assert devices == ["cpu", "cuda", "cpu", "cuda"]

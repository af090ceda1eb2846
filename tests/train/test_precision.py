"""What each precision means on each device."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from helpers import CPU, CUDA
from torch import nn

from graphssl.errors import RunError
from graphssl.train.precision import Precision, resolve


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """A GPU that is only said to be there; `bf16` says whether it has it."""
    has = {"bf16": True}

    def supported(including_emulation: bool = True) -> bool:
        return has["bf16"] or including_emulation

    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "GTX 1080")
    return has


def test_auto_is_float32_on_a_cpu() -> None:
    precision = resolve("auto", CPU)
    assert (precision.name, precision.dtype, precision.scaler) == ("fp32", torch.float32, None)


def test_auto_on_a_gpu(gpu: dict[str, bool]) -> None:
    assert resolve("auto", CUDA).name == "bf16"
    gpu["bf16"] = False
    assert resolve("auto", CUDA).name == "fp32"


@pytest.mark.parametrize(
    ("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_the_forward_pass_computes_in_it(name: str, dtype: torch.dtype) -> None:
    precision = resolve(name, CPU)
    layer = nn.Linear(4, 4)
    with precision.autocast():
        y = layer(torch.randn(2, 4))
    assert y.dtype == precision.dtype == dtype
    assert layer.weight.dtype == torch.float32
    assert layer(torch.randn(2, 4)).dtype == torch.float32  # nothing outlives the context


def test_autocast_can_be_entered_again_and_again() -> None:
    precision = resolve("bf16", CPU)
    layer = nn.Linear(4, 4)
    for _ in range(3):
        with precision.autocast():
            layer(torch.randn(2, 4)).float().sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32


def test_only_fp16_has_a_scaler() -> None:
    assert resolve("bf16", CPU).scaler is None
    assert resolve("fp32", CPU).scaler is None
    scaler = resolve("fp16", CPU).scaler
    assert scaler is not None
    assert scaler.is_enabled()


def test_the_scaler_trains_and_skips_what_overflows() -> None:
    precision = resolve("fp16", CPU)
    scaler = precision.scaler
    assert scaler is not None
    layer = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, fused=True)

    def step(x: torch.Tensor) -> bool:
        before = layer.weight.detach().clone()
        optimizer.zero_grad()
        with precision.autocast():
            loss = layer(x).float().mean()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return not torch.equal(before, layer.weight)

    assert not step(torch.full((2, 4), 60000.0))  # times the scale of 65536: infinite in fp16
    assert scaler.get_scale() == 2**15
    assert step(torch.full((2, 4), 1e-3))
    assert torch.isfinite(layer.weight).all()


def test_bf16_that_a_gpu_lacks(gpu: dict[str, bool]) -> None:
    gpu["bf16"] = False
    with pytest.raises(RunError, match=r"bf16.*GTX 1080.*use fp16 or fp32"):
        resolve("bf16", CUDA)


def test_bf16_on_a_gpu_that_has_it(gpu: dict[str, bool]) -> None:
    assert resolve("bf16", CUDA) == Precision("bf16", CUDA)


def test_a_device_without_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.amp, "is_autocast_available", lambda kind: False)
    with pytest.raises(RunError, match="bf16, which cpu does not have; use fp32"):
        resolve("bf16", CPU)
    assert resolve("fp32", CPU).name == "fp32"


def test_an_unknown_precision() -> None:
    with pytest.raises(RunError, match="no precision 'fp8'"):
        resolve("fp8", CPU)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
def test_on_a_gpu(name: str) -> None:
    precision = resolve(name, CUDA)
    with precision.autocast():
        y = nn.Linear(4, 4, device=CUDA)(torch.randn(2, 4, device=CUDA))
    assert y.dtype == precision.dtype

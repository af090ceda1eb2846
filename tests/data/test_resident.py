"""Splits that are kept decoded: the same batches on a GPU, which nobody waits for."""

from __future__ import annotations

import pytest
import torch
from picture_files import digits

from graphssl.data import open_data
from graphssl.data.resident import Resident
from graphssl.graph import spec


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("resident", ["memory", "device"])
def test_a_gpu_sees_the_same_batches(resident: str) -> None:
    on_gpu = open_data(spec.Data(resident=resident), torch.device("cuda"), 0)  # type: ignore[arg-type]
    assert on_gpu.place == resident
    for a, b in zip(on_gpu.train.epoch(1), digits().train.epoch(1), strict=True):
        assert all(x.is_cuda and torch.equal(x.cpu(), y) for x, y in zip(a, b, strict=True))


@pytest.mark.gpu
@pytest.mark.parametrize("resident", ["memory", "device"])
def test_a_resident_epoch_does_not_wait_for_the_gpu(resident: str) -> None:
    batches = open_data(spec.Data(resident=resident), torch.device("cuda"), 0).train.epoch(0)  # type: ignore[arg-type]
    next(batches)  # moves the epoch's order there
    torch.cuda.set_sync_debug_mode("error")
    try:
        assert len(list(batches)) == 4
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
def test_an_epoch_of_a_set_on_the_gpu_begins_without_a_synchronisation() -> None:
    device = torch.device("cuda")
    image = torch.arange(20, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4).contiguous()
    source = Resident(image.to(device), torch.arange(20), device)
    order = source.order(0, 0)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = list(source.read(order, 6, full=True))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for positions, batch in zip(order.split(6), found, strict=True):
        assert torch.equal(batch.index.cpu(), positions)
        assert torch.equal(batch.image[:, 0, 0, 0].cpu(), positions.byte())

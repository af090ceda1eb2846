"""The training stream: epochs of whole batches, each sample once, and resuming in the middle of one."""

from __future__ import annotations

import itertools

import pytest
import torch
from picture_files import digits, same

from graphssl.errors import RunError


def test_a_batch_is_rgb_uint8_with_its_index_and_label() -> None:
    data = digits(batch=64)
    first = next(data.train.epoch(0))
    assert (first.image.shape, first.image.dtype) == ((64, 3, 32, 32), torch.uint8)
    assert (first.index.shape, first.index.dtype) == ((64,), torch.int64)
    assert (first.label.shape, first.label.dtype) == ((64,), torch.int64)
    assert torch.equal(first.image[:, 0], first.image[:, 2])
    in_order = next(data.reference(1500))
    assert torch.equal(in_order.image[first.index], first.image)
    assert torch.equal(in_order.label[first.index], first.label)


def test_an_epoch_shows_each_sample_once_in_an_order_of_its_own() -> None:
    data = digits(batch=100)
    epochs = [torch.cat([b.index for b in data.train.epoch(e)]) for e in range(3)]
    for order in epochs:
        assert torch.equal(order.sort().values, torch.arange(1500))
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(epochs, 2))


@pytest.mark.parametrize("last", ["drop", "keep"])
@pytest.mark.parametrize("start", [0, 1, 4, 5])
def test_an_epoch_resumed_goes_on_as_if_never_stopped(start: int, last: str) -> None:
    data = digits(batch=256, last=last)
    assert same(list(data.train.epoch(2))[start:], list(data.train.epoch(2, start)))


def test_last_batch_kept_or_dropped() -> None:
    assert [len(b.label) for b in digits(batch=400).train.epoch(0)] == [400, 400, 400]
    kept = digits(batch=400, last="keep")
    assert [len(b.label) for b in kept.train.epoch(0)] == [400, 400, 400, 300]
    assert (digits(batch=400).train.steps, kept.train.steps) == (3, 4)


def test_an_epoch_is_whole_optimizer_steps() -> None:
    data = digits(batch=100, accumulate=4)
    assert data.train.steps == 12 == len(list(data.train.epoch(0)))


def test_batch_of_one_and_batch_of_all() -> None:
    assert next(digits(batch=1).train.epoch(0)).image.shape == (1, 3, 32, 32)
    assert digits(batch=1500).train.steps == 1


@pytest.mark.parametrize(("batch", "accumulate"), [(1501, 1), (1024, 2)])
def test_an_epoch_without_a_step_is_refused(batch: int, accumulate: int) -> None:
    with pytest.raises(RunError, match=r"more than the 1,500 training samples of 'digits'.*last: keep"):
        digits(batch=batch, accumulate=accumulate)
    assert digits(batch=batch, accumulate=accumulate, last="keep").train.steps in (1, 2)


def test_reading_in_order_keeps_the_short_last_batch() -> None:
    data = digits()
    assert [len(b.label) for b in data.test(100)] == [100, 100, 97]
    assert torch.equal(torch.cat([b.index for b in data.reference(400)]), torch.arange(1500))

"""The embedded digits, the order of epochs, and resuming in the middle of one."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections import Counter

import pytest
import torch
from picture_files import same
from torch import Tensor
from torch.nn import functional

from graphssl import spec
from graphssl.data import Datasets, facts, open_data
from graphssl.data.order import held_out, permutation
from graphssl.errors import RunError

CPU = torch.device("cpu")


def digits(**values: object) -> Datasets:
    seed = values.pop("seed", 0)
    accumulate = values.pop("accumulate", 1)
    return open_data(spec.Data(**values), CPU, seed, accumulate)  # type: ignore[arg-type]


def counted(image: Tensor, label: list[int]) -> Counter[tuple[bytes, int]]:
    return Counter((i.numpy().tobytes(), y) for i, y in zip(image, label, strict=True))


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


def test_digits_are_all_of_scikit_learns_split_by_class() -> None:
    from sklearn.datasets import load_digits

    data = digits()
    train, test = next(data.reference(2000)), next(data.test(2000))
    assert (len(train.label), len(test.label)) == (1500, 297) == (data.train.samples, 297)
    assert data.classes == tuple("0123456789")
    source = load_digits()
    totals = torch.bincount(torch.from_numpy(source.target))
    exact = totals * 297 / 1797
    assert ((torch.bincount(test.label) - exact).abs() < 1).all()
    large = functional.interpolate(
        torch.from_numpy(source.images)[:, None].float() * 255 / 16, (32, 32), mode="bicubic", antialias=True
    )
    expected = counted(large.round().clamp(0, 255).to(torch.uint8).expand(-1, 3, -1, -1), source.target.tolist())
    assert counted(train.image, train.label.tolist()) + counted(test.image, test.label.tolist()) == expected


def test_digits_split_is_fixed() -> None:
    from sklearn.datasets import load_digits

    held = next(digits(seed=5).test(297))
    assert held.label[:12].tolist() == [6, 7, 8, 5, 5, 8, 2, 1, 2, 3, 3, 6]
    assert torch.equal(held.image, next(digits(seed=6).test(297)).image)
    first = torch.from_numpy(load_digits().images[6]) * 255 / 16
    assert (held.image[0, 0, 2::4, 2::4].double() - first).abs().mean() < 12


def test_facts_agree_with_the_digits() -> None:
    known = facts(spec.Data())
    image = next(digits().reference(2000)).image.double() / 255
    assert (known.samples, known.classes, known.height, known.width) == (1500, 10, 32, 32)
    assert torch.allclose(image.mean((0, 2, 3)), torch.tensor(known.mean).double(), atol=1e-4)
    assert torch.allclose(image.std((0, 2, 3)), torch.tensor(known.std).double(), atol=1e-4)


@pytest.mark.parametrize("size", [4, 8, 28, 48])
def test_digits_at_another_size(size: int) -> None:
    assert next(digits(size=size).train.epoch(0)).image.shape[1:] == (3, size, size)
    assert facts(spec.Data(size=size)).height == size


def test_an_epoch_shows_each_sample_once_in_an_order_of_its_own() -> None:
    data = digits(batch=100)
    epochs = [torch.cat([b.index for b in data.train.epoch(e)]) for e in range(3)]
    for order in epochs:
        assert torch.equal(order.sort().values, torch.arange(1500))
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(epochs, 2))


def test_order_depends_on_seed_and_epoch_alone() -> None:
    torch.manual_seed(1)
    first = list(digits(batch=200, seed=3).train.epoch(4))
    torch.manual_seed(2)
    other = digits(batch=200, seed=3)
    list(other.train.epoch(0))
    assert same(first, list(other.train.epoch(4)))
    assert not same(first, list(digits(batch=200, seed=4).train.epoch(4)))
    assert not torch.equal(permutation(50, 1, 2), permutation(50, 2, 1))


def test_order_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    list(digits(batch=200).train.epoch(0))
    assert torch.equal(before, torch.get_rng_state())


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


def test_held_out_names_do_not_depend_on_their_order() -> None:
    names = [f"{i}.jpg" for i in range(50)]
    chosen = held_out(names, 5)
    assert chosen == held_out(reversed(names), 5)
    assert len(chosen) == 5
    assert chosen <= set(names)


def test_facts_import_nothing_slow() -> None:
    code = (
        "import sys; from graphssl import spec; from graphssl.data import facts; facts(spec.Data());"
        "assert not {'torchvision', 'sklearn', 'PIL', 'scipy'} & set(sys.modules), set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


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

"""Split batch norm against the formula, part by part in float64; the choice of a norm; dealing out the batch."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from graphssl.components.norms import (
    Batch,
    Group,
    Layer,
    Nothing,
    SplitBatch,
    SplitBatchNorm1d,
    SplitBatchNorm2d,
    deal,
    map_norm,
    splits_of,
    undeal,
    vector_norm,
)

# The class, batch norm of the same kind, and the shape of a batch of 12 samples with 3 channels.
KINDS = [
    pytest.param(SplitBatchNorm1d, nn.BatchNorm1d, (12, 3), id="vectors"),
    pytest.param(SplitBatchNorm2d, nn.BatchNorm2d, (12, 3, 4, 5), id="maps"),
]
STATE = ("running_mean", "running_var", "num_batches_tracked")


def values(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Samples with means and variances that differ from part to part."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    level = torch.linspace(-2, 3, shape[0], dtype=torch.float64).view(-1, *(1 for _ in shape[1:]))
    return (x * (1 + level**2) + level).to(dtype)


def filled(norm: nn.Module, dtype: torch.dtype = torch.float64) -> Any:
    """The norm with weights and running statistics that are not those of a new one."""
    generator = torch.Generator().manual_seed(9)
    norm.to(dtype)
    for tensor in norm.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator, dtype=torch.float64) + 0.5)
        else:
            tensor.fill_(7)
    return norm


def plain(norm: Any, x: Tensor, splits: int) -> tuple[Tensor, Tensor, Tensor]:
    """The output and the new running mean and variance, channel by channel and part by part."""
    size = len(x) // splits
    parts, means, variances = [], [], []
    for part in (x[i * size : (i + 1) * size] for i in range(splits)):
        channels = []
        for c in range(x.shape[1]):
            n = part[:, c].numel()
            mean = part[:, c].sum() / n
            squares = ((part[:, c] - mean) ** 2).sum()
            channels.append((part[:, c] - mean) / (squares / n + norm.eps).sqrt())
            means.append(mean.detach())
            variances.append(squares.detach() / (n - 1))
            if norm.affine:
                channels[-1] = channels[-1] * norm.weight[c] + norm.bias[c]
        parts.append(torch.stack(channels, 1))
    mean, variance = (torch.stack(s).view(splits, -1).mean(0) for s in (means, variances))
    return torch.cat(parts), 0.9 * norm.running_mean + 0.1 * mean, 0.9 * norm.running_var + 0.1 * variance


def gradients(y: Tensor, leaves: list[Tensor]) -> tuple[Tensor, ...]:
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return torch.autograd.grad((y * weights.to(y.dtype)).sum(), leaves)


# -- training ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("splits", [2, 3, 4])
@pytest.mark.parametrize(("cls", "_", "shape"), KINDS)
def test_it_follows_the_formula_in_each_part(
    cls: Any, _: Any, shape: tuple[int, ...], splits: int, affine: bool
) -> None:
    norm, x = filled(cls(3, splits, affine=affine)), values(*shape).requires_grad_()
    expected, mean, variance = plain(norm, x, splits)
    leaves = [x, *norm.parameters()]
    y = norm(x)
    torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-11)
    torch.testing.assert_close(gradients(y, leaves), gradients(expected, leaves), rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(norm.running_mean, mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(norm.running_var, variance, rtol=1e-12, atol=1e-12)
    assert norm.num_batches_tracked.item() == 8


@pytest.mark.parametrize(("cls", "_", "shape"), KINDS)
def test_gradients_by_finite_differences(cls: Any, _: Any, shape: tuple[int, ...]) -> None:
    small = values(6, *shape[1:2], *(2 for _ in shape[2:])).requires_grad_()
    assert torch.autograd.gradcheck(filled(cls(3, 2)), small)


@pytest.mark.parametrize(("cls", "ordinary", "shape"), KINDS)
def test_each_part_is_ordinary_batch_norm_of_that_part_alone(cls: Any, ordinary: Any, shape: tuple[int, ...]) -> None:
    norm, x = filled(cls(3, 3)), values(*shape)
    for part, ours in zip(x.chunk(3), norm(x).chunk(3), strict=True):
        torch.testing.assert_close(ours, filled(ordinary(3))(part))


@pytest.mark.parametrize(("cls", "ordinary", "shape"), KINDS)
def test_one_split_is_ordinary_batch_norm(cls: Any, ordinary: Any, shape: tuple[int, ...]) -> None:
    ours, theirs, x = filled(cls(3, 1)), filled(ordinary(3)), values(*shape)
    assert torch.equal(ours(x), theirs(x))
    for name in STATE:
        assert torch.equal(ours.get_buffer(name), theirs.get_buffer(name))


def test_a_part_does_not_see_another() -> None:
    norm, x = SplitBatchNorm2d(3, 4), values(12, 3, 4, 5, dtype=torch.float32)
    other = x.clone()
    other[3:] = 100 * other[3:] - 7
    assert torch.equal(norm(x)[:3], norm(other)[:3])


def test_another_momentum_and_eps() -> None:
    norm, x = SplitBatchNorm1d(3, 2, eps=0.5, momentum=1.0).double(), values(12, 3)
    y = norm(x)
    assert norm.extra_repr() == "3, splits=2, eps=0.5, momentum=1.0, affine=True"
    torch.testing.assert_close(y[:6], (x[:6] - x[:6].mean(0)) / (x[:6].var(0, correction=0) + 0.5).sqrt())
    torch.testing.assert_close(norm.running_mean, x.mean(0))
    torch.testing.assert_close(norm.running_var, (x[:6].var(0) + x[6:].var(0)) / 2)


@pytest.mark.parametrize(("b", "splits"), [(10, 4), (3, 8), (1, 2), (9, 2)])
@pytest.mark.parametrize("cls", [SplitBatchNorm1d, SplitBatchNorm2d])
def test_a_batch_that_does_not_part_is_refused_with_both_numbers(cls: Any, b: int, splits: int) -> None:
    norm = cls(3, splits)
    before = copy.deepcopy(norm.state_dict())
    shape = (b, 3) if cls is SplitBatchNorm1d else (b, 3, 2, 2)
    with pytest.raises(ValueError, match=f"a batch of {b} does not part into {splits} equal splits"):
        norm(torch.zeros(shape))
    assert all(torch.equal(before[k], v) for k, v in norm.state_dict().items())


def test_parts_of_one_value_are_refused_and_of_one_map_are_not() -> None:
    with pytest.raises(ValueError, match="a batch of 4 in 4 splits leaves batch norm one value in each"):
        SplitBatchNorm1d(3, 4)(torch.zeros(4, 3))
    with pytest.raises(ValueError, match="a batch of 4 in 4 splits leaves batch norm one value in each"):
        SplitBatchNorm2d(3, 4)(torch.zeros(4, 3, 1, 1))
    norm, x = filled(SplitBatchNorm2d(3, 4)), values(4, 3, 2, 2)
    torch.testing.assert_close(norm(x), plain(filled(SplitBatchNorm2d(3, 4)), x, 4)[0])


# -- eval mode and state -------------------------------------------------------------------------------------


@pytest.mark.parametrize("b", [1, 5, 12])
@pytest.mark.parametrize(("cls", "ordinary", "shape"), KINDS)
def test_eval_mode_is_ordinary_batch_norm(cls: Any, ordinary: Any, shape: tuple[int, ...], b: int) -> None:
    """Of any batch: no splits have to divide it."""
    ours, theirs, x = filled(cls(3, 4)).eval(), filled(ordinary(3)).eval(), values(b, *shape[1:])
    assert torch.equal(ours(x), theirs(x))
    assert ours.num_batches_tracked.item() == 7


@pytest.mark.parametrize(("cls", "ordinary", "_"), KINDS)
def test_its_state_is_that_of_batch_norm(cls: Any, ordinary: Any, _: Any) -> None:
    ours, theirs = cls(3, 4), filled(ordinary(3), torch.float32)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    assert isinstance(ours, ordinary)
    for a, b in zip(cls(3, 4).state_dict().values(), ordinary(3).state_dict().values(), strict=True):
        assert torch.equal(a, b)


# -- memory format, precision, compiler, meta device ---------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_channels_last_stays_channels_last(training: bool) -> None:
    norm = SplitBatchNorm2d(3, 4).train(training)
    x = values(12, 3, 4, 5, dtype=torch.float32)
    last = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    y = norm(last)
    assert y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y, copy.deepcopy(norm)(x))


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("cls", "_", "shape"), KINDS)
def test_half_precision_has_statistics_of_float32(
    cls: Any, _: Any, shape: tuple[int, ...], dtype: torch.dtype, compiled: bool
) -> None:
    ours, theirs, x = filled(cls(3, 4), torch.float32), filled(cls(3, 4), torch.float32), values(*shape).to(dtype)
    torch._dynamo.reset()
    y = (torch.compile(ours, fullgraph=True, backend="aot_eager") if compiled else ours)(x)
    expected = theirs(x.float())
    assert y.dtype == dtype
    torch.testing.assert_close(y.float(), expected, rtol=1e-2, atol=2e-2)
    for name in STATE:
        torch.testing.assert_close(ours.get_buffer(name), theirs.get_buffer(name), rtol=1e-5, atol=1e-5)


def test_a_large_mean_does_not_cost_the_variance_its_digits() -> None:
    x = (values(12, 3, 4, 5) + 3000).float()
    torch._dynamo.reset()
    for run in (lambda n: n, lambda n: torch.compile(n, fullgraph=True, backend="aot_eager")):
        norm = SplitBatchNorm2d(3, 2)
        torch.testing.assert_close(run(norm)(x), plain(norm, x.double(), 2)[0].float(), rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(("cls", "_", "shape"), KINDS)
def test_compiled_it_computes_the_same(cls: Any, _: Any, shape: tuple[int, ...], affine: bool) -> None:
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("aot_eager")
    ours, theirs = filled(cls(3, 4, affine=affine)), filled(cls(3, 4, affine=affine))
    compiled = torch.compile(ours, fullgraph=True, backend=counter)
    for seed in range(2):
        x = values(*shape, seed=seed).requires_grad_()
        y, expected = compiled(x), theirs(x)
        torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-11)
        torch.testing.assert_close(
            gradients(y, [x, *ours.parameters()]),
            gradients(expected, [x, *theirs.parameters()]),
            rtol=1e-8,
            atol=1e-10,
        )
        for name in STATE:
            torch.testing.assert_close(ours.get_buffer(name), theirs.get_buffer(name), rtol=1e-12, atol=1e-12)
    assert counter.frame_count == 1


def test_compiled_it_keeps_channels_last() -> None:
    torch._dynamo.reset()
    compiled = torch.compile(SplitBatchNorm2d(3, 4), fullgraph=True, backend="aot_eager")
    x = values(12, 3, 4, 5, dtype=torch.float32).contiguous(memory_format=torch.channels_last)
    assert compiled(x).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("mode", "device"), [(nullcontext, "meta"), (FakeTensorMode, "cpu")], ids=["meta", "fake"])
def test_without_data_the_parts_are_not_gone_through(mode: Any, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` runs networks with hundreds of norms, for their shapes and memory only."""
    one = Mock(wraps=functional.batch_norm)
    monkeypatch.setattr(functional, "batch_norm", one)
    with mode():
        with torch.device(device):
            norm = SplitBatchNorm2d(3, splits=4)
        assert norm(torch.empty(12, 3, 4, 5, device=device)).shape == (12, 3, 4, 5)
        assert one.call_count == 1
        with pytest.raises(ValueError, match="a batch of 10 does not part into 4"):
            norm(torch.empty(10, 3, 4, 5, device=device))


@pytest.mark.parametrize(("cls", "_", "shape"), KINDS)
def test_on_the_meta_device(cls: Any, _: Any, shape: tuple[int, ...]) -> None:
    with torch.device("meta"):
        norm = cls(3, 4)
        assert norm(torch.empty(shape)).shape == shape
        with pytest.raises(ValueError, match="a batch of 10 does not part into 4"):
            norm(torch.empty(10, *shape[1:]))


# -- the choice of a norm ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        ("batch", nn.BatchNorm2d),
        ("split_batch", SplitBatchNorm2d),
        ("group", nn.GroupNorm),
        (Batch(), nn.BatchNorm2d),
        (SplitBatch(splits=4), SplitBatchNorm2d),
        (Group(groups=4), nn.GroupNorm),
    ],
)
def test_norms_of_maps(choice: Any, kind: type[nn.Module]) -> None:
    assert type(map_norm(choice)(64)) is kind


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        ("batch", nn.BatchNorm1d),
        ("split_batch", SplitBatchNorm1d),
        ("layer", nn.LayerNorm),
        (Batch(), nn.BatchNorm1d),
        (SplitBatch(splits=4), SplitBatchNorm1d),
        (Layer(), nn.LayerNorm),
    ],
)
def test_norms_of_vectors(choice: Any, kind: type[nn.Module]) -> None:
    scaled, bare = vector_norm(choice), vector_norm(choice, affine=False)
    assert scaled is not None
    assert bare is not None
    assert type(scaled(64)) is type(bare(64)) is kind
    assert [p.shape for p in scaled(64).parameters()] == [(64,), (64,)]
    assert not list(bare(64).parameters())
    assert bare(64)(torch.randn(16, 64)).shape == (16, 64)


def test_no_norm() -> None:
    assert vector_norm("none") is None
    assert vector_norm(Nothing()) is None


def test_options_have_the_defaults_that_the_names_have() -> None:
    named: Any = map_norm("split_batch")(64), map_norm("group")(64)
    given: Any = map_norm(SplitBatch(splits=2))(64), map_norm(Group(groups=1))(64)
    assert (named[0].splits, named[1].num_groups) == (8, 32)
    assert (given[0].splits, given[1].num_groups) == (2, 1)


@pytest.mark.parametrize(("channels", "groups"), [(16, 32), (48, 32), (10, 4)])
def test_groups_that_do_not_divide_the_channels_are_refused(channels: int, groups: int) -> None:
    with pytest.raises(ValueError, match=f"{channels} channels do not part into {groups} groups"):
        map_norm(Group(groups=groups))(channels)


# -- dealing out the batch -----------------------------------------------------------------------------------


def test_splits_of_is_the_largest_inside() -> None:
    assert splits_of(SplitBatchNorm1d(3, 4)) == 4
    assert splits_of(nn.Sequential(SplitBatchNorm1d(3, 2), nn.Sequential(SplitBatchNorm2d(3, 6)))) == 6
    assert splits_of(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU())) == 1


def test_deal_takes_turns() -> None:
    assert deal(torch.arange(6), 2).tolist() == [0, 3, 1, 4, 2, 5]
    assert deal(torch.arange(6), 3).tolist() == [0, 2, 4, 1, 3, 5]


@pytest.mark.parametrize("splits", [1, 2, 3, 4, 6, 12])
def test_undeal_undoes_deal(splits: int) -> None:
    x = values(12, 3, 2, 2)
    assert torch.equal(undeal(deal(x, splits), splits), x)
    assert torch.equal(deal(undeal(x, splits), splits), x)


@pytest.mark.parametrize(("b", "splits"), [(8, 2), (16, 4), (32, 4), (64, 8)])
def test_a_part_dealt_has_as_many_samples_from_each_part(b: int, splits: int) -> None:
    size = b // splits
    for part in deal(torch.arange(b), splits).chunk(splits):
        assert torch.bincount(part // size, minlength=splits).tolist() == splits * [size // splits]


def test_keys_have_other_statistics_than_their_queries() -> None:
    norm, x = SplitBatchNorm1d(3, 4).double(), values(16, 3)
    queries, keys = norm(x), undeal(norm(deal(x, 4)), 4)
    assert not torch.isclose(queries, keys).any(1).all()
    order = deal(torch.arange(16), 4)
    torch.testing.assert_close(keys[order], norm(x[order]))


@pytest.mark.parametrize("splits", [2, 4])
def test_dealing_keeps_channels_last(splits: int) -> None:
    x = values(16, 3, 4, 5, dtype=torch.float32)
    last = x.contiguous(memory_format=torch.channels_last)
    for move in (deal, undeal):
        assert torch.equal(move(last, splits), move(x, splits))
        assert move(last, splits).is_contiguous(memory_format=torch.channels_last)
        assert move(x, splits).is_contiguous()


@pytest.mark.parametrize("shape", [(10,), (10, 3), (10, 3, 2, 2)])
def test_a_batch_that_cannot_be_dealt_out_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a batch of 10 does not part into 4 equal splits"):
        deal(torch.zeros(shape), 4)

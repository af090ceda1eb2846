"""The memory bank: draws, weights, masks, and the moving average of each entry, sample by sample in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import MOCO, Write, problems_of
from pydantic import ValidationError
from scipy.stats import chisquare
from torch import Tensor

import graphssl
from graphssl.component import REGISTRY, DataFacts, Sizes, Unbound, build
from graphssl.components.negatives import MemoryBank
from graphssl.testing import check_component

D, SAMPLES = 5, 20


def bank(**config: Any) -> MemoryBank:
    torch.manual_seed(0)
    node = build(MemoryBank, sizes=Sizes({"d": D}, DataFacts(samples=SAMPLES)), **config)
    assert isinstance(node, MemoryBank)
    return node


@torch.no_grad()
def store(node: MemoryBank, index: Tensor, key: Tensor) -> None:
    node.store(index, key)


def plain_store(entries: Tensor, index: Tensor, key: Tensor, momentum: float) -> Tensor:
    """v_i <- normalise(m v_i + (1 - m) f_i), f_i a unit vector; reads see the entries as they were."""
    old, new = entries.double(), entries.double()
    for i, f in zip(index.tolist(), key.double(), strict=True):
        v = momentum * old[i] + (1 - momentum) * f / f.norm()
        new[i] = v / v.norm()
    return new


def draws_of(node: MemoryBank, b: int, seed: int = 0) -> Tensor:
    return node.draw(b, torch.Generator().manual_seed(seed), torch.device("cpu"))


def test_it_starts_with_a_random_unit_vector_for_each_sample() -> None:
    node = bank()
    assert node.keys.shape == (SAMPLES, D)
    torch.testing.assert_close(node.keys.norm(dim=1), torch.ones(SAMPLES))
    assert set(node.state_dict()) == {"keys"}


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 1.0])
def test_entries_move_towards_their_keys(momentum: float) -> None:
    node = bank(momentum=momentum)
    index = torch.tensor([3, 19, 0, 7])
    expected = node.keys.double()
    for step in range(3):
        key = 4 * torch.randn(4, D, generator=torch.Generator().manual_seed(step))
        expected = plain_store(expected, index, key, momentum)
        store(node, index, key)
    torch.testing.assert_close(node.keys.double(), expected, rtol=1e-6, atol=1e-6)


def test_other_entries_stay_as_they_are() -> None:
    node = bank()
    before = node.keys.clone()
    store(node, torch.tensor([2, 5]), torch.randn(2, D))
    changed = (node.keys != before).any(1)
    assert changed.nonzero().flatten().tolist() == [2, 5]


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_of_several_keys_for_a_sample_the_last_counts(momentum: float) -> None:
    node = bank(momentum=momentum)
    index, key = torch.tensor([4, 1, 4, 9, 1, 4]), torch.randn(6, D)
    expected = plain_store(node.keys, index, key, momentum)
    store(node, index, key)
    torch.testing.assert_close(node.keys.double(), expected, rtol=1e-6, atol=1e-6)


def test_a_skipped_step_leaves_every_entry() -> None:
    node, other = bank(), bank()
    index, key = torch.tensor([4, 1, 4, 9, 1, 4]), torch.randn(6, D)
    before = node.keys.clone()
    node.skipped = torch.tensor(True)
    store(node, index, key.half() * float("inf"))
    assert torch.equal(node.keys, before)
    node.skipped = torch.tensor(False)
    store(node, index, key), store(other, index, key)
    assert torch.equal(node.keys, other.keys)


def test_a_scheduled_momentum_is_read_in_each_update() -> None:
    node = bank(momentum={"from": 0.0, "to": 1.0})
    index, key = torch.arange(4), torch.randn(4, D)
    for momentum in (0.25, 1.0):
        assert isinstance(node.momentum, Tensor)
        node.momentum.fill_(momentum)
        expected = plain_store(node.keys, index, key, momentum)
        store(node, index, key)
        torch.testing.assert_close(node.keys.double(), expected, rtol=1e-6, atol=1e-6)


def test_keys_of_half_precision_are_cast() -> None:
    node = bank(momentum=0.0)
    store(node, torch.tensor([1]), torch.full((1, D), 2.0, dtype=torch.bfloat16))
    torch.testing.assert_close(node.keys[1], torch.full((D,), D**-0.5))


def test_a_batch_of_one() -> None:
    node = bank(sample=3)
    index = torch.tensor([SAMPLES - 1])
    assert node(index, draws_of(node, 1)).pick.shape == (1, 3)
    store(node, index, torch.ones(1, D))


# -- reading -------------------------------------------------------------------------------------------------


def test_draws_are_uniform_and_come_from_the_generator() -> None:
    node = bank(sample=1000)
    draws = draws_of(node, 40)
    counts = torch.bincount(draws.flatten(), minlength=SAMPLES).double()
    expected = 40 * 1000 / SAMPLES
    chi_squared = ((counts - expected) ** 2 / expected).sum().item()
    assert len(counts) == SAMPLES
    assert chi_squared < 43.8  # 19 degrees of freedom, 0.1 percent
    assert torch.equal(draws, draws_of(node, 40))
    assert not torch.equal(draws, draws_of(node, 40, seed=1))
    assert not torch.equal(draws[0], draws[1])


def test_drawn_entries_are_picked_and_the_own_one_is_masked() -> None:
    node = bank(sample=50)
    index = torch.tensor([3, 11, 3])
    draws = draws_of(node, 3)
    given = node(index, draws)
    assert given.entries is node.keys
    assert given.pick is draws
    for i in range(3):
        assert given.mask[i].tolist() == [j == index[i] for j in draws[i].tolist()]
    assert given.mask.any()


def test_without_a_sample_all_entries_are_negatives() -> None:
    given = bank(sample=None)(torch.tensor([3, 11]))
    assert given.pick is None
    assert given.mask.shape == (2, SAMPLES)
    assert given.mask.nonzero().tolist() == [[0, 3], [1, 11]]


@pytest.mark.parametrize("sample", [6, None])
def test_the_own_entry_may_be_kept(sample: int | None) -> None:
    node = bank(sample=sample, own="keep")
    assert node(torch.tensor([3]), draws_of(node, 1) if sample else None).mask is None


def test_only_a_bank_that_draws_is_random() -> None:
    entry = REGISTRY["negatives.memory_bank"]
    assert entry.signature(MemoryBank.Config(), {}).draws
    assert not entry.signature(MemoryBank.Config(sample=None), {}).draws


def test_draws_have_their_shape_on_the_meta_device() -> None:
    node = bank(sample=9)
    assert node.draw(4, None, torch.device("meta")).shape == (4, 9)


# -- weights -------------------------------------------------------------------------------------------------


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the current folder: 0, 1, 2, ... 19."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.txt"
    path.write_text("".join(f"{i}\n" for i in range(SAMPLES)))
    return path


def test_draws_are_in_proportion_to_the_weights(weights: Path) -> None:
    node = bank(sample=1000, weights="weights.txt")
    draws = draws_of(node, 40)
    counts = torch.bincount(draws.flatten(), minlength=SAMPLES)
    expected = 40_000 * torch.arange(SAMPLES) / sum(range(SAMPLES))
    assert counts[0] == 0
    assert chisquare(counts[1:], expected[1:]).pvalue > 1e-3
    assert torch.equal(draws, draws_of(node, 40))
    assert not torch.equal(draws[0], draws[1])


def test_the_path_of_weights_may_begin_at_home(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(weights.parent))
    monkeypatch.chdir("/")
    assert bank(sample=5, weights="~/weights.txt").sampler is not None


def test_the_own_entry_is_masked_among_weighted_draws(weights: Path) -> None:
    node = bank(sample=50, weights="weights.txt")
    draws = draws_of(node, 2)
    assert node(torch.tensor([19, 0]), draws).mask.tolist() == [
        [j == i for j in row] for i, row in zip((19, 0), draws.tolist(), strict=True)
    ]


def test_weights_are_no_part_of_the_state(weights: Path) -> None:
    node = bank(weights="weights.txt")
    assert set(node.state_dict()) == {"keys"}
    node.load_state_dict(bank().state_dict())


def test_a_bank_with_weights_keeps_the_contract(weights: Path) -> None:
    check_component(MemoryBank, {"sample": 5, "weights": "weights.txt"}, samples=SAMPLES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n" * 19, "weights.txt has 19 lines for 20 training samples: one weight for each"),
        ("1\n" * 20 + "\n", "weights.txt has 21 lines"),
        ("", "weights.txt has 0 lines"),
        ("1\n" * 4 + "-0.5\n" + "1\n" * 15, "weights.txt:5: '-0.5' is not a weight: a number, 0 or more"),
        ("1\n" * 19 + "one\n", "weights.txt:20: 'one' is not a weight"),
        ("nan\n" + "1\n" * 19, "weights.txt:1: 'nan' is not a weight"),
        ("1\n" * 19 + "inf\n", "weights.txt:20: 'inf' is not a weight"),
        ("1\n" * 19 + "1 2\n", "weights.txt:20: '1 2' is not a weight"),
        ("1\n" * 19 + "\n", "weights.txt:20: '' is not a weight"),
        ("0\n" * 20, "weights.txt: all weights are 0, so that no sample can be drawn"),
    ],
)
def test_wrong_weights_are_refused_with_their_line(weights: Path, text: str, message: str) -> None:
    weights.write_text(text)
    with pytest.raises(ValueError, match="weights") as caught:
        bank(weights="weights.txt")
    assert str(caught.value).startswith(message)


def test_a_file_that_cannot_be_read(weights: Path) -> None:
    with pytest.raises(
        ValueError, match=f"there is no file weigths.txt in {weights.parent}; did you mean 'weights.txt'"
    ):
        bank(weights="weigths.txt")
    with pytest.raises(ValueError, match=r"there is no file elsewhere/w\.txt in .*[^?]$"):
        bank(weights="elsewhere/w.txt")
    with pytest.raises(ValueError, match=r"there is no file /nowhere/w\.txt$"):
        bank(weights="/nowhere/w.txt")
    with pytest.raises(ValueError, match=r"^\. cannot be read: Is a directory"):
        bank(weights=".")
    weights.write_bytes(b"\xff\xfe1")
    with pytest.raises(ValueError, match=r"weights\.txt cannot be read: it is not text"):
        bank(weights="weights.txt")


def test_a_graph_with_wrong_weights_is_told_at_its_node(write: Write, weights: Path) -> None:
    changes = (
        (
            "queue:     {use: negatives.queue, size: 48}",
            "queue:     {use: negatives.memory_bank, sample: 8, weights: weights.txt}",
        ),
        ("queue())", "queue(batch.index))"),
        ("queue: push(k)", "queue: store(batch.index, k)"),
    )
    (problem,) = problems_of(graphssl.check, str(write(MOCO, *changes)))
    assert problem.startswith(
        f"{weights.parent}/graph.yaml:8:3: 'queue' (negatives.memory_bank) cannot be built: weights.txt has 20 lines"
    )


def test_weights_without_draws_are_refused() -> None:
    with pytest.raises(ValidationError, match="weights say how entries are drawn, and sample: null takes all of them"):
        MemoryBank.Config(sample=None, weights="weights.txt")


# -- configuration -------------------------------------------------------------------------------------------


def test_it_needs_the_number_of_samples() -> None:
    with pytest.raises(Unbound, match="samples"):
        build(MemoryBank, sizes=Sizes({"d": D}))


@pytest.mark.parametrize("wrong", [{"sample": 0}, {"momentum": 1.1}, {"momentum": -0.1}, {"own": "drop"}, {"size": 5}])
def test_wrong_configs_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MemoryBank.Config(**wrong)

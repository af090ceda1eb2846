"""The nearest neighbour: found by cosine, entry by entry, among those that the support's mask and pick leave."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from graphssl.component import Sizes, build
from graphssl.components.critic import Cosine
from graphssl.components.negatives import InBatch, Queue
from graphssl.components.objective import Regression
from graphssl.components.target import Nearest
from graphssl.ports import Negatives, Own, pieces
from graphssl.testing import check_component


def values(b: int = 5, n: int = 9, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Keys, and entries of very different lengths."""
    generator = torch.Generator().manual_seed(0)
    key = torch.randn(b, 4, generator=generator, dtype=torch.float64)
    entries = torch.randn(n, 4, generator=generator, dtype=torch.float64)
    return key.to(dtype), (entries * torch.linspace(0.1, 10, n, dtype=torch.float64)[:, None]).to(dtype)


def plain_nearest(key: Tensor, entries: Tensor, allowed: list[list[int]]) -> Tensor:
    """The entry with the smallest distance of unit vectors, row by row; the key where none is allowed."""
    found = []
    for row, indices in zip(key, allowed, strict=True):
        distance = {j: (row / row.norm() - entries[j] / entries[j].norm()).norm().item() for j in indices}
        found.append(entries[min(distance, key=distance.__getitem__)] if distance else row)
    return torch.stack(found)


def test_the_nearest_by_cosine_is_taken_as_it_is_stored() -> None:
    key, entries = values()
    found = build(Nearest)(key, Negatives(entries))
    assert torch.equal(found, plain_nearest(key, entries, [list(range(9))] * 5))
    assert torch.equal(build(Nearest)(100 * key, Negatives(entries)), found)


def test_entries_that_are_masked_are_not_taken() -> None:
    key, entries = values()
    mask = torch.rand(5, 9, generator=torch.Generator().manual_seed(1)) < 0.7
    mask[2] = True
    found = build(Nearest)(key, Negatives(entries, mask=mask))
    allowed = [[j for j in range(9) if not mask[i, j]] for i in range(5)]
    assert torch.equal(found, plain_nearest(key, entries, allowed))
    assert torch.equal(found[2], key[2])


@pytest.mark.parametrize("n", [9, 400])  # from 50 times the picked on, the critics gather rows
@pytest.mark.parametrize("masked", [False, True])
def test_of_picked_entries_the_nearest_is_taken(n: int, masked: bool) -> None:
    key, entries = values(n=n)
    generator = torch.Generator().manual_seed(2)
    pick = torch.randint(n, (5, 4), generator=generator)
    mask = torch.rand(5, 4, generator=generator) < 0.5 if masked else None
    found = build(Nearest)(key, Negatives(entries, pick, mask))
    allowed = [[int(pick[i, m]) for m in range(4) if mask is None or not mask[i, m]] for i in range(5)]
    assert torch.equal(found, plain_nearest(key, entries, allowed))


def test_in_a_queue_a_key_finds_itself_and_a_neighbour_of_it() -> None:
    torch.manual_seed(0)
    queue = build(Queue, sizes=Sizes({"d": 4}), size=16)
    key = torch.randn(3, 4)
    with torch.no_grad():
        queue.push(key)  # type: ignore[operator]
    assert torch.equal(build(Nearest)(key + 1e-3, queue()), key)


def test_of_the_batch_the_own_entry_is_left_out() -> None:
    key, _ = values()
    near = torch.cat([key, key + 1e-3])
    found = build(Nearest)(near, build(InBatch)((near,)))
    torch.testing.assert_close(found, torch.cat([key + 1e-3, key]))


def test_a_batch_of_one_alone_is_its_own_neighbour() -> None:
    key, _ = values(b=1)
    assert torch.equal(build(Nearest)(key, build(InBatch)((key,))), key)


# -- several -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [False, True])
def test_several_keep_the_contract(own: bool) -> None:
    check_component(Nearest, config={"count": 3, "own": own})


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("own", [False, True])
def test_several_are_taken_the_nearest_first(
    large: bool, masked: bool, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where too few are left the key stands for the rest; with `own` it is the first."""
    if large:
        monkeypatch.setattr(pieces, "PIECE", 2 * 5 * 8)  # of 9 entries 2 at a time
    key, entries = values()
    mask = torch.rand(5, 9, generator=torch.Generator().manual_seed(1)) < 0.7 if masked else None
    found = build(Nearest, count=4, own=own)(key, Negatives(entries, mask=mask))
    for i in range(5):
        cosine = {j: torch.cosine_similarity(key[i], entries[j], 0).item() for j in range(9)}
        left = [j for j in sorted(cosine, key=lambda j: -cosine[j]) if mask is None or not mask[i, j]]
        rows = ([key[i]] if own else []) + [entries[j] for j in left]
        assert torch.equal(found[i], torch.stack((rows + [key[i]] * 4)[:4]))


def test_of_several_picked_entries_the_nearest_are_taken() -> None:
    key, entries = values(n=30)
    pick = torch.randint(30, (5, 6), generator=torch.Generator().manual_seed(2))
    found = build(Nearest, count=2)(key, Negatives(entries, pick))
    for i in range(5):
        near = torch.cosine_similarity(key[i], entries[pick[i]], 1).argsort(descending=True)[:2]
        assert torch.equal(found[i], entries[pick[i]][near])


def test_mean_shift_with_one_neighbour_is_byol() -> None:
    """As the paper says: the key itself is the nearest."""
    key, entries = values()
    assert torch.equal(build(Nearest, count=1, own=True)(key, Negatives(entries)), key)


def test_mean_shift_is_the_mean_of_the_squared_distances_to_the_nearest() -> None:
    """Equation 1, value and gradient: the memory has the targets of this step already."""
    target, memory = values(n=12)
    query = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    near = build(Nearest, count=3, own=True)(target, Negatives(memory))
    ours = build(Regression)(build(Cosine)(query, near))
    theirs = query.new_zeros(())
    for q, u in zip(query, target, strict=True):
        bank = [u / u.norm(), *(m / m.norm() for m in memory)]
        nearest = sorted(bank, key=lambda z: -(z @ u).item())[:3]
        theirs = theirs + sum(((q / q.norm() - z) ** 2).sum() for z in nearest) / 3 / len(query)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(torch.autograd.grad(ours, query), torch.autograd.grad(theirs, query))


def test_it_carries_no_gradient() -> None:
    key, entries = (t.requires_grad_() for t in values())
    assert not build(Nearest)(key, Negatives(entries, mask=torch.zeros(5, 9, dtype=torch.bool))).requires_grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keys_among_float32_entries(dtype: torch.dtype) -> None:
    key, entries = values(dtype=torch.float32)
    mask = torch.zeros(5, 9, dtype=torch.bool)
    mask[0] = True
    with torch.autocast("cpu", torch.bfloat16):
        found = build(Nearest)(key.to(dtype), Negatives(entries, mask=mask))
    assert found.dtype == torch.float32
    assert torch.equal(found[1:], build(Nearest)(key.to(dtype).float(), Negatives(entries))[1:])
    assert torch.equal(found[0], key[0].to(dtype).float())


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("large", [False, True])
def test_a_support_for_other_samples_is_refused(rows: int, large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:
        monkeypatch.setattr(pieces, "PIECE", 1)
    key, entries = values()
    for mask in (torch.zeros(rows, 9, dtype=torch.bool), Own(torch.arange(rows), 9)):
        with pytest.raises(ValueError, match=f"made for {rows} samples, and there are 5 queries"):
            build(Nearest)(key, Negatives(entries, None, mask))

"""Scores for the tests of objectives, and the same scores one by one, for formulas written as loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from graphssl.component import build, find
from graphssl.ports import Scores

Rows = list[tuple[list[Tensor], list[Tensor]]]


def node(name: str, **config: object) -> nn.Module:
    """An objective by its name, without `objective.`"""
    return build(find(f"objective.{name}"), **config)


def sample(
    b: int = 4, more: Sequence[int] = (), n: int = 6, scale: float = 2.0, dtype: torch.dtype = torch.float64,
    masked: float = 0.0, same: float = 0.0,
) -> Scores:  # fmt: skip
    """Normal scores with a gradient: positives `b more`, and of the negatives these shares masked and `same`.

    With a mask the first query has no negatives at all.
    """
    generator = torch.Generator().manual_seed(0)
    positive, negative = (
        (torch.randn(shape, generator=generator, dtype=torch.float64) * scale).to(dtype).requires_grad_()
        for shape in ((b, *more), (b, n))
    )
    marks = torch.rand(2, b, n, generator=generator)
    mask = marks[0] < masked
    mask[0] |= masked > 0
    return Scores(positive, negative, mask if masked else None, marks[1] < same if same else None)


def rows(scores: Scores) -> Rows:
    """For each query its positives and those of its negatives that count."""
    return list(_rows(scores))


def _rows(scores: Scores) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    for i in range(len(scores.positive)):
        kept = [
            t
            for j, t in enumerate(scores.negative[i])
            if not any(marks is not None and marks[i, j] for marks in (scores.mask, scores.same))
        ]
        yield list(scores.positive[i].reshape(-1)), kept


def mean(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean() if values else torch.zeros((), dtype=torch.float64)


def total(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).sum() if values else torch.zeros((), dtype=torch.float64)


def positives(given: Rows) -> list[Tensor]:
    return [t for positive, _ in given for t in positive]


def negatives(given: Rows) -> list[Tensor]:
    return [t for _, negative in given for t in negative]


def gradients(loss: Tensor, scores: Scores) -> tuple[Tensor, ...]:
    """Of positives and negatives; zero where none arrives."""
    leaves = [t for t in scores[:2] if t is not None]
    found = torch.autograd.grad(loss, leaves, allow_unused=True)
    return tuple(torch.zeros_like(t) if g is None else g for t, g in zip(leaves, found, strict=True))


def agree(ours: Callable[[Scores], Tensor], theirs: Callable[[Scores], Tensor], scores: Scores) -> None:
    """The same value and the same gradient."""
    one, two = ours(scores), theirs(scores)
    assert one.shape == ()
    torch.testing.assert_close(one, two, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(gradients(one, scores), gradients(two, scores), rtol=1e-8, atol=1e-12)

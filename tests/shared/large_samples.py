"""Banks, critics and objectives for the tests of large negatives, and pieces so small that a test's are large."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from score_samples import node
from torch import Tensor, nn

from graphssl.component import DataFacts, Sizes, build
from graphssl.components.critic import picked
from graphssl.components.negatives import MemoryBank
from graphssl.ports import pieces

D = 6
BY_PIECES: dict[str, dict[str, Any]] = {
    "infonce": {}, "n_pair": {}, "decoupled": {}, "dv": {}, "nce": {}, "nce_fixed": {"log_z": -0.5}, "nce_learned": {},
    "jsd": {}, "nwj": {}, "score_penalty": {},
}  # fmt: skip
BY_PIECES_TOO = {**BY_PIECES, "decoupled weighted": {"weight": "von_mises"}}
Critic = type[nn.Module]


def critic(cls: Critic, dtype: torch.dtype = torch.float64, d: int = D, **config: Any) -> nn.Module:
    torch.manual_seed(5)
    return build(cls, sizes=Sizes({"d": d, "e": d}), **config).to(dtype)


def objective(name: str) -> nn.Module:
    return node(name.split()[0], **BY_PIECES_TOO.get(name, {}))


def values(b: int = 5, n: int = 31, entries_learn: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key, entries: float64, with a gradient."""
    generator = torch.Generator().manual_seed(0)
    query, key, entries = (torch.randn(k, D, generator=generator, dtype=torch.float64) for k in (b, b, n))
    return query.requires_grad_(), key.requires_grad_(), entries.requires_grad_(entries_learn)


def bank(samples: int, d: int = D, **config: Any) -> MemoryBank:
    torch.manual_seed(0)
    made = build(MemoryBank, sizes=Sizes({"d": d}, DataFacts(samples=samples)), **config)
    assert isinstance(made, MemoryBank)
    return made


def small(monkeypatch: pytest.MonkeyPatch, size: int = 240) -> None:
    """Pieces of so few bytes that scores of the tests are large."""
    monkeypatch.setattr(pieces, "PIECE", size)
    monkeypatch.setattr(picked, "PIECE", size)


def both_ways(monkeypatch: pytest.MonkeyPatch, run: Callable[[], Any], size: int = 240) -> tuple[Any, Any]:
    """The same at once, and by pieces."""
    at_once = run()
    small(monkeypatch, size)
    return at_once, run()

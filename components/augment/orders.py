"""Orders of things that differ in as many places as they can."""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

__all__ = ["ALL", "distant_orders", "rank"]

ALL = 9  # things of which every order is a candidate; of more, so many as of these are drawn
COUNTABLE = 20  # things whose orders a number of 64 bits counts


@lru_cache(maxsize=8)
def distant_orders(n: int, count: int, seed: int) -> Annotated[Tensor, "k n"]:
    """`count` different orders of n things, each the one that differs from those before it in most places on average.

    Algorithm 1 of Noroozi and Favaro 2016 (arXiv:1603.09246), which begins with an order at random: with `seed`.
    Raises ValueError where there are not so many.
    """
    if count > math.factorial(n):
        raise ValueError(f"{n} tiles have {math.factorial(n)} orders, and {count} are asked for")
    generator = np.random.default_rng(seed)
    candidates = _candidates(n, count, generator)
    columns = np.ascontiguousarray(candidates.T)
    total = np.zeros(len(candidates), np.int64)  # the places in which each candidate differs from those taken, in all
    chosen = [int(generator.integers(len(candidates)))]
    while len(chosen) < count:
        last = chosen[-1]
        for column in columns:
            total += column != column[last]
        total[last] = -(n * count) - 1  # never again
        chosen.append(int(total.argmax()))
    return torch.from_numpy(candidates[chosen].astype(np.int64))


def _candidates(n: int, count: int, generator: np.random.Generator) -> np.ndarray:
    if n <= ALL:
        return np.array(list(itertools.permutations(range(n))), np.uint8)
    many = max(math.factorial(ALL), 2 * count)
    drawn = generator.random((many, n), np.float32).argsort(1).astype(np.uint8 if n <= 256 else np.int64)
    return np.unique(drawn, axis=0)


def rank(order: Annotated[Tensor, "b n"]) -> Annotated[Tensor, "b"]:
    """The number of an order among all of them, as a dictionary lists them; from 0 to n! - 1."""
    n = order.shape[1]
    later_and_less = (order[:, None, :] < order[:, :, None]).triu(1).sum(2)
    factorials = torch.arange(n, device=order.device).clamp_min(1).cumprod(0)  # 0! to (n - 1)!, made on the device
    return (later_and_less * factorials.flip(0)).sum(1)

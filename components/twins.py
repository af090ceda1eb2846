"""The same network in a plain library: how it is made there, and what its weights are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["IDENTITY", "Code", "Twin", "arguments", "conv"]

IDENTITY = "torch.nn.Identity()"


@dataclass(frozen=True)
class Twin:
    """A network of a plain library that takes a node's weights and gives the same vector.

    imports: the modules that `lines`, Python that makes it as `model`, use beside torch. renames: pairs of a regular
    expression and what stands for it, one after the other, from our names of weights to its.
    """

    imports: tuple[str, ...]
    lines: tuple[str, ...]
    renames: Sequence[tuple[str, str]] = ()


def arguments(*given: Any, **named: Any) -> str:
    """As they stand in a call; texts that are code are wrapped in `Code`."""
    return ", ".join([*map(repr, given), *(f"{key}={value!r}" for key, value in named.items())])


class Code(str):
    """Python that stands for itself among arguments."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def conv(channels: int, out: int, kernel: int, stride: int, padding: int) -> str:
    """A convolution without bias."""
    return f"torch.nn.Conv2d({channels}, {out}, {kernel}, {stride}, {padding}, bias=False)"

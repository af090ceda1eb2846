"""Rows of a store that lie with their owners: what a component asks of them."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

__all__ = ["Owned"]


class Owned(Protocol):
    """The n rows of a store, of which each of several processes has its own part.

    rows: `r d`: this process's own, in their order; into one behind them is written what others own.
    """

    rows: Tensor

    def whole(self) -> Annotated[Tensor, "n d"]:
        """All rows, gathered."""
        ...

    def fetch(self, index: Tensor, *, drawn: bool = False) -> tuple[Annotated[Tensor, "k d"], Tensor]:
        """Some rows, and where among them those are whose numbers `index` has, of its shape.

        drawn: whether each number is drawn by itself, of which rows as the store's `share` says.
        """
        ...

    def place(self, index: Annotated[Tensor, "b"]) -> Annotated[Tensor, "b"]:
        """Where to write what is of the rows of these numbers, in `rows`."""
        ...

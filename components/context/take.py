"""Tokens by their places."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..tokens import check_numbers, rows_at

__all__ = ["Take"]


@component("context.take", traits=("rows",))
class Take(nn.Module):
    """The tokens at some places of each sample: `b s d` and their numbers `b m` to `b t d`, t = m.

    What a mask says is hidden, `take(t.tokens, m.hidden)`, as I-JEPA's targets (Assran et al. 2023, arXiv:2301.08243,
    section 3); or kept. Raises ValueError where these are no numbers.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(
        self, tokens: Annotated[Tensor, "b s d"], index: Annotated[Tensor, "b m"]
    ) -> Annotated[Tensor, "b t d"]:
        check_numbers(index, "index")
        return rows_at(tokens, index)

"""A context and what lies some rows below it, as pairs."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from .turn import Toward, turned

__all__ = ["Offset", "Pairs"]

WORDS = {
    "down": ("row", "below"),
    "up": ("row", "above"),
    "right": ("column", "right of"),
    "left": ("column", "left of"),
}


class Pairs(NamedTuple):
    """The context at each position, and what is to be told from it."""

    query: Annotated[Tensor, "p e"]
    key: Annotated[Tensor, "p d"]


@component("context.offset", traits=("rows",))
class Offset(nn.Module):
    """Pairs of the context at (i, j) and the vector at (i + rows, j): `b r k e` and `b r k d` to p rows each.

    CPC's prediction task (van den Oord et al. 2018, arXiv:1807.03748, section 3.2), one node for each number of rows.
    `.query` is `p e`, `.key` is `p d`; p = b * (r - rows) * k, sample by sample, row by row, in the same order. So with
    negatives.in_batch the negatives are the other positions of the same image and of the others. Version 2 predicts
    upwards and sideways too (Henaff et al. 2020, arXiv:1905.09272): `toward: right` pairs (i, j) with (i, j + rows). A
    grid of no more than `rows` rows, or columns, raises ValueError.
    """

    class Config(NodeConfig):
        rows: PositiveInt = Field(1, description="how many rows below the context its key lies, or that way")
        toward: Toward = Field("down", description="where the key lies from the context: down, up, right or left")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.rows, self.toward = config.rows, config.toward

    def forward(self, context: Annotated[Tensor, "b r k e"], z: Annotated[Tensor, "b r k d"]) -> Pairs:
        context, z = turned(context, self.toward), turned(z, self.toward)
        r, (line, lies) = z.shape[1], WORDS[self.toward]
        if r == 1:
            raise ValueError(f"a grid of one {line} has nothing {lies} it")
        if r <= self.rows:
            raise ValueError(f"there is nothing {self.rows} {line}s {lies} in a grid of {r}: rows is at most {r - 1}")
        return Pairs(context[:, : r - self.rows].flatten(0, 2), z[:, self.rows :].flatten(0, 2))

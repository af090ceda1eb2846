"""A sample's own entry in a memory bank."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from graphssl.component import NodeConfig, NodeRef, Sizes, component

from ..negatives import bank_of

__all__ = ["Entry"]


@component("target.entry", detached=True, traits=("rows",))
class Entry(nn.Module):
    """The bank's entries for the samples of the batch, as they were before the step: index `b` to `b d`.

    The positives of instance discrimination, equation 2, and its proximal term, equation 9 (Wu et al. 2018,
    arXiv:1805.01978), and those of CMC (Tian et al. 2019, arXiv:1906.05849), where the bank is the other view's:
    `entry(batch.index)`. Entries are unit vectors and never carry a gradient. Raises ValueError where `of` is
    not a memory bank.
    """

    class Config(NodeConfig):
        of: NodeRef = Field(description="the memory bank")

    def __init__(self, config: Config, sizes: Sizes, of: nn.Module) -> None:
        super().__init__()
        self._bank = (bank_of(of, config.of),)  # a module in a tuple is no child: its state is its own

    def forward(self, index: Annotated[Tensor, "b"]) -> Annotated[Tensor, "b d"]:
        return self._bank[0].entry(index)

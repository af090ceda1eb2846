"""A context of the positions above, from a recurrent network down each column."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

__all__ = ["GRU"]


@component("context.gru", traits=("rows",))
class GRU(nn.Module):
    """A gated recurrent unit down the columns of a grid, the same for each: `b r k d` to `b r k e`.

    The context at (i, j) is the state after the rows 0 to i of column j, which starts with zeros: the autoregressive
    model of CPC (van den Oord et al. 2018, arXiv:1807.03748, section 2.2), whose authors found a recurrent one as good
    as a PixelCNN on images. The unit is that of `torch.nn.GRU`, with its weights in the same order.
    """

    class Config(NodeConfig):
        out: PositiveInt = Field(256, description="e, the size of the state")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        e = config.out
        self.input, self.hidden = nn.Linear(sizes["d"], 3 * e), nn.Linear(e, 3 * e)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(e**-0.5), e**-0.5)

    def forward(self, x: Annotated[Tensor, "b r k d"]) -> Annotated[Tensor, "b r k e"]:
        gates = self.input(x)  # of all rows at once; only the state has to wait
        b, _, k, size = gates.shape
        state = gates.new_zeros(b, k, size // 3)
        states = []
        for row in gates.unbind(1):
            (reset, update, new), (reset_h, update_h, new_h) = row.chunk(3, -1), self.hidden(state).chunk(3, -1)
            candidate = torch.tanh(new + torch.sigmoid(reset + reset_h) * new_h)
            state = torch.lerp(candidate, state, torch.sigmoid(update + update_h))
            states.append(state)
        return torch.stack(states, 1)

"""The part of the picture at which each position of a map looks."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..numeric import exact, wide

__all__ = ["Cells"]


@component("context.cells", detached=True, traits=("rows",))
class Cells(nn.Module):
    """The box in the picture of each position of a view's map: grid `b r k d` and box `b 4` to `b r k 4`.

    The view is parted into r times k equal boxes: top, left, bottom and right, as shares of the picture's height and
    width; of a mirrored view left is beyond right. PixPro's bins (Xie et al. 2021, arXiv:2011.10043, section 3.1) and
    the positions that VICRegL compares (Bardes et al. 2022, arXiv:2210.01571, section 3.2) are their centres. Of the
    grid only the size is used.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, x: Annotated[Tensor, "b r k d"], box: Annotated[Tensor, "b 4"]) -> Annotated[Tensor, "b r k 4"]:
        with exact(x):
            top, left, bottom, right = wide(box.detach())[:, None, None].unbind(3)
            _, r, k, _ = x.shape
            rows = (torch.arange(r + 1, device=x.device, dtype=top.dtype) / r)[None, :, None]
            columns = (torch.arange(k + 1, device=x.device, dtype=top.dtype) / k)[None, None]
            y, x_ = top + rows * (bottom - top), left + columns * (right - left)  # b r+1 1 and b 1 k+1
            sides = (y[:, :-1], x_[:, :, :-1], y[:, 1:], x_[:, :, 1:])
            return torch.stack([side.expand(-1, r, k) for side in sides], 3)

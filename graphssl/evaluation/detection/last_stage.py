"""The last stage of a residual network as the head of boxes and masks: C4 (He et al. 2017, figure 4, left)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torchvision.ops import MultiScaleRoIAlign

__all__ = ["LastStage"]


class LastStage(nn.Module):
    """What is cut of the map for each box, `n c 14 14`, and what the stage makes of it, `n d 7 7`.

    In training the features of masks are some of those of boxes, made once, as in detectron2: so that a batch norm sees
    one batch. after: a norm that follows (MoCo's appendix). still: the norms that keep their statistics.
    """

    def __init__(
        self, pool: MultiScaleRoIAlign, stage: nn.Module, after: nn.Module, still: Sequence[nn.Module]
    ) -> None:
        super().__init__()
        self.pool, self.stage, self.norm, self._still = pool, stage, after, list(still)
        self._proposals: Sequence[Tensor] = ()
        self._made: Tensor | None = None

    def train(self, mode: bool = True) -> LastStage:
        super().train(mode)
        for module in self._still:
            module.eval()
        return self

    def forward(self, x: Annotated[Tensor, "n c a a"]) -> Annotated[Tensor, "n d e e"]:
        found: Tensor = self.norm(self.stage(x))
        return found

    def put_into(self, heads: Any, masks: bool) -> None:
        """Into torchvision's RoIHeads."""
        heads.box_roi_pool, heads.box_head = _Call(self, "_pool_boxes"), _Call(self, "_head_boxes", own=True)
        if masks:
            heads.mask_roi_pool, heads.mask_head = _Call(self, "_pool_masks"), _Call(self, "_head_masks")

    def _pool_boxes(self, features: Any, proposals: Sequence[Tensor], shapes: Any) -> Tensor:
        self._proposals = proposals
        pooled: Tensor = self.pool(features, proposals, shapes)
        return pooled

    def _head_boxes(self, x: Tensor) -> Annotated[Tensor, "n d"]:
        self._made = self(x)
        return self._made.mean(dim=(2, 3))

    def _pool_masks(self, features: Any, boxes: Sequence[Tensor], shapes: Any) -> Tensor:
        """boxes: in training some of the proposals."""
        if not self.training:
            pooled: Tensor = self.pool(features, boxes, shapes)
            return pooled
        made, self._made = self._made, None
        assert made is not None
        rows, first = [], 0
        for known, mine in zip(self._proposals, boxes, strict=True):
            same = (known[:, None] == mine).all(2)
            rows.append(first + same.int().argmax(0))
            first += len(known)
        return made[torch.cat(rows)]

    def _head_masks(self, x: Tensor) -> Tensor:
        found: Tensor = x if self.training else self(x)
        return found


class _Call(nn.Module):
    """A method of the stage in the place of a module. own: the stage is a part of this one."""

    def __init__(self, last: LastStage, method: str, own: bool = False) -> None:
        super().__init__()
        if own:
            self.last = last
        self._method = getattr(last, method)

    def forward(self, *given: Any) -> Any:
        return self._method(*given)

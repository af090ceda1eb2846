"""LARC: LARS as NVIDIA's apex has it (`apex/parallel/LARC.py`), around SGD with momentum; SwAV's optimizer.

It differs from LARS in the trust ratio, which divides by the norm of the gradient plus that of the decayed weight
instead of by the norm of their sum, and in that a weight of norm 0, or one whose gradient has norm 0, takes its
gradient as it is, without decay.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from .lars import LARS

__all__ = ["LARC"]


class LARC(LARS):
    """For a weight w with gradient g:

        r = eta ||w|| / (||g|| + weight_decay ||w|| + eps)      with `clip`: min(r / lr, 1)
        m = momentum * m + r (g + weight_decay w)
        w = w - lr * m

    and the plain gradient in place of r (g + weight_decay w) where ||w|| or ||g|| is 0. As LARS it waits for nothing,
    and leaves r out in groups with `adapted=False`.
    """

    def __init__(
        self, params: ParamsT, lr: float | Tensor, momentum: float = 0.9, eta: float = 1e-3, weight_decay: float = 0.0,
        eps: float = 1e-8, clip: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, lr, momentum, eta, weight_decay, eps=eps, clip=clip)

    def _updates(self, weights: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
        if not group["adapted"]:
            return super()._updates(weights, group)
        gradients, decay = self._gradients(weights), group["weight_decay"]
        w = torch.stack(list(torch._foreach_norm(weights)))
        g = torch.stack(list(torch._foreach_norm(gradients)))
        ratio = group["eta"] * w / (g + decay * w + group["eps"])
        if group["clip"]:
            ratio = (ratio / group["lr"]).clamp(max=1)
        nonzero = (w > 0) & (g > 0)
        ratio, decays = torch.where(nonzero, ratio, 1), decay * nonzero.to(w.dtype)
        updates = list(torch._foreach_mul(weights, list(decays.unbind())))
        torch._foreach_add_(updates, gradients)
        torch._foreach_mul_(updates, list(ratio.unbind()))
        return updates

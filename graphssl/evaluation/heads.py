"""Linear classifiers that are trained side by side, each with a rate and a decay of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Heads"]


class Heads:
    """Softmax regressions as one matrix, each by SGD with momentum as torch has it: decay joins the gradient, of the
    bias too, and the momentum gathers both. They start at zero. Without autograd: the gradient of the mean
    cross-entropy is (softmax - one-hot) times the features.

    lr, decay: one of each a head.
    """

    def __init__(
        self, lr: Sequence[float], decay: Sequence[float], momentum: float, classes: int, size: int,
        device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32,
    ) -> None:  # fmt: skip
        self.classes, self.momentum = classes, momentum
        self.lr, self.decay = (torch.tensor(v, device=device, dtype=dtype)[:, None, None] for v in (lr, decay))
        self.weight = torch.zeros(len(lr), classes, size + 1, device=device, dtype=dtype)  # the bias is last
        self._gathered = torch.zeros_like(self.weight)

    def logits(self, features: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b g c"]:
        """Of each head for each sample."""
        flat = self.weight.flatten(0, 1)
        every: Tensor = torch.addmm(flat[:, -1], features, flat[:, :-1].T)
        return every.view(len(features), -1, self.classes)

    def state(self) -> dict[str, Tensor]:
        """What is needed to go on."""
        return {"weight": self.weight, "gathered": self._gathered}

    def load(self, state: Mapping[str, Tensor]) -> None:
        self.weight.copy_(state["weight"])
        self._gathered.copy_(state["gathered"])

    def step(
        self, features: Annotated[Tensor, "b d"], labels: Annotated[Tensor, "b"], factor: float,
        weight: Annotated[Tensor, "b g"] | None = None,
    ) -> None:  # fmt: skip
        """One step of each on the mean cross-entropy. factor: of all rates. weight: of each sample for each head, in
        that mean; default: all alike."""
        error = self.logits(features).softmax(dim=2) - functional.one_hot(labels, self.classes)[:, None]
        if weight is None:
            error /= len(features)
        else:
            error *= (weight / weight.sum(0).clamp_min(1))[:, :, None]
        flat = error.flatten(1)
        gradient = torch.empty_like(self.weight)
        gradient.flatten(0, 1)[:, :-1] = flat.T @ features
        gradient[:, :, -1] = error.sum(0)
        gradient.addcmul_(self.weight, self.decay)
        self._gathered.mul_(self.momentum).add_(gradient)
        self.weight.addcmul_(self._gathered, self.lr, value=-factor)

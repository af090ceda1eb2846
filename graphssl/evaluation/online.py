"""A linear classifier that is trained beside a run, on features of its own batches, which it does not change."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from torch import Tensor

from ..errors import RunError
from ..world import gathered
from .embedding import pooled
from .heads import Heads

__all__ = ["OnlineProbe", "unlike"]

log = logging.getLogger(__name__)

MOMENTUM = 0.1  # of the running statistics: a batch's share


class OnlineProbe:
    """SGD on features whose statistics run along, as of a batch norm without scale and shift.

    Its numbers depend on the batches alone, so that a run that goes on has those of one that was not stopped.

    of: what the features are of. names: of the classes. A state that says otherwise is another's: see `unlike`.
    """

    def __init__(
        self, lr: float, momentum: float, classes: int, device: torch.device, of: str = "", names: Sequence[str] = ()
    ) -> None:
        self._lr, self._momentum, self._classes, self._device = lr, momentum, classes, device
        self.of, self.names = of, list(names)
        self._heads: Heads | None = None
        self._mean = self._variance = torch.empty(0)
        self._right = torch.zeros(2, device=device)  # since it was last read: right ones, and all with labels

    def learn(
        self, features: Tensor, label: Annotated[Tensor, "b"], step: int, steps: int, *, rows: bool = False
    ) -> None:
        """One step. features: what the network gives of a batch, of several processes their rows where `rows` is."""
        with torch.no_grad():
            found = pooled(features).float()
            if rows:
                found, label = gathered(found), gathered(label)
            self._forget_another_s(found.shape[1])
            heads = self._started(found)
            known = (label >= 0).to(found.dtype)
            mean, variance = found.mean(0), found.var(0, correction=0)
            finite = torch.isfinite(mean + variance).all()  # else of a step that a scaler of the loss leaves out
            known, found = known * finite, torch.where(finite, found, 0)
            mean, variance = torch.where(finite, mean, self._mean), torch.where(finite, variance, self._variance)
            self._mean.lerp_(mean, MOMENTUM)
            self._variance.lerp_(variance, MOMENTUM)
            x, y = (found - mean) * (variance + 1e-5).rsqrt(), label.clamp_min(0)
            self._right[0] += ((heads.logits(x)[:, 0].argmax(1) == label) * known).sum()
            self._right[1] += known.sum()
            heads.step(x, y, len(label) / 256 * 0.5 * (1 + math.cos(math.pi * step / steps)), known[:, None])

    def _forget_another_s(self, size: int) -> None:
        """Begins anew on features of another size than the state's, which did not say what they are of."""
        if self._heads is not None and size != len(self._mean):
            why = f"it has learnt from {len(self._mean)} features, and here are {size}"
            log.warning("the online probe begins anew: %s", why)
            self._heads, self._right = None, torch.zeros_like(self._right)

    def _started(self, features: Tensor) -> Heads:
        if self._heads is None:
            size = features.shape[1]
            self._heads = Heads([self._lr], [0.0], self._momentum, self._classes, size, self._device)
            self._mean, self._variance = features.mean(0), features.var(0, correction=0)
        return self._heads

    def accuracy(self) -> Tensor:
        """Of the batches since it was last asked, before it learnt from each; 0-d, NaN of none with labels."""
        right, seen = self._right.unbind()
        found = right / seen
        self._right = torch.zeros_like(self._right)
        return found

    def logits(self, features: Annotated[Tensor, "n d"]) -> Annotated[Tensor, "n c"] | None:
        """Of features of plain pictures; None before it has learnt anything. Raises RunError for another's features."""
        if self._heads is None:
            return None
        if features.shape[1] != len(self._mean):
            raise RunError(
                f"the online probe has learnt from {len(self._mean)} features, and here are {features.shape[1]}; "
                "`linear` learns after the training"
            )
        return self._heads.logits((features - self._mean) * (self._variance + 1e-5).rsqrt())[:, 0]

    def state(self) -> dict[str, Any]:
        if self._heads is None:
            return {}
        statistics = {"mean": self._mean, "variance": self._variance, "right": self._right}
        return {**self._heads.state(), **statistics, **({"of": self.of, "names": self.names} if self.of else {})}

    def load(self, state: Mapping[str, Any]) -> None:
        """The reverse; nothing of a run that had none."""
        if not state:
            return
        mean, variance, right = (state[key].to(self._device) for key in ("mean", "variance", "right"))
        self._heads = None
        heads = self._started(torch.zeros(1, len(mean), device=self._device))
        heads.load(state)
        self._mean, self._variance, self._right = mean.clone(), variance.clone(), right.clone()


def unlike(state: Mapping[str, Any], of: str | None, names: Sequence[str]) -> str | None:
    """Why a state is that of a probe of other features or classes. of: what features are of, None for any."""
    if not state:
        return None
    if of is not None and state.get("of", of) != of:
        return f"it has learnt from '{state['of']}', and not from '{of}'"
    if (learnt := len(state["weight"][0])) != len(names):
        return f"it has learnt {learnt} classes, and these data have {len(names)}"
    same = state.get("names", list(names)) == list(names)
    return None if same else "it has learnt other classes than these data have"

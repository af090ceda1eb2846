"""Cross-entropy of logits with labels: the loss of every task whose label an augmentation draws."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional

from graphssl.component import NodeConfig, Sizes, component

from ..numeric import wide

__all__ = ["Classification"]

UNKNOWN = -1


@component("objective.classification", traits=("mean", "classifies"))
class Classification(nn.Module):
    """-log softmax(logits)[label], the mean over the batch; in nats.

    Gidaris et al. 2018, arXiv:1803.07728, equations 2 and 3, and the loss of all tasks that guess what was done to a
    picture. logits: `b p`; label: `b`, integers below p, as `augment.rotate` gives them. A label below 0 is not known
    and costs nothing, the mean is over the whole batch all the same. Float32 inside. Probabilities in place of labels:
    `objective.cross_entropy`.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, logits: Annotated[Tensor, "b p"], label: Annotated[Tensor, "b"]) -> Annotated[Tensor, ""]:
        if label.is_floating_point():
            raise ValueError("labels are integers, and these are numbers with a fraction")
        known = label.long().clamp_min(UNKNOWN)
        return functional.cross_entropy(wide(logits), known, ignore_index=UNKNOWN, reduction="none").mean()

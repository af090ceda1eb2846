"""Cross-entropy between two softmaxes over the same pairs: one network's relations follow another's."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Scores

from ..numeric import wide
from .base import either, lowest, positives

__all__ = ["SoftCrossEntropy"]


@component("objective.soft_cross_entropy", traits=("mean",))
class SoftCrossEntropy(nn.Module):
    """-sum_j softmax(target)_j log softmax(prediction)_j over a sample's pairs, the mean over the batch; in nats.

    Both scores are of the same pairs, such as a query and a key with the entries of one queue; temperatures are the
    critics'. ReSSL, equations 4 to 6 (Zheng et al. 2021, arXiv:2107.09282): relations to the queue alone,
    `positive: false`, at 0.1 and of the target at 0.04. SEED, equations 2 to 4 (Fang et al. 2021, arXiv:2101.04731):
    relations to the teacher's own embedding and the queue, at 0.2 and of the teacher at 0.01. Pairs that either mask
    leaves out are none; a sample that has no pair costs nothing. float32 inside. Raises ValueError without negatives,
    and where the two are not of the same pairs.
    """

    class Config(NodeConfig):
        positive: bool = Field(True, description="whether the positive pair is one of those that are compared")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.with_positive = config.positive

    def forward(
        self, prediction: Annotated[Scores, "b ...", "b n"], target: Annotated[Scores, "b ...", "b n"]
    ) -> Annotated[Tensor, ""]:
        ours, theirs = self._logits(prediction), self._logits(target)
        if ours.shape != theirs.shape:
            raise ValueError(
                f"the prediction has {ours.shape[1]} pairs and the target {theirs.shape[1]}: give both critics the "
                "same negatives, and keys of as many positions"
            )
        excluded = either(prediction.mask, target.mask)
        if excluded is None:
            return -(torch.softmax(theirs, 1) * torch.log_softmax(ours, 1)).sum(1).mean()
        if self.with_positive:
            excluded = nn.functional.pad(excluded, (ours.shape[1] - excluded.shape[1], 0))
        share = torch.softmax(theirs.masked_fill(excluded, lowest(theirs)), 1).masked_fill(excluded, 0)
        # Filled again: what is left out has no logarithm, whose product with 0 would be no number.
        log_share = torch.log_softmax(ours.masked_fill(excluded, lowest(ours)), 1).masked_fill(excluded, 0)
        return -(share * log_share).sum(1).mean()

    def _logits(self, scores: Scores) -> Annotated[Tensor, "b n"]:
        if scores.negative is None:
            raise ValueError(
                "the soft cross-entropy compares relations to others: give both critics a third value, from a queue, "
                "a memory bank or the batch"
            )
        negative = wide(scores.negative)
        return torch.cat([positives(scores), negative], 1) if self.with_positive else negative

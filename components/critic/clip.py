"""Scores kept within a range, softly."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from graphssl.component import NodeConfig, Scheduled, Sizes, component
from graphssl.ports import Pairs, Scores

from ..numeric import wide

__all__ = ["Clip"]


@component("critic.clip", traits=("bounded", "bounded_below", "rows"))
class Clip(nn.Module):
    """limit * tanh(score / limit): scores to scores between -limit and limit.

    AMDIM (Bachman et al. 2019, arXiv:1906.00910), for the logits of InfoNCE; `objective.score_penalty` goes with it,
    on the scores before the clipping. Mask and `same` go on as they are; scores are float32. Negatives that the critic
    has left uncomputed are left so.
    """

    class Config(NodeConfig):
        limit: Scheduled[PositiveFloat] = Field(10.0, description="c in c * tanh(s / c)")

    limit: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, scores: Annotated[Scores, "b ...", "b n"]) -> Annotated[Scores, "b ...", "b n"]:
        return scores._replace(positive=self._clip(scores.positive), negative=self._negatives(scores))

    def _negatives(self, scores: Scores) -> Pairs | Tensor | None:
        pairs = scores.pairs
        if pairs is not None and pairs.limit is None:
            limit = self.limit
            return pairs._replace(limit=limit if isinstance(limit, Tensor) else pairs.query.new_full((), limit))
        negative = scores.negative
        return None if negative is None else self._clip(negative)

    def _clip(self, score: Tensor) -> Tensor:
        return self.limit * (wide(score) / self.limit).tanh()

"""The online probe: what a linear classifier beside the training makes of held-out pictures."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveFloat, PositiveInt

from ..errors import RunError
from .context import Context
from .figures import TOP, Figures, classified_by
from .online import OnlineProbe
from .registry import Evaluation, EvaluationConfig, evaluation

__all__ = ["Probe"]


@evaluation("probe")
class Probe(Evaluation):
    """Accuracy on the held-out split of the classifier that is trained beside the run, every so many epochs."""

    title = "online probe"
    said = ("lr",)
    parts = TOP

    class Config(EvaluationConfig):
        """A linear classifier that learns from the first view of each step's pictures, detached: the run's weights are
        those of a run without it.
        """

        lr: PositiveFloat = Field(default=0.1, description="of batches of 256, under a cosine over the whole training")
        momentum: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.9, description="SGD's")
        every: PositiveInt = Field(
            default=5,
            description="epochs between two evaluations on held-out pictures; the training batches' accuracy, "
            "`probe/train`, is logged with the loss",
        )

    config: Config
    of_first_alone = True
    online: OnlineProbe | None = None

    def due(self, epoch: int, ends: bool) -> bool:
        return epoch > 0 and (ends or epoch % self.config.every == 0)

    def run(self, context: Context) -> Figures:
        known = context.held_out.known("the online probe", "held-out")
        logits = None if self.online is None else self.online.logits(known.features)
        if logits is None:
            raise RunError(
                "the online probe is trained beside a run, where its graph has `evaluate: {probe: {}}`; `linear` "
                "judges a run that has ended"
            )
        if not bool(torch.isfinite(logits).all()):
            raise RunError("the online probe has diverged: its numbers are not finite; a lower evaluate.probe.lr helps")
        return classified_by("probe", logits, known.labels, context.names)

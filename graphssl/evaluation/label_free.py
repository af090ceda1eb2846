"""What features are like without a label: how many directions they fill, and how far views lie apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor

from ..errors import RunError
from .context import Context
from .figures import Figures
from .labelled import check_finite
from .registry import Evaluation, EvaluationConfig, Known, Lack, evaluation
from .seen import embed_views
from .spectrum import (
    alignment,
    fit_power_law,
    lidar,
    participation_ratio,
    rankme,
    singular_values,
    uniformity,
)

__all__ = ["LabelFree"]

KEPT = 512  # singular values, in details
OF_VIEWS = "lidar", "alignment"
NO_VIEWS = "the graph has no node that makes views"
TOO_FEW = "label_free needs at least two training pictures"
# What the literature says of the numbers, where it says something.
PUBLISHED = {
    "rankme": "of runs of one method alone, more goes with better features (Garrido et al. 2023, arXiv:2210.02885)",
    "lidar": "of runs of one method, more goes with better features (Thilak et al. 2024, arXiv:2312.04000)",
    "alpha_req": "near 1 where features generalise best (Agrawal et al. 2022, NeurIPS)",
    "alignment": "less, together with less uniformity, goes with better features (Wang & Isola 2020, arXiv:2005.10242)",
}


@evaluation("label_free")
class LabelFree(Evaluation):
    """RankMe, LiDAR, alpha-ReQ, participation ratio, alignment and uniformity, every so many epochs."""

    title = "label-free"
    needs_labels = False
    bounds = (-math.inf, math.inf)
    parts = ("rankme", "lidar", "alpha_req", "participation_ratio", "alignment", "uniformity")
    more_is_better: ClassVar[Mapping[str, bool]] = {
        "rankme": True, "lidar": True, "participation_ratio": True, "alignment": False, "uniformity": False,
    }  # fmt: skip

    class Config(EvaluationConfig):
        """Numbers of the features of training pictures that need no labels: RankMe, alpha-ReQ, participation ratio and
        uniformity of plain pictures; LiDAR and alignment of views that the graph's augmenting node makes.
        """

        samples: Annotated[int, Field(ge=2)] = Field(default=25_600, description="training pictures, spread evenly")
        seen: Annotated[int, Field(ge=2)] = Field(
            default=2_000, description="how many of them are seen in `views` views; more than features are wide"
        )
        views: Annotated[int, Field(ge=2)] = Field(default=10, description="of each of those")
        delta: PositiveFloat = Field(
            default=1e-4, description="of LiDAR, times the identity, beside the covariance within pictures"
        )
        fit: tuple[PositiveInt, PositiveInt] = Field(
            default=(11, 50),
            description="first and last eigenvalue, counted from 1, to which alpha-ReQ fits its power law",
        )
        every: PositiveInt = Field(
            default=10, description="epochs between two readings; where training begins and ends there is always one"
        )

        @model_validator(mode="after")
        def _fits_to_some(self) -> LabelFree.Config:
            if self.fit[1] < self.fit[0] + 2:
                raise ValueError("fit is the first and the last of at least three eigenvalues, as [11, 50]")
            return self

    config: Config

    def lacks(self, known: Known) -> Iterator[Lack]:
        if not known.views:
            yield Lack(f"lidar and alignment are left out: {NO_VIEWS}", stops=False)
        if known.counts is None:
            return
        n, first, default = known.counts.pictures, self.config.fit[0], type(self.config).model_fields
        if n < 2:
            yield Lack(TOO_FEW)
            return
        if n < first + 3:  # centred, n pictures have n - 1 directions
            few = f"{n:,} pictures have fewer than {first + 2} directions"
            yield Lack(f"alpha_req is left out: {few}", "fit", stops=False)
        for option in ("samples", "seen"):
            asked = getattr(self.config, option)
            if asked > n and asked != default[option].default:
                yield Lack(f"there are {n:,} training pictures: all of them are taken", option, stops=False)

    def due(self, epoch: int, ends: bool) -> bool:
        return ends or epoch % self.config.every == 0

    def run(self, context: Context) -> Figures:
        features = context.sample(self.config.samples)
        if len(features) < 2:
            raise RunError(TOO_FEW)
        check_finite(features)
        singular = singular_values(features)
        plain, why = self._of_plain(features, singular)
        seen, why_not = self._of_views(context)
        details: dict[str, Any] = {
            "samples": len(features), "features": features.shape[1], "singular_values": singular[:KEPT].tolist(),
            "published": PUBLISHED,
        }  # fmt: skip
        if left_out := {**why, **why_not}:
            details["left_out"] = left_out
        return Figures({f"label_free/{name}": value for name, value in {**plain, **seen}.items()}, details=details)

    def _of_plain(
        self, features: Annotated[Tensor, "n d"], singular: Annotated[Tensor, "r"]
    ) -> tuple[dict[str, float], dict[str, str]]:
        """The numbers, and why one is left out."""
        variances = singular_values(features, centred=True).square()
        law = fit_power_law(variances, *self.config.fit)
        found = {"rankme": rankme(singular)}
        if law is not None:
            found["alpha_req"] = law.alpha
        found |= {"participation_ratio": participation_ratio(variances), "uniformity": uniformity(features)}
        first = self.config.fit[0]
        few = f"the covariance has fewer than {first + 2} directions, and the power law is fitted from {first} on"
        return found, {} if law is not None else {"alpha_req": few}

    def _of_views(self, context: Context) -> tuple[dict[str, float], dict[str, str]]:
        if context.augment is None:
            return {}, dict.fromkeys(OF_VIEWS, NO_VIEWS)
        views = embed_views(context, self.config.seen, self.config.views)
        if views is None:
            channels = context.facts.channels
            return {}, dict.fromkeys(OF_VIEWS, f"the views of the graph are no pictures of {channels} channels")
        check_finite(views)
        return {"lidar": lidar(views, self.config.delta), "alignment": alignment(views)}, {}

    @classmethod
    def text(cls, value: float) -> str:
        """Counts and distances are no shares."""
        return f"{value:.4g}"

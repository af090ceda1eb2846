"""Linear classification of frozen features, trained by SGD over a whole grid of rates and decays at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from .context import Context
from .figures import TOP, Figures, classified_by
from .grid import Grid, nothing_held, train_linear, train_on_views
from .labelled import Labelled
from .registry import Evaluation, EvaluationConfig, Known, Lack, evaluation
from .scaling import Normalize
from .subset import Labels, few, holds_out, lacks_of_labels
from .views import Area

__all__ = ["Linear"]


@evaluation("linear")
class Linear(Evaluation):
    """Accuracy on the held-out split of the best of a grid of linear classifiers, where training ends."""

    title = "linear"
    said = ("labels", "views", "epochs")
    parts = TOP

    class Config(EvaluationConfig):
        """A linear classifier by SGD on frozen features, judged on plain held-out pictures."""

        labels: Labels = Field(default=None, description="so many of each class to learn from, or a share; null: all")
        lr: list[PositiveFloat] = Field(
            default=[0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0],
            min_length=1,
            description="of batches of 256; each pair with `decay` is trained, and the best on `validation` is trained "
            "again on all",
        )
        decay: list[NonNegativeFloat] = Field(default=[0.0, 1e-4, 1e-3], min_length=1, description="weight decays")
        epochs: PositiveInt = Field(default=100, description="of each training")
        batch: PositiveInt = Field(default=256, description="pictures in one step")
        momentum: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.9, description="SGD's")
        validation: Annotated[float, Field(gt=0, lt=1)] = Field(
            default=0.1, description="the share of each class of the training part that chooses the pair"
        )
        normalize: Normalize = Field(
            default="standardize",
            description="of the features: `standardize` by the mean and the deviation of each over plain pictures, so "
            "that one grid suits encoders of every scale; `l2`; or `none`, as MoCo's code",
        )
        views: Literal["plain", "crops"] = Field(
            default="plain",
            description="`plain` pictures, whose features are made once; or `crops`, anew in each epoch, as the papers "
            "train",
        )
        area: Area = Field(default=[0.08, 1.0], description="of the crops, as a share of the picture")
        flip: Annotated[float, Field(ge=0, le=1)] = Field(
            default=0.5, description="of the crops: probability of mirroring"
        )

        @model_validator(mode="before")
        @classmethod
        def _of_another(cls, given: Any) -> Any:
            if isinstance(given, Mapping) and (others := {"penalty", "iterations"} & given.keys()):
                raise ValueError(f"{' and '.join(sorted(others))}: L-BFGS is called `logistic`; `linear` is by SGD")
            return given

        @property
        def grid(self) -> Grid:
            return Grid(self.lr, self.decay, self.epochs, self.batch, self.momentum, self.validation, self.normalize)

    config: Config

    def due(self, epoch: int, ends: bool) -> bool:
        return ends and epoch > 0

    def lacks(self, known: Known) -> Iterator[Lack]:
        few = list(lacks_of_labels(self.config.labels, known))
        yield from few
        if not few and holds_out(known, self.config.labels, self.config.validation) == 0:
            yield Lack(nothing_held(self.config.validation), "validation")

    def run(self, context: Context) -> Figures:
        config, every = self.config, context.features.known("a linear classifier")
        every = replace(every, reference=_in_floats(every.reference), queries=_in_floats(every.queries))
        known, places, of_labels = few(every, config.labels, context.seed, context.names)
        if config.views == "plain":
            found = train_linear(known, config.grid, context.seed)
        else:
            crops = [{"use": "crop", "area": config.area}, {"use": "flip", "p": config.flip}]
            views = context.crops(crops)
            found = train_on_views(known, places, views, context.module, config.grid, context.seed)
        logits = found.logits(known.queries.features)
        figures = classified_by("linear", logits, known.queries.labels, context.names)
        chosen = {"chosen": found.chosen, "validation": found.validation}
        return replace(figures, details={**chosen, **of_labels, **figures.details})


def _in_floats(part: Labelled) -> Labelled:
    return Labelled(part.features.float(), part.labels)

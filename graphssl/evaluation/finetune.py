"""The whole network trained on labels, all of them or few (semi-supervised)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor

from ..errors import RunError
from ..graph.spec import OPTIMIZERS, LearningRate, Optimizer, PerNode, Sgd, Train
from ..graph.spec.tables import ConfigIn
from ..train.precision import resolve
from ..world import current
from .context import Context
from .figures import TOP, Figures, classified_by
from .labelled import Labelled
from .registry import Evaluation, EvaluationConfig, Known, Lack, evaluation
from .subset import Labels, Share, holds_out, lacks_of_labels, subset_of, validation_of
from .supervised import Classifying, Diverged, Recipe, train_supervised
from .views import Area

__all__ = ["Finetune"]

Fraction = Annotated[float, Field(ge=0, le=1)]


@evaluation("finetune")
class Finetune(Evaluation):
    """Accuracy on the held-out split of the network and a classifier, trained together, where training ends."""

    title = "fine-tuned"
    said = ("labels", "epochs")
    parts = TOP

    class Config(EvaluationConfig):
        """The whole network and a linear classifier on crops and flips, judged on plain pictures."""

        labels: Labels = Field(
            default=None,
            description="so many of each class to learn from, or a share, 0.01 or 0.1 (semi-supervised: SimCLR, Chen "
            "et al. 2020, section 5.2); null: all",
        )
        lr: list[PositiveFloat] = Field(
            default=[0.01, 0.03, 0.1],
            min_length=1,
            description="of batches of 256; of several each is trained, and the best on `validation` is trained again "
            "on all",
        )
        epochs: PositiveInt = Field(default=30, description="of each training")
        batch: PositiveInt = Field(default=256, description="pictures in one step")
        optimizer: Annotated[Optimizer, ConfigIn(OPTIMIZERS)] = Field(
            default=Sgd(use="sgd", weight_decay=0.0), description="as in `train:`, without its own rate"
        )
        schedule: LearningRate = Field(default=LearningRate(), description="as in `train:`")
        layer_decay: Share | None = Field(
            default=None, description="what the rate of a layer is times that of the layer after it"
        )
        validation: Annotated[float, Field(gt=0, lt=1)] = Field(
            default=0.1, description="the share of each class of what is learnt from that chooses the rate"
        )
        area: Area = Field(default=[0.08, 1.0], description="of the crops, as a share of the picture")
        flip: Fraction = Field(default=0.5, description="probability of mirroring")
        mixup: NonNegativeFloat = Field(
            default=0.0, description="its alpha (Zhang et al. 2018, arXiv:1710.09412); 0: off"
        )
        smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.0, description="of the labels; 0: off")
        precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(default="auto", description="as in `train:`")

    config: Config

    def due(self, epoch: int, ends: bool) -> bool:
        return ends and epoch > 0

    def lacks(self, known: Known) -> Iterator[Lack]:
        if known.counts is not None and known.counts.learning is None:
            yield Lack("the labels of this data set are known only when its pictures are read, and are needed before")
        if self.config.layer_decay is not None and known.ordered is False:
            hint = "features: names a node whose layers have one, such as an encoder"
            yield Lack("the layers of what is judged have no order that is known", "layer_decay", hint=hint)
        few = list(lacks_of_labels(self.config.labels, known))
        yield from few
        if not few and len(self.config.lr) > 1 and holds_out(known, self.config.labels, self.config.validation) == 0:
            yield Lack(self._nothing_held(), "validation")

    def _nothing_held(self) -> str:
        return (
            f"{self.config.validation:g} of the labelled pictures holds out none, and there are several rates to "
            "choose from: more labels, a larger share, or one rate (finetune.lr: [0.03])"
        )

    def run(self, context: Context) -> Figures:
        labels = context.data.learning_labels
        asked = self.config.labels
        subset = None if asked is None else subset_of(labels, asked, context.seed, context.names)
        places = torch.arange(len(labels)) if subset is None else subset.places
        lr, table = self._chosen(context, labels, places)
        found = _logits(context, self._trained(context, places, lr))
        details: dict[str, Any] = {"chosen": {"lr": lr}, "validation": table, **(subset.said() if subset else {})}
        figures = classified_by("finetune", found.features, found.labels, context.names)
        return replace(figures, details={**details, **figures.details})

    def _chosen(self, context: Context, labels: Tensor, places: Tensor) -> tuple[float, list[dict[str, float]]]:
        """The rate that is best on a part of what is learnt from, and the accuracy of each; of one rate that."""
        if len(self.config.lr) == 1:
            return self.config.lr[0], []
        held = validation_of(labels[places], self.config.validation, context.seed)
        if not bool(held.any()):
            raise RunError(f"finetune.validation: {self._nothing_held()}")
        table = [{"lr": lr, "accuracy": self._accuracy(context, places, held, lr)} for lr in self.config.lr]
        best = max(table, key=lambda row: row["accuracy"])
        if best["accuracy"] < 0:
            raise Diverged("fine-tuning diverges at every rate: lower ones (finetune.lr) usually help")
        return best["lr"], table

    def _accuracy(self, context: Context, places: Tensor, held: Tensor, lr: float) -> float:
        """On what is held out; -1 of a rate that diverges."""
        try:
            found = _logits(context, self._trained(context, places[~held], lr), places[held])
        except Diverged:
            return -1.0
        return float((found.features.argmax(1) == found.labels).double().mean())

    def _trained(self, context: Context, places: Tensor, lr: float) -> Classifying:
        """A copy of the network, trained with a classifier on these pictures."""
        config = self.config
        operations = [{"use": "crop", "area": config.area}, {"use": "flip", "p": config.flip}]
        views = context.crops(operations)
        per_epoch = math.ceil(len(places) / config.batch)
        optimizer = config.optimizer.model_copy(update={"lr": lr * min(config.batch, len(places)) / 256})
        nodes = {} if config.layer_decay is None else {"network": PerNode(layer_decay=config.layer_decay)}
        recipe = Recipe(
            Train(epochs=config.epochs, optimizer=optimizer, schedule=config.schedule, nodes=nodes),
            config.epochs * per_epoch, per_epoch, resolve(config.precision, context.device), config.mixup,
            config.smoothing, context.seed,
        )  # fmt: skip
        size, classes = context.features.reference.features.shape[1], context.features.class_count
        model = Classifying(context.module, size, classes, context.device)
        train_supervised(model, lambda epoch: views.epoch(epoch, config.batch, places), recipe, context.device)
        return model


def _logits(context: Context, model: Classifying, places: Tensor | None = None) -> Labelled:
    """Of plain pictures: of the held-out ones, or of some that classifiers learn from."""
    judged = replace(context, module=model, cache=None)
    if places is None:
        batches = context.data.test(context.batch)
    else:  # each process its part, as of the held-out ones
        batches = context.data.read_learning(places.tensor_split(current().size)[current().rank], context.batch)
    found = judged.embedded(batches)
    if not bool(found.features.isfinite().all()):
        raise Diverged("the fine-tuned network gives what is not finite: a lower rate (finetune.lr) usually helps")
    return found.known("fine-tuning", "held-out")

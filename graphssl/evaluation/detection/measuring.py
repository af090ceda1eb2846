"""Trains a detector on a network's maps, and measures what it finds."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import nn

from ...data.order import seed_of
from ...data.overlap import overlap
from ...errors import RunError
from ...ports.draws import GENERATOR
from ...train.precision import resolve
from ..context import Context
from ..figures import Figures
from .coco import read_coco
from .config import DetectionConfig
from .detector import build_detector
from .faults import Faults
from .finding import find_objects
from .options import Voc
from .pictures import BoxSet, Files
from .precision import KINDS, Found, average_precision
from .reading import look_at
from .stages import Stages, stages_of
from .training import Recipe, train_detector
from .voc import read_voc
from .voc_precision import voc07_precision

__all__ = ["build", "measure", "read_both"]

log = logging.getLogger(__name__)

BATCH = 16  # of which the literature's rates are
MEASURE = "COCO's AP: 101 recalls, the mean over IoU .5 to .95; ap50 is at IoU .5, over the same 101 recalls"


def measure(config: DetectionConfig, context: Context) -> Figures:
    """All of it. Raises RunError for files that cannot be learnt from, before anything is trained."""
    train, test = read_both(config)
    model, recipe = build(config, context, len(train.classes)), _recipe(config, context)
    _introduce(config, train, test, context)
    losses = train_detector(model, train.learnt, recipe, context.facts.channels, context.device)
    found = find_objects(model, test.pictures, config.test_size, context.facts.channels, context.device)
    details: dict[str, Any] = {
        "measure": MEASURE, "training": train.said(), "test": test.said(), "lr": recipe.lr, "loss": losses,
    }  # fmt: skip
    figures = _figures(test, found, recipe.masks, details)
    if not isinstance(config.test, Voc):
        return figures
    own = {f"detection/{name}": value for name, value in voc07_precision(test, found).items()}
    return replace(figures, scores={**figures.scores, **own})


def _figures(test: BoxSet, found: Sequence[Found], masks: bool, details: dict[str, Any]) -> Figures:
    """`detection` is AP of boxes, `detection/ap50` a part of it, `detection/mask_ap` AP of masks."""
    scores: dict[str, float] = {}
    for kind in KINDS[: 1 + masks]:
        numbers, each = average_precision(test, found, kind)
        prefix = "mask_" if kind == "segm" else ""
        scores |= {f"detection/{prefix}{name}": value for name, value in numbers.items()}
        details[f"{prefix}per_class"] = [[name, ap] for name, ap in zip(test.classes, each, strict=True)]
    return Figures({"detection": scores.pop("detection/ap"), **scores}, details=details)


def read_both(config: DetectionConfig) -> tuple[BoxSet, BoxSet]:
    """The pictures that are learnt from, and those that are judged on, of the same classes. Raises RunError with
    all that is wrong in the files; warns of what is left out, and of pictures that are in both."""
    wrong = Faults(), Faults()
    masks = config.model == "mask_rcnn"
    train = _read(config.training, None, masks, wrong[0])
    test = _read(config.test, train.classes, masks, wrong[1]) if train.classes else train
    names = [f"detection.{name}" for name in ("training", "test")]
    Faults.stop(dict(zip(names, wrong, strict=True)))
    for name, part in zip(names, (train, test), strict=True):
        if not part.learnt:
            raise RunError(f"{name} has no object that counts, among {len(part.pictures):,} pictures")
    learnt, judged = Files(train.pictures), Files(test.pictures)
    same = overlap(cast(Any, learnt), cast(Any, judged), lambda: (learnt.trace(), judged.trace()), names[1])
    if same is not None:
        log.warning("warning: %s", same)
    return train, test


def _read(boxes: Any, classes: Any, masks: bool, faults: Faults) -> BoxSet:
    found = read_voc(boxes, classes, faults) if isinstance(boxes, Voc) else read_coco(boxes, classes, faults, masks)
    look_at(found.pictures, faults)
    return replace(found, left_out=faults.left_out)


def build(config: DetectionConfig, context: Context, classes: int) -> nn.Module:
    """The detector as it begins: a copy of the network, and new layers that the seed has drawn."""
    facts = context.facts
    stages = stages_of(context.module, facts.channels)
    assert isinstance(stages, Stages)
    with GENERATOR:
        torch.manual_seed(seed_of(f"detection {context.seed}"))
        made = build_detector(
            stages, classes, masks=config.model == "mask_rcnn", pyramid=config.neck == "fpn", norm=config.norm,
            trainable=config.trainable_layers, min_size=config.min_size, max_size=config.max_size, mean=facts.mean,
            std=facts.std, regions=config.regions, anchors=config.anchors,
        )  # fmt: skip
    # Whatever layout the run has had: afterwards its weights are contiguous, and the same kernels are to run in both.
    return made.to(memory_format=torch.contiguous_format).to(context.device)


def _recipe(config: DetectionConfig, context: Context) -> Recipe:
    steps = config.steps
    if steps is None:
        steps = [config.iterations * 3 // 4, config.iterations * 11 // 12]
    return Recipe(
        config.iterations, config.batch, config.lr * config.batch / BATCH, steps, config.warmup, config.momentum,
        config.weight_decay, config.flip, resolve(config.precision, context.device), context.seed,
        config.model == "mask_rcnn",
    )  # fmt: skip


def _introduce(config: DetectionConfig, train: BoxSet, test: BoxSet, context: Context) -> None:
    learnt = train.learnt
    objects = sum(len(picture.learnt) for picture in learnt)
    log.info(
        "detection: %s with %s on '%s', %s pictures with %s objects of %s classes, %s iterations of %s pictures; "
        "tested on %s pictures",
        config.model, config.neck, context.name, f"{len(learnt):,}", f"{objects:,}", len(train.classes),
        f"{config.iterations:,}", config.batch, f"{len(test.pictures):,}",
    )  # fmt: skip

"""Five methods, each as a packaged recipe of ours and as a loop of lightly's, with everything else alike.

What both sides have: encoder, batch, epochs, heads, losses, temperatures, queue, views, the data's mean and deviation,
one batch norm for each view, SGD with decay on all weights, and a cosine that moves with each epoch. Rates are those
of lightly's CIFAR-10 benchmark, 0.06 for 128 pictures; so are views (half the jitter, no blur), the momentum of targets
and the loss of each method, but for MoCo v2's, whose batch is not shuffled and whose views have one order.
"""

from __future__ import annotations

import copy
import importlib
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import wait
from loops import Training
from peers import Decoded
from torch import Tensor, nn
from torch.utils.data import DataLoader

from graphssl.api import check
from graphssl.component import DataFacts, Sizes, build, find
from graphssl.data import open_data

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # lightly's default
SIZE, TARGET, DECAY, MOMENTUM = 32, 0.99, 5e-4, 0.9
VIEWS = "crop: [0.08, 1], flip: 0.5, strength: 0.5, style: torchvision, grey: 0.2, blur: 0"


@dataclass(frozen=True)
class Twin:
    """A method on both sides. hidden, out: of the heads. sets: changes of `cifar10/METHOD` beside the common ones.

    temperature: of the loss, where it has one. decides: the hidden layer of its predictor, where it has one.
    """

    hidden: int
    out: int
    sets: tuple[str, ...] = ()
    temperature: float | None = None
    decides: int | None = None
    follows: bool = False
    layers: int = 2
    last_norm: bool = False


TWINS = {
    "simclr": Twin(
        512, 128, ("flow.z=projector(encoder(x))", "loss.ntxent=objective(s)"), temperature=0.5, last_norm=True
    ),
    "byol": Twin(1024, 256, decides=1024, follows=True),
    "moco_v2": Twin(512, 128, ("allow=[G305]",), temperature=0.1, follows=True),
    "simsiam": Twin(512, 512, ("train.nodes.predictor=null",), decides=128, layers=3, last_norm=True),
    "barlow_twins": Twin(512, 512, layers=3),
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """What both sides of a method train with. queue: MoCo v2's. stem: `imagenet` halves the picture twice first."""

    method: str
    images: Path
    epochs: int
    batch: int = 256
    rate: float = 0.06
    queue: int = 4096
    width: int = 16
    stem: str = "imagenet"
    workers: int = 0

    @property
    def twin(self) -> Twin:
        return TWINS[self.method]

    @property
    def full_rate(self) -> float:
        """For this batch."""
        return self.rate * self.batch / 128

    def sets(self) -> list[str]:
        """The changes that make the packaged recipe this setting: all that both sides have alike is said here."""
        twin = self.twin
        heads = {"projector": (twin.layers, twin.hidden, twin.last_norm)}
        if twin.decides:
            heads["predictor"] = (2, twin.decides, False)
        norm = "none" if self.method == "moco_v2" else "batch"
        pixels = f"size: {SIZE}, mean: {MEAN}, std: {STD}"
        optimizer = f"lr: {self.full_rate}, momentum: {MOMENTUM}, weight_decay: {DECAY}, decay: all"
        encoder = f"depth: 10, width: {self.width}, stem: {self.stem}, norm: batch, zero_init_residual: false"
        found = [
            f"data={{use: image_folder, root: {self.images}, batch: {self.batch}, {pixels}}}",
            f"nodes.augment={{use: augment.simclr, {VIEWS}}}",
            f"nodes.encoder={{use: encoder.resnet, {encoder}}}",
            *(
                f"nodes.{name}={{use: head.mlp, layers: {layers}, hidden: {hidden}, out: {twin.out}, norm: {norm}, "
                f"last_norm: {str(last).lower()}}}"
                for name, (layers, hidden, last) in heads.items()
            ),
            f"train.epochs={self.epochs}",
            f"train.optimizer={{use: sgd, {optimizer}}}",
            "train.schedule={shape: cosine, warmup: 0, by: epoch}", "train.precision=fp32",
            f"data.workers={self.workers}",
        ]  # fmt: skip
        if twin.temperature is not None:
            found.append(f"nodes.critic.temperature={twin.temperature}")
        if twin.follows:
            found.append(f"nodes.target.momentum={TARGET}")
        if self.method == "moco_v2":
            found.append(f"nodes.queue.size={self.queue}")
        return [*found, *twin.sets]


class Side:
    """Trains a method, an epoch at each call, and says its mean loss. seconds: of all epochs so far, and of nothing
    else. encoder: the network that is judged, from normalised pixels to features."""

    encoder: nn.Module

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds, self.steps = device, 0.0, 0

    def __call__(self) -> None:
        start = time.perf_counter()
        self.epoch()
        wait(self.device)
        self.seconds += time.perf_counter() - start

    def epoch(self) -> None:
        raise NotImplementedError


class Ours(Side):
    """The packaged recipe with the setting's changes, as `graphssl run` trains it."""

    def __init__(self, setting: Setting, seed: int, device: torch.device) -> None:
        super().__init__(device)
        checked = check(f"cifar10/{setting.method}", [*setting.sets(), f"train.seed={seed}"])
        data = open_data(checked.graph.spec.data, device, seed)
        self.training = Training(checked, data, device, setting.epochs)
        self.encoder = self.training.step.program.node("encoder")

    def epoch(self) -> None:
        self.training()
        self.steps = self.training.done


class Lightly(Side):
    """lightly's loop: its transform, dataset, heads, losses and `update_momentum`, and a DataLoader.

    Pictures are decoded before, as torchvision's CIFAR-10 has them.
    """

    def __init__(self, setting: Setting, seed: int, device: torch.device) -> None:
        super().__init__(device)
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        self.setting, self.drawn, self.done = setting, torch.get_rng_state(), 0
        self.loader = _loader(setting)
        modules, twin = importlib.import_module("lightly.models.modules"), setting.twin
        self.encoder = encoder_of(setting).to(device)
        self.projection = _projection(modules, setting, 8 * setting.width).to(device)
        self.parts = [self.encoder, self.projection]
        self.utils: Any = importlib.import_module("lightly.models.utils")
        self.slow: list[Any] = [copy.deepcopy(part) for part in self.parts] if twin.follows else []
        for module in self.slow:
            self.utils.deactivate_requires_grad(module)
        predictors = {"byol": modules.BYOLPredictionHead, "simsiam": modules.SimSiamPredictionHead}
        made = [predictors[setting.method](twin.out, twin.decides, twin.out).to(device)] if twin.decides else []
        self.prediction: Any = made[0] if made else None
        self.criterion = _criterion(setting).to(device)
        self.optimizer = torch.optim.SGD(
            nn.ModuleList([*self.parts, *made]).parameters(), setting.full_rate, MOMENTUM, weight_decay=DECAY
        )
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, setting.epochs)
        self.loss: Callable[[Tensor, Tensor], Any] = getattr(self, setting.method)
        self.drawn = torch.get_rng_state()

    def epoch(self) -> None:
        torch.set_rng_state(self.drawn)  # whatever the other side has drawn
        for (x0, x1), *_ in self.loader:
            for fast, slow in zip(self.parts, self.slow, strict=False):
                self.utils.update_momentum(fast, slow, m=TARGET)
            loss = self.loss(x0.to(self.device), x1.to(self.device))
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.steps += 1
        self.schedule.step()
        self.drawn = torch.get_rng_state()

    def embedded(self, x: Tensor) -> Any:
        return self.projection(self.encoder(x).flatten(start_dim=1))

    @torch.no_grad()
    def target(self, x: Tensor) -> Any:
        encoder, projection = self.slow
        return projection(encoder(x).flatten(start_dim=1)).detach()

    def simclr(self, x0: Tensor, x1: Tensor) -> Any:
        return self.criterion(self.embedded(x0), self.embedded(x1))

    barlow_twins = simclr

    def byol(self, x0: Tensor, x1: Tensor) -> Any:
        p0, z0 = self.prediction(self.embedded(x0)), self.target(x0)
        p1, z1 = self.prediction(self.embedded(x1)), self.target(x1)
        return 0.5 * (self.criterion(p0, z1) + self.criterion(p1, z0))

    def moco_v2(self, x0: Tensor, x1: Tensor) -> Any:
        return self.criterion(self.embedded(x0), self.target(x1))

    def simsiam(self, x0: Tensor, x1: Tensor) -> Any:
        z0, z1 = self.embedded(x0), self.embedded(x1)
        p0, p1 = self.prediction(z0), self.prediction(z1)
        return 0.5 * (self.criterion(z0.detach(), p1) + self.criterion(z1.detach(), p0))


def encoder_of(setting: Setting) -> nn.Module:
    """The network of both sides, `b 3 h w` to `b d`."""
    facts = DataFacts(height=SIZE, width=SIZE)
    options = {"depth": 10, "width": setting.width, "stem": setting.stem}
    return build(find("encoder.resnet"), None, Sizes({"c": 3}, facts), **options)


def _loader(setting: Setting) -> Any:
    transforms, data = (importlib.import_module(f"lightly.{part}") for part in ("transforms", "data"))
    views = transforms.SimCLRTransform(
        input_size=SIZE, cj_strength=0.5, gaussian_blur=0.0, normalize={"mean": MEAN, "std": STD}
    )
    dataset = data.LightlyDataset(str(setting.images / "train"), transform=views)
    return DataLoader(
        Decoded(dataset), setting.batch, shuffle=True, drop_last=True, num_workers=setting.workers,
        persistent_workers=setting.workers > 0,
    )  # fmt: skip


def _projection(modules: Any, setting: Setting, d: int) -> Any:
    """lightly's head for the method; SimCLR's last norm without scale and shift, as the others' and ours are."""
    twin = setting.twin
    kinds = {"byol": "BYOL", "simclr": "SimCLR", "moco_v2": "MoCo", "simsiam": "SimSiam", "barlow_twins": "BarlowTwins"}
    head = getattr(modules, f"{kinds[setting.method]}ProjectionHead")(d, twin.hidden, twin.out)
    if setting.method == "simclr":
        head.layers[-1] = nn.BatchNorm1d(twin.out, affine=False)
    return head


def _criterion(setting: Setting) -> Any:
    loss, twin = importlib.import_module("lightly.loss"), setting.twin
    if twin.decides:
        return loss.NegativeCosineSimilarity()
    if setting.method == "barlow_twins":
        return loss.BarlowTwinsLoss()
    bank = (setting.queue, twin.out) if setting.method == "moco_v2" else 0
    return loss.NTXentLoss(temperature=twin.temperature, memory_bank_size=bank)


def rate_of_epoch(setting: Setting, epoch: int) -> float:
    """The learning rate of both sides in an epoch, from 0."""
    return setting.full_rate * (1 + math.cos(math.pi * epoch / setting.epochs)) / 2

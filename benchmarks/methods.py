"""BYOL, SimCLR and MoCo v2 for the benchmarks: as graphs, and as a researcher writes them for one experiment."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import resnet18, resnet34, resnet50

from graphssl.api import check
from graphssl.checks.checked import Checked
from graphssl.component import DataFacts, Sizes, build, find
from graphssl.data import Batch
from graphssl.train.precision import resolve

QUEUE, RATE, MOMENTUM, DECAY = 4096, 0.06, 0.9, 1e-4
TORCHVISION = {"resnet18": resnet18, "resnet34": resnet34, "resnet50": resnet50}
SMALL = {"depth": 10, "width": 16, "stem": "imagenet"}  # of the recipes for digits
ENCODERS = ("small", *TORCHVISION)


class Head(NamedTuple):
    """Sizes of a head's two layers, and whether a norm follows each of them."""

    hidden: int
    out: int
    norms: tuple[bool, bool]


# Those of lightly's examples.
HEADS = {
    "byol": Head(1024, 256, (True, False)),
    "simclr": Head(512, 128, (True, True)),
    "moco_v2": Head(512, 128, (False, False)),
}
METHODS = tuple(HEADS)

COMMON = """\
graph: {method}
data: {{{data}, batch: {batch}, size: {size}}}
nodes:
  augment:   {{use: augment.{augment}{blur}}}
  encoder:   {{use: encoder.resnet, {encoder}}}
  projector: {{use: head.mlp, {head}}}
"""
GRAPHS = {
    "byol": """\
  predictor: {{use: head.mlp, {head}}}
  target:    {{use: target.ema, of: [encoder, projector], momentum: 0.99}}
  critic:    {{use: critic.cosine}}
  objective: {{use: objective.regression}}
flow:
  x: augment(batch.image)
  p: predictor(projector(encoder(x)))
  z: target(x)
loss:
  byol: objective(critic(p, z, pairs=cross))
update:
  target: follow()
""",
    "simclr": """\
  others:    {{use: negatives.in_batch}}
  critic:    {{use: critic.cosine, temperature: 0.5}}
  objective: {{use: objective.infonce}}
flow:
  x: augment(batch.image)
  z: projector(encoder(x, views=fold), views=fold)
loss:
  ntxent: objective(critic(z, z, others(z), pairs=cross))
""",
    "moco_v2": """\
  target:    {{use: target.ema, of: [encoder, projector], momentum: 0.99}}
  queue:     {{use: negatives.queue, size: {queue}}}
  critic:    {{use: critic.cosine, temperature: 0.2}}
  objective: {{use: objective.infonce}}
flow:
  x: augment(batch.image)
  k: target(x[1])
loss:
  infonce: objective(critic(projector(encoder(x[0])), k, queue()))
update:
  target: follow()
  queue: push(k)
allow: [G305]
""",
}
TRAIN = """\
train:
  optimizer: {{use: sgd, lr: {rate}, momentum: {momentum}, weight_decay: {decay}}}
  schedule: {{shape: constant}}
  precision: {precision}
  log_every: 50
evaluate: {{knn: null, monitor: null}}
"""


@dataclass(frozen=True)
class Setting:
    """One method at one size.

    encoder: `small` is that of the recipes for digits, the others torchvision's, with a 3x3 stem below 96 px.
    size: of the views, in pixels. data: the section's other keys. precision: as in `train:`.
    """

    method: str
    encoder: str
    size: int
    batch: int
    precision: str = "fp32"
    data: str = "use: digits"

    @property
    def head(self) -> Head:
        return HEADS[self.method]

    @property
    def small_images(self) -> bool:
        return self.size < 96

    def __str__(self) -> str:
        return f"{self.method}, {self.encoder}, {self.size} px, batch {self.batch}, {self.precision}"

    def text(self) -> str:
        """The graph."""
        head, (inner, last) = self.head, self.head.norms
        options = SMALL if self.encoder == "small" else {"depth": self.encoder.removeprefix("resnet")}
        return (COMMON + GRAPHS[self.method] + TRAIN).format(
            method=self.method, data=self.data, batch=self.batch, size=self.size,
            encoder=", ".join(f"{key}: {value}" for key, value in options.items()),
            augment=self.method, blur=", blur: 0" if self.small_images else "",
            head=f"hidden: {head.hidden}, out: {head.out}, norm: {'batch' if inner else 'none'}, "
            f"last_norm: {str(last).lower()}",
            queue=QUEUE, rate=RATE, momentum=MOMENTUM, decay=DECAY, precision=self.precision,
        )  # fmt: skip

    def checked(self, *sets: str) -> Checked:
        """The graph, checked. sets: changes such as `train.compile=on`."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "graph.yaml"
            path.write_text(self.text())
            return check(path, sets)

    def network(self) -> nn.Module:
        """The encoder alone, `b 3 h w` to `b d`."""
        if self.encoder == "small":
            facts = DataFacts(height=self.size, width=self.size)
            return build(find("encoder.resnet"), None, Sizes({"c": 3}, facts), **SMALL)
        net: nn.Module = TORCHVISION[self.encoder]()
        if self.small_images:
            net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
        net.fc = nn.Identity()
        return net

    @property
    def features(self) -> int:
        """Length of what the encoder gives."""
        return {"small": 128, "resnet50": 2048}.get(self.encoder, 512)

    def mlp(self, d: int) -> nn.Module:
        """The method's head, on vectors of length d."""
        head, (inner, last) = self.head, self.head.norms
        layers: list[nn.Module] = [nn.Linear(d, head.hidden, bias=not inner)]
        layers += [nn.BatchNorm1d(head.hidden)] if inner else []
        layers += [nn.ReLU(inplace=True), nn.Linear(head.hidden, head.out, bias=not last)]
        return nn.Sequential(*layers, *([nn.BatchNorm1d(head.out, affine=False)] if last else []))


class ByHand:
    """A method's step without any graph: modules, two or three lines of loss, an optimizer, an EMA, a queue.

    augment: the graph's own node, so that both sides make the same views.
    """

    def __init__(self, setting: Setting, augment: nn.Module, device: torch.device, compiled: bool) -> None:
        self.augment: Any = augment
        self.device, self.method = device, setting.method
        self.precision = resolve(setting.precision, device)
        self.online = nn.Sequential(setting.network(), setting.mlp(setting.features))
        self.online.to(device).to(memory_format=torch.channels_last)
        self.predictor = setting.mlp(setting.head.out).to(device)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.queue = F.normalize(torch.randn(QUEUE, setting.head.out, device=device), dim=1)
        self.head = 0
        learned = [*self.online.parameters(), *(self.predictor.parameters() if setting.method == "byol" else ())]
        groups = [
            {"params": [p for p in learned if p.ndim > 1], "weight_decay": DECAY},
            {"params": [p for p in learned if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.SGD(groups, lr=RATE, momentum=MOMENTUM, fused=True)
        self.generator = torch.Generator(device)
        self.loss: Callable[..., Any] = getattr(self, setting.method)
        if compiled:
            self.loss = torch.compile(self.loss, fullgraph=True, dynamic=False)

    def byol(self, image: Tensor, draws: Any) -> Any:
        a, b = self.augment(image, draws=draws)
        p, q = self.predictor(self.online(a)), self.predictor(self.online(b))
        with torch.no_grad():
            y, z = self.target(a), self.target(b)
        return 2 - F.cosine_similarity(p, z).mean() - F.cosine_similarity(q, y).mean(), None

    def simclr(self, image: Tensor, draws: Any) -> Any:
        a, b = self.augment(image, draws=draws)
        z = F.normalize(self.online(torch.cat((a, b))), dim=1)
        logits = z @ z.T / 0.5
        logits = logits.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), float("-inf"))
        n = len(image)
        other = torch.cat((torch.arange(n, 2 * n, device=z.device), torch.arange(n, device=z.device)))
        return F.cross_entropy(logits, other), None

    def moco_v2(self, image: Tensor, draws: Any) -> Any:
        a, b = self.augment(image, draws=draws)
        q = F.normalize(self.online(a), dim=1)
        with torch.no_grad():
            k = F.normalize(self.target(b), dim=1)
        logits = torch.cat(((q * k).sum(1, keepdim=True), q @ self.queue.T), dim=1) / 0.2
        return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.int64, device=q.device)), k

    def __call__(self, step: int, batch: Batch) -> None:
        self.generator.manual_seed(step)
        draws = self.augment.draw(len(batch.image), self.generator, self.device)
        with self.precision.autocast():
            loss, keys = self.loss(batch.image, draws)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            if self.method != "simclr":
                torch._foreach_lerp_(list(self.target.parameters()), list(self.online.parameters()), 0.01)
            if keys is not None:
                at = (self.head + torch.arange(len(keys), device=self.device)) % len(self.queue)
                self.queue.index_copy_(0, at, keys.to(self.queue.dtype))
                self.head = (self.head + len(keys)) % len(self.queue)

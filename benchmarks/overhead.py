"""What the framework costs: a graph's step against the same step written by hand in plain torch.

    python benchmarks/overhead.py [--method byol simclr moco_v2] [--batch 64] [--depth 18] [--compile] [--output FILE]

Both sides augment with the same component, use torchvision's ResNet with a 3x3 stem, the same heads, optimizer and
precision, and run in turn in one process. The hand-written step knows nothing of graphs: modules, two or three
lines of loss, an optimizer, an EMA, a queue. The ratio is ours over hand-written in images/s; 1 is no cost.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import interleave, machine, table
from torch import Tensor, nn
from torch.nn import functional as F

from graphssl.api import check
from graphssl.compiler import compile_graph
from graphssl.data import Batch
from graphssl.train.precision import resolve
from graphssl.train.step import Step

HEAD = "{use: head.mlp, hidden: 512, out: 128}"
COMMON = """\
graph: overhead
data: {{use: digits, batch: {batch}}}
nodes:
  augment:   {{use: augment.simclr, strength: 0.5, blur: 0}}
  encoder:   {{use: encoder.resnet, depth: {depth}, stem: small}}
  projector: {head}
"""
OPTIMIZER = """\
train: {{optimizer: {{use: sgd, lr: 0.03, weight_decay: 1e-4}}, schedule: {{shape: constant}}, compile: '{compile}'}}
"""
GRAPHS = {
    "byol": """\
  predictor: {head}
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
  queue:     {{use: negatives.queue, size: 4096}}
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


def mlp(d: int) -> nn.Module:
    return nn.Sequential(nn.Linear(d, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU(inplace=True), nn.Linear(512, 128))


def resnet(depth: int) -> nn.Module:
    from torchvision.models import resnet18, resnet34, resnet50

    net = {18: resnet18, 34: resnet34, 50: resnet50}[depth]()
    net.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    net.maxpool, net.fc = nn.Identity(), nn.Identity()
    return net


class ByHand:
    """The three methods as a researcher would write them for one experiment."""

    def __init__(self, method: str, depth: int, augment: nn.Module, device: torch.device, compiled: bool) -> None:
        self.augment, self.device = augment, device
        encoder, width = resnet(depth), 2048 if depth >= 50 else 512
        self.online = nn.Sequential(encoder, mlp(width)).to(device, memory_format=torch.channels_last)
        self.predictor = mlp(128).to(device)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.queue = F.normalize(torch.randn(4096, 128, device=device), dim=1)
        self.head = 0
        learned = [*self.online.parameters(), *(self.predictor.parameters() if method == "byol" else ())]
        groups = [
            {"params": [p for p in learned if p.ndim > 1], "weight_decay": 1e-4},
            {"params": [p for p in learned if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.SGD(groups, lr=0.03, momentum=0.9, fused=True)
        self.generator = torch.Generator(device)
        self.loss: Callable[..., Any] = getattr(self, method)
        if compiled:
            self.loss = torch.compile(self.loss, fullgraph=True, dynamic=False)
        self.method = method

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
        draws = self.augment.draw(len(batch.image), self.generator, self.device)  # type: ignore[operator]
        loss, keys = self.loss(batch.image, draws)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            if self.method != "simclr":
                torch._foreach_lerp_(list(self.target.parameters()), list(self.online.parameters()), 0.01)
            if keys is not None:
                at = (self.head + torch.arange(len(keys), device=self.device)) % len(self.queue)
                self.queue.index_copy_(0, at, keys)
                self.head = (self.head + len(keys)) % len(self.queue)


def ours(method: str, batch: int, depth: int, device: torch.device, compiled: bool) -> Step:
    text = (COMMON + GRAPHS[method] + OPTIMIZER).format(
        batch=batch, depth=depth, head=HEAD, compile="on" if compiled else "off"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.yaml"
        path.write_text(text)
        checked = check(path)
    program = compile_graph(checked.graph, checked.shapes, device)
    return Step(program, checked.graph.spec.train, resolve("fp32", device), device, 100_000, 1000)


def measure(method: str, options: argparse.Namespace, device: torch.device) -> list[str]:
    step = ours(method, options.batch, options.depth, device, options.compile)
    hand = ByHand(method, options.depth, step.program.node("augment"), device, options.compile)
    image = torch.randint(0, 256, (options.batch, 3, 32, 32), dtype=torch.uint8, device=device)
    index = torch.arange(options.batch, device=device)
    batch = Batch(image, index, index)
    count = iter(range(10**9))

    def one(run: Callable[[int], object]) -> None:
        run(next(count))
        if device.type == "cuda":
            torch.cuda.synchronize()

    times = interleave(
        {"ours": lambda: one(lambda t: step(t, [batch])), "hand": lambda: one(lambda t: hand(t, batch))},
        options.repeats,
    )
    ratios = [h / o for o, h in zip(times["ours"], times["hand"], strict=True)]
    speed = {name: options.batch / statistics.median(t) for name, t in times.items()}
    return [
        method, f"{speed['ours']:,.1f}", f"{speed['hand']:,.1f}", f"{speed['ours'] / speed['hand']:.3f}",
        f"{statistics.median(ratios):.3f}", f"{min(ratios):.3f} - {max(ratios):.3f}",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", nargs="+", choices=sorted(GRAPHS), default=["byol", "simclr", "moco_v2"])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--depth", type=int, default=18, choices=(18, 34, 50))
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--compile", action="store_true", help="torch.compile both sides")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    rows = [["method", "ours images/s", "by hand", "ratio of medians", "median of ratios", "range"]]
    for method in options.method:
        torch._dynamo.reset()
        rows.append(measure(method, options, device))
    how = f"ResNet-{options.depth}, 32 px, batch {options.batch}, {'compiled' if options.compile else 'eager'}"
    how += f", {options.threads} thread(s)"
    text = f"{machine()}\n{how}, {options.repeats} pairs after one warm-up\n\n{table(rows)}\n"
    print(text, end="")
    if options.output:
        options.output.write_text(text)


if __name__ == "__main__":
    main()

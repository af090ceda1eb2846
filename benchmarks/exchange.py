"""What several processes cost: bytes beside those that `check --processes N` says, and time beside DDP by hand.

    python benchmarks/exchange.py [--processes 2] [--graphs simclr moco_v2 npid ...] [--method simclr moco_v2]

The processes are started by torchrun on this machine and exchange by gloo. Bytes are those that the loopback device has
carried, of all processes together, headers of TCP included; Linux counts them for all programs, so that nothing else
should talk meanwhile. Time is that of a step in turn with the same step as a researcher writes it for several GPUs:
DistributedDataParallel, an all_gather with its gradient for the keys of SimCLR, one without for MoCo's queue, and
MoCo's shuffling of whole images. Batch norm is each process's own in both (`split_batch`). The ratio is ours over by
hand in images/s; 1 is no cost.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from common import arguments, interleave, machine, positive, publish, ratios, table
from loops import step_of
from methods import ENCODERS, ByHand, Setting
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from graphssl import world
from graphssl.checks.checked import check
from graphssl.data import Batch
from graphssl.program.traffic import traffic

CPU = torch.device("cpu")
GRAPHS = ["simclr", "byol", "moco_v2", "npid", "swav", "barlow_twins", "dino"]
SPLIT = "{{use: split_batch, splits: {}}}"
LOOPBACK = Path("/proc/net/dev")


# -- bytes -----------------------------------------------------------------------------------------------------------


def carried() -> int:
    """Bytes that the loopback device has carried so far."""
    (line,) = (line for line in LOOPBACK.read_text().splitlines() if line.strip().startswith("lo:"))
    return int(line.split()[1])


def bytes_of(name: str, sets: list[str], steps: int) -> list[str]:
    """A row of the table: bytes of a step, as they were carried and as they were foretold."""
    checked = check(name, sets)
    here, graph = world.current(), checked.graph
    step = step_of(checked, CPU, 1000, here.size)
    own = here.part(checked.shapes.batch)
    facts, b = checked.data, checked.shapes.batch
    image = torch.randint(0, 256, (b, facts.channels, facts.height, facts.width), dtype=torch.uint8)[own]
    batch = Batch(image, torch.arange(b)[own] % facts.samples, torch.zeros(b, dtype=torch.int64)[own])
    numbers = iter(range(10**9))

    def several() -> int:
        dist.barrier()
        before = carried()
        dist.barrier()
        for _ in range(steps):
            step(next(numbers), [batch] * graph.spec.train.accumulate)
        dist.barrier()
        return carried() - before

    several()
    found = several() / steps
    said = here.size * sum(one.bytes for one in traffic(graph, checked.shapes, here.size).sent)
    return [name, f"{said:,.0f}", f"{found:,.0f}", f"{found / said:.3f}"]


# -- time ------------------------------------------------------------------------------------------------------------


class Gathered(torch.autograd.Function):
    """All rows, as implementations of SimCLR for several GPUs gather them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return everybodys(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        return gradient.chunk(dist.get_world_size())[dist.get_rank()] * 1.0


def everybodys(x: Tensor) -> Tensor:
    parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts)


class Losses(nn.Module):
    """The network of a method by hand, which gives the loss: what DDP wraps."""

    def __init__(self, hand: ByHand, loss: Callable[..., Any]) -> None:
        super().__init__()
        self.online, self._loss = hand.online, loss

    def forward(self, *given: Any) -> Any:
        return self._loss(*given)


class ByHandTogether(ByHand):
    """A method's step by hand, for several processes."""

    def __init__(self, setting: Setting, augment: nn.Module) -> None:
        super().__init__(setting, augment, CPU, compiled=False)
        self.loss = DistributedDataParallel(Losses(self, self.loss), broadcast_buffers=False)

    def simclr(self, image: Tensor, draws: Any) -> Any:
        a, b = self.augment(image, draws=draws)
        n, rank, size = len(image), dist.get_rank(), dist.get_world_size()
        z = F.normalize(self.online(torch.cat((a, b))), dim=1)
        keys = Gathered.apply(z).view(size, 2, n, -1).transpose(0, 1).flatten(0, 2)  # all first views, all second ones
        own = rank * n + torch.arange(n)
        first, second = own, size * n + own
        logits = (z @ keys.T / 0.5).index_put(
            (torch.arange(2 * n), torch.cat((first, second))), torch.tensor(-torch.inf)
        )
        return F.cross_entropy(logits, torch.cat((second, first))), None

    def moco_v2(self, image: Tensor, draws: Any) -> Any:
        a, b = self.augment(image, draws=draws)
        q = F.normalize(self.online(a), dim=1)
        with torch.no_grad():
            images = everybodys(b)
            order = torch.randperm(len(images))
            dist.broadcast(order, 0)
            k = self.target(images[order.chunk(dist.get_world_size())[dist.get_rank()]])
            keys = everybodys(F.normalize(k, dim=1))[order.argsort()]
            k = keys.chunk(dist.get_world_size())[dist.get_rank()]
        logits = torch.cat(((q * k).sum(1, keepdim=True), q @ self.queue.T), dim=1) / 0.2
        return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.int64)), keys


def time_of(setting: Setting, repeats: int) -> list[str]:
    """A row of the table: images a second, ours and by hand."""
    here = world.current()
    norm = SPLIT.format(here.size)
    checked = setting.checked(
        "train.cuda_graph=off", *(f"nodes.{node}.norm={norm}" for node in ("encoder", "projector"))
    )
    step = step_of(checked, CPU, 1000, here.size)
    hand = ByHandTogether(setting, step.program.node("augment"))
    image = torch.randint(0, 256, (setting.batch // here.size, 3, setting.size, setting.size), dtype=torch.uint8)
    index = torch.arange(setting.batch)[here.part(setting.batch)]
    batch, numbers = Batch(image, index, index), iter(range(10**9))
    seconds = interleave(
        {"ours": lambda: step(next(numbers), [batch]), "hand": lambda: hand(next(numbers), batch)}, repeats
    )
    speed = {name: setting.batch / statistics.median(s) for name, s in seconds.items()}
    return [setting.method, *(f"{s:,.1f}" for s in speed.values()), *ratios(seconds["ours"], seconds["hand"])]


# -- both ------------------------------------------------------------------------------------------------------------


def child(options: argparse.Namespace) -> None:
    """What each process runs; the first keeps what it gives."""
    torch.set_num_threads(options.threads)
    with world.together(CPU) as here:
        sent = [["graph", "said: bytes a step, all", "carried", "ratio"]]
        sent += [bytes_of(name, options.set, options.steps) for name in options.graphs]
        settings = [Setting(method, options.encoder, 32, options.batch) for method in options.method]
        took = [["method", "ours images/s", "by hand", "ratio", "range"]]
        took += [time_of(setting, options.repeats) for setting in settings]
        if here.first:
            options.child.write_text(f"{table(sent)}\n\n{table(took)}\n")


def main() -> None:
    parser = arguments(__doc__, device=False)
    parser.add_argument("--processes", type=positive, default=2)
    parser.add_argument("--graphs", nargs="*", default=GRAPHS)
    parser.add_argument("--steps", type=positive, default=10, help="of which bytes are counted")
    parser.add_argument("--set", nargs="*", default=[])
    parser.add_argument("--method", nargs="*", choices=("simclr", "moco_v2"), default=["simclr", "moco_v2"])
    parser.add_argument("--encoder", choices=ENCODERS, default="resnet18")
    parser.add_argument("--batch", type=positive, default=64, help="of all processes")
    parser.add_argument("--repeats", type=positive, default=15)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        return child(options)
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "found.txt"
        command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={options.processes}", __file__]
        done = subprocess.run([*command, *sys.argv[1:], "--child", file], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{options.processes} processes failed:\n{done.stdout}{done.stderr}")
        how = f"gloo, {options.processes} processes with {options.threads} thread(s) each; {options.encoder}, 32 px, "
        how += f"batch {options.batch}, {options.repeats} pairs after one warm-up"
        publish(f"{machine()}\n{how}\n\n{file.read_text()}", options.output)
    return None


if __name__ == "__main__":
    main()

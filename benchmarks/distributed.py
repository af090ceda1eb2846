"""Whether several processes compute what one does: each graph's losses, gradients, weights and states after some steps.

    python benchmarks/distributed.py [--graphs byol moco_v2 ...] [--processes 2 4] [--numbers float64 float32]

The processes are started by torchrun and exchange by gloo. Pictures are random, the same for all. A difference is the
largest of any number of a node, relative to the largest number of that node: of the losses of all steps, of the
gradients of the first, and of weights and states (queues, banks, running statistics) after the last. In float64 what
remains is rounding; in float32 it is rounding too, which a row of its own measures: one process beside itself with
another number of threads. The optimizer is SGD: AdamW makes whole steps of gradients that are nothing but rounding,
such as those of a bias before batch norm.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from common import arguments, machine, positive, publish, table
from torch import Tensor
from torch.utils._pytree import tree_map_only

from graphssl import world
from graphssl.checks.checked import check
from graphssl.data import Batch
from graphssl.graph.language.packaged import packaged
from graphssl.program.assemble import assemble, compile_graph
from graphssl.program.program import Program
from graphssl.train.precision import resolve
from graphssl.train.step import Step

CPU = torch.device("cpu")
NUMBERS = {"float64": torch.float64, "float32": torch.float32}
CLASSES = 10
Found = Mapping[str, Mapping[str, Tensor]]  # losses, gradients and states, by node and name


# -- one side --------------------------------------------------------------------------------------------------------


def trained(name: str, sets: list[str], steps: int, dtype: torch.dtype) -> Found:
    """What a graph's training gives, by the processes that are here."""
    checked = check(name, sets)
    graph, size = checked.graph, world.current().size
    program = compile_graph(graph, checked.shapes, CPU, graph.spec.train.seed, processes=size)
    if dtype == torch.float64:
        program = widened(program, size)
    step = Step(program, graph.spec.train, resolve("fp32", CPU), CPU, 10 * steps, 10)
    gradients: dict[str, Tensor] = {}

    def keep(*_: Any) -> None:
        if not gradients:
            named = program.forward.named_parameters()
            gradients.update({key: p.grad.clone() for key, p in named if p.grad is not None})

    step.optimizer.register_step_pre_hook(keep)
    losses = [float(step(number, batches(checked, number))["loss"]) for number in range(steps)]
    step.settle()
    states = {key: state.clone() for key, state in program.forward.state_dict().items()}
    return {"losses": {"loss": torch.tensor(losses, dtype=torch.float64)}, "gradients": gradients, "states": states}


def widened(program: Program, processes: int) -> Program:
    """With all nodes but those that make views in float64. Put together anew: schedules write into tensors."""
    nodes = {name: program.node(name).double() for name in program.graph.nodes}
    for name, node in program.graph.nodes.items():
        if not node.component.name.startswith("augment."):
            nodes[name].register_forward_pre_hook(_widened, with_kwargs=True)
    return assemble(program.graph, program.shapes, nodes, CPU, processes)


def _widened(_module: Any, args: Any, kwargs: Any) -> Any:
    return tree_map_only(Tensor, lambda t: t.double() if t.dtype == torch.float32 else t, (args, kwargs))


def batches(checked: Any, number: int) -> list[Batch]:
    """This process's part of the batches of a step: random pictures."""
    facts, b = checked.data, checked.shapes.batch
    generator = torch.Generator().manual_seed(number)
    own = world.current().part(b)
    found = []
    for _ in range(checked.graph.spec.train.accumulate):
        shape = (b, facts.channels, facts.height, facts.width)
        image = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        index = torch.randperm(facts.samples, generator=generator)[:b]
        found.append(Batch(image[own], index[own], (index % CLASSES)[own]))
    return found


def child(options: argparse.Namespace) -> None:
    """Trains all graphs; the first process keeps what they give."""
    torch.set_num_threads(options.threads)
    with world.together(CPU) as here:
        for name in options.graphs:
            for number in options.numbers:
                found = trained(name, options.set, options.steps, NUMBERS[number])
                if here.first:
                    torch.save(found, options.child / f"{name.replace('/', '-')} {number}.pt")


# -- both sides ------------------------------------------------------------------------------------------------------


@dataclass
class Sides:
    """Folders of what was found, and how they are made."""

    options: argparse.Namespace
    folder: Path

    def run(self, processes: int, threads: int) -> Path:
        folder = self.folder / f"{processes}-{threads}"
        folder.mkdir()
        o = self.options
        command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", __file__]
        command += ["--child", str(folder), "--threads", str(threads), "--steps", str(o.steps)]
        command += ["--graphs", *o.graphs, "--numbers", *o.numbers, "--set", *o.set]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{processes} processes failed:\n{done.stdout}{done.stderr}")
        return folder


def difference(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """The largest, relative to the largest number of the node."""
    largest: dict[str, float] = {}
    for name, values in one.items():
        node = name.partition(".")[0]
        if values.numel():
            largest[node] = max(largest.get(node, 0.0), float(values.double().abs().max()))
    found = [0.0]
    for name, values in one.items():
        scale = largest.get(name.partition(".")[0], 0.0)
        if values.numel() and scale > 0:
            found.append(float((values.double() - other[name].double()).abs().max()) / scale)
    return max(found)


def rows(options: argparse.Namespace, folders: Mapping[str, Path]) -> list[list[str]]:
    found = [["graph", "numbers", "beside one process", "losses", "gradients", "weights and states"]]
    for name in options.graphs:
        for number in options.numbers:
            file = f"{name.replace('/', '-')} {number}.pt"
            one = torch.load(folders["one"] / file)
            for title, folder in folders.items():
                if title == "one" or (title == "other threads" and number == "float64"):
                    continue
                other = torch.load(folder / file)
                found.append([name, number, title, *(f"{difference(one[k], other[k]):.1e}" for k in one)])
    return found


def main() -> None:
    parser = arguments(__doc__, device=False)
    own = [name for name in packaged() if name.partition("/")[0] not in ("cifar10", "imagenet") and name != "nce_toy"]
    parser.add_argument("--graphs", nargs="+", default=own)
    parser.add_argument("--processes", nargs="+", type=positive, default=[2, 4])
    parser.add_argument("--steps", type=positive, default=10)
    parser.add_argument("--numbers", nargs="+", choices=NUMBERS, default=list(NUMBERS))
    parser.add_argument("--set", nargs="*", default=["train.optimizer={use: sgd, lr: 0.01}"])
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        return child(options)
    with tempfile.TemporaryDirectory() as name:
        sides = Sides(options, Path(name))
        folders = {"one": sides.run(1, options.threads)}
        folders |= {f"{n} processes": sides.run(n, options.threads) for n in options.processes}
        if "float32" in options.numbers:
            folders["other threads"] = sides.run(1, options.threads + 1)
        found = table(rows(options, folders))
    publish(f"{machine()}\ngloo, random pictures, {options.steps} steps\n\n{found}\n", options.output)
    return None


if __name__ == "__main__":
    main()

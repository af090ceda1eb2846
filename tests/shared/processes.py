"""Trains graphs by several processes at once, as torchrun starts them, and keeps what they give.

    python -m torch.distributed.run --nproc-per-node 2 processes.py FOLDER GRAPH...

One start is for many graphs, since it takes as long as all of them.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from graphssl import world
from graphssl.checks.checked import Checked, check, validated
from graphssl.data import Batch, WholeBatch
from graphssl.graph.graph import Graph
from graphssl.program.assemble import assemble, compile_graph
from graphssl.train.checkpoint import Checkpoints
from graphssl.train.checkpoint_file import named
from graphssl.train.commit import end_epoch
from graphssl.train.precision import resolve
from graphssl.train.step import Step

CPU = torch.device("cpu")
DROPPING = """
from typing import Annotated
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import StochasticDepth
from graphssl.component import NodeConfig, component

class DropPath(nn.Module):  # as many have written it
    def __init__(self, p):
        super().__init__()
        self.p = p
    def forward(self, x):
        if self.p == 0 or not self.training:
            return x
        mask = (1 - self.p) + torch.rand((x.shape[0],) + (1,) * (x.ndim - 1), dtype=x.dtype, device=x.device)
        return x.div(1 - self.p) * mask.floor_()

class Noise(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p
    def forward(self, x):
        return x + self.p * torch.randn_like(x) if self.training and self.p else x

class Tokens(nn.Module):  # 16 of each sample: in front of the samples, or behind them
    def __init__(self, p, first):
        super().__init__()
        self.drop, self.first = nn.Dropout(p), first
    def forward(self, x):
        tokens = x[:, None, :].expand(-1, 16, -1)
        if self.first:
            return self.drop(tokens.transpose(0, 1)).mean(0)
        return self.drop(tokens.flatten(0, 1)).unflatten(0, (-1, 16)).mean(1)

LAYERS = {
    "dropout": nn.Dropout, "inplace": lambda p: nn.Dropout(p, inplace=True), "alpha": nn.AlphaDropout,
    "depth": lambda p: StochasticDepth(p, "row"), "path": DropPath, "noise": Noise,
    "tokens_first": lambda p: Tokens(p, True), "tokens": lambda p: Tokens(p, False),
    "own": lambda p: nn.Identity(), "functional": lambda p: nn.Identity(),
}

@component("head.dropping", traits=("apart",))
class Dropping(nn.Module):
    class Config(NodeConfig):
        layer: str = "dropout"
        p: float = 0.5
    def __init__(self, config, sizes):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(sizes["d"], 8), LAYERS[config.layer](config.p))
        self.layer, self.p = config.layer, config.p
    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b e"]:
        x = self.layers(x)
        if self.layer == "own":
            x = x * torch.rand(x.shape[0], 1, device=x.device, dtype=x.dtype)
        return functional.dropout(x, self.p, self.training) if self.layer == "functional" else x

@component("head.silent")
class Silent(nn.Module):  # which says nothing of itself
    class Config(NodeConfig): ...
    def __init__(self, config, sizes):
        super().__init__()
    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b d"]:
        return x
"""
CENTRED = """
from typing import Annotated
import torch
from torch import Tensor, nn
from graphssl.component import NodeConfig, component
from graphssl.ports import Negatives, Scores

@component("critic.centred")
class Centred(nn.Module):
    '''It says nothing of itself, and looks at all entries of a bank, drawn or not.'''
    class Config(NodeConfig): ...
    def __init__(self, config, sizes):
        super().__init__()
    def forward(
        self, query: Annotated[Tensor, "b d"], key: Annotated[Tensor, "b d"], negatives: Annotated[Negatives, "n d"]
    ) -> Annotated[Scores, "b", "b n"]:
        entries = (negatives.entries - negatives.entries.mean(0))[negatives.pick]
        return negatives.scores((query * key).sum(1), torch.einsum("bd,bmd->bm", query, entries))
"""
WEIGHTS = """
from typing import Annotated
from torch import Tensor, nn
from graphssl.component import NodeConfig, component, update

class Block(nn.Module):
    def __init__(self, shared):
        super().__init__()
        self.norm, self.shared = nn.LayerNorm(8), shared
    def forward(self, x):
        return x + self.shared(self.norm(x))

@component("head.tied", traits=("apart",))
class Tied(nn.Module):
    '''Its blocks have a layer in common.'''
    class Config(NodeConfig): ...
    def __init__(self, config, sizes):
        super().__init__()
        shared = nn.Linear(8, 8)
        self.layers = nn.Sequential(nn.Linear(sizes["d"], 8), Block(shared), Block(shared))
    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b e"]:
        return self.layers(x)

@component("head.assigned", traits=("apart",))
class Assigned(nn.Module):
    '''An update of it puts other numbers in the place of its weights.'''
    class Config(NodeConfig): ...
    def __init__(self, config, sizes):
        super().__init__()
        self.layer = nn.Linear(sizes["d"], 8)
        self.register_buffer("count", self.layer.weight.new_zeros(()))
    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b e"]:
        return self.layer(x)
    @update
    def shorten(self) -> None:
        self.count += 1
        self.layer.weight.data = nn.functional.normalize(self.layer.weight.data)
"""
STEPS, SHORT = 3, 2  # optimizer steps, and the one whose batch all processes have whole


def trained(path: str | Path) -> dict[str, Tensor]:
    """Losses, and weights and states after some steps in float64, by the processes that are here."""
    checked = check(path)
    if Path(path).stem.startswith("parted"):  # a number of samples that parts nowhere evenly
        checked = validated(path, replace(checked.data, samples=(checked.data.samples or 0) + 1))
    graph, size = checked.graph, world.current().size
    program = compile_graph(graph, checked.shapes, CPU, graph.spec.train.seed)
    nodes = {name: program.node(name) for name in graph.nodes}
    if graph.spec.train.precision != "fp16":
        widen(graph, nodes)
    program = assemble(graph, checked.shapes, nodes, CPU, size)
    step = Step(program, graph.spec.train, resolve(graph.spec.train.precision, CPU), CPU, 10, 5)
    outputs = []
    for number in range(STEPS):
        outputs.append(step(number, batches(checked, number)))
        end_epoch(program, graph.spec.train.seed, number)
    step.settle()
    found = {f"loss {i}": output["loss"].double() for i, output in enumerate(outputs)}
    found |= {f"{key} {i}": v.double() for i, output in enumerate(outputs) for key, v in output["terms"].items()}
    if step.precision.scaler is not None:
        found["scale"] = torch.tensor(step.precision.scaler.get_scale())
    model = read_back(step, Path(path).with_suffix(f".{size}")) if step.in_parts else step.state()["model"]
    return found | {key: value.clone() for key, value in model.items()}


def read_back(step: Step, folder: Path) -> dict[str, Tensor]:
    """The model of a step in parts, as one process reads it from what several have written and taken up again."""
    store = Checkpoints(folder, keep=9)

    def written(number: int) -> dict[str, Any]:
        store.write(number, {"graph_hash": "", "step": number, **step.state()})
        world.of_all(None)
        found = store.latest()
        assert found is not None
        assert found["step"] == number
        return found

    def spoil() -> None:
        for parameter in step.parameters:
            parameter.detach().zero_()
        step.optimizer.state.clear()

    first, parts = written(1), store.latest(whole=False)
    for number, payload in ((2, parts), (3, first)):
        spoil()
        step.load(payload)
        again = written(number)
        pairs = [(named(part), named(again[key])) for key, part in first.items() if key in ("model", "optimizer")]
        assert all(one.keys() == other.keys() for one, other in pairs)
        assert all(torch.equal(one[key], other[key]) for one, other in pairs for key in one)
    found: dict[str, Tensor] = again["model"]
    return found


def widen(graph: Graph, nodes: Mapping[str, nn.Module]) -> None:
    """All nodes but those that make views in float64."""
    for name, node in graph.nodes.items():
        nodes[name].double()
        if not node.component.name.startswith("augment."):
            nodes[name].register_forward_pre_hook(_widened, with_kwargs=True)


def _widened(_module: Any, args: Any, kwargs: Any) -> Any:
    return tree_map_only(Tensor, lambda t: t.double() if t.dtype == torch.float32 else t, (args, kwargs))


def batches(checked: Checked, number: int) -> list[Batch]:
    """This process's part of the batches of a step; of the last step a short one, which all have whole."""
    facts, b = checked.data, checked.shapes.batch
    generator = torch.Generator().manual_seed(number)
    found: list[Batch] = []
    for _ in range(checked.graph.spec.train.accumulate):
        image = torch.randint(
            0, 256, (b, facts.channels, facts.height, facts.width), dtype=torch.uint8, generator=generator
        )
        known = facts.samples or 100
        index = torch.randperm(min(known, 100), generator=generator)[:b] * max(known // 100, 1)  # from all over
        whole = Batch(image, index, index % 5)
        if number == SHORT and checked.graph.spec.data.last == "keep":
            found.append(WholeBatch(*(tensor[: b // 2] for tensor in whole[:3])))
        else:
            own = world.current().part(b)
            found.append(Batch(*(tensor[own] for tensor in whole[:3])))
    return found


def together(folder: Path, paths: Sequence[Path], processes: int) -> dict[str, dict[str, Tensor]]:
    """What graphs give that so many processes train, by the file's name."""
    several = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}"] if processes > 1 else []
    command = [sys.executable, *several, __file__]
    done = subprocess.run(
        [*command, folder, *paths], capture_output=True, text=True, timeout=600, check=False, cwd=Path(__file__).parent
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
    return {path.stem: torch.load(folder / f"{path.stem}.pt") for path in paths}


if __name__ == "__main__":
    torch.set_num_threads(1)
    with world.together(CPU) as here:
        for graph in sys.argv[2:]:
            result = trained(graph)
            if here.first:
                torch.save(result, Path(sys.argv[1]) / f"{Path(graph).stem}.pt")

"""Several processes compute what one does: losses, weights and states, in float64, of every mechanism that there is.

All graphs of a number of processes are trained in one start of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR
from processes import CENTRED, DROPPING, WEIGHTS, together
from torch import Tensor

from graphssl.graph.language.packaged import packaged

pytestmark = pytest.mark.xdist_group("together")  # one start of the processes for all of them

OWN = """
from typing import Annotated
import torch
from torch import Tensor, nn
from graphssl.component import NodeConfig, component
from graphssl.ports import Negatives, Scores

@component("critic.own")
class Own(nn.Module):
    '''It says nothing of itself, and looks at all of the batch.'''
    class Config(NodeConfig): ...
    def __init__(self, config, sizes):
        super().__init__()
        self.scale = nn.Linear(sizes["d"], sizes["d"], bias=False)
    def forward(
        self, query: Annotated[Tensor, "b d"], key: Annotated[Tensor, "b d"], negatives: Annotated[Negatives, "n d"]
    ) -> Annotated[Scores, "b", "b n"]:
        query = self.scale(query - query.mean(0))
        return negatives.scores((query * key).sum(1), query @ negatives.entries.T)
"""
SGD = "optimizer: {use: sgd, lr: 0.05}"  # AdamW makes whole steps of gradients that are nothing but rounding
SMALL = (
    "extends: {name}\ngraph: {title}\ndata: {{batch: 16}}\ntrain: {{optimizer: {{use: sgd, lr: 0.01}}, clip: null}}\n"
)


def variant(text: str, *changes: tuple[str, str]) -> str:
    for old, new in (("optimizer: {use: adamw, lr: 1e-3}", SGD), *changes):
        text = text.replace(old, new)
    return text


def packaged_graph(name: str) -> str:
    return SMALL.format(name=name, title=name.replace("/", "-"))


def own_graph(layer: str, *changes: tuple[str, str]) -> str:
    head = ("head.mlp, hidden: 16, out: 8", f"head.dropping, layer: {layer}")
    text = variant(SIMCLR, ("critic.cosine, temperature: 0.2", "critic.own"), head, *changes)
    return text.replace("graph: simclr\n", "graph: own\ncomponents: [./own.py, ./dropping.py]\n")


def network(options: str, name: str = "test_vit", text: str = SIMCLR) -> str:
    """With a vision transformer in which much is left out by chance."""
    use = f"encoder.timm, name: {name}, options: {{{options}}}"
    return variant(text, ("encoder.resnet, depth: 10, width: 8", use))


VIT = "patch_size: 16, depth: 2"
WINDOWS = "window_size: 4, depths: [1, 1], num_heads: [2, 2], embed_dim: 16"
BY_CHANCE = {
    "own": own_graph("dropout"),
    "own_inplace": own_graph("inplace", ("encoder(x, views=fold))", "encoder(x, views=fold), views=fold)")),
    **{f"own_{layer}": own_graph(layer) for layer in ("depth", "path", "noise", "own", "tokens", "tokens_first")},
    "own_short": own_graph("dropout", ("batch: 16", "batch: 16, last: keep")),
    "vit": network(f"{VIT}, drop_path_rate: 0.3, proj_drop_rate: 0.2"),
    "vit_attention": network(f"{VIT}, attn_drop_rate: 0.2"),
    "vit_recomputed": network(f"{VIT}, drop_path_rate: 0.3, proj_drop_rate: 0.2").replace(
        ", name:", ", recompute: true, name:"
    ),
    "vit_target": network(f"{VIT}, proj_drop_rate: 0.2", text=BYOL),
    "windows": network(f"{WINDOWS}, drop_path_rate: 0.3, proj_drop_rate: 0.2", "swin_tiny_patch4_window7_224"),
}

# Of 32 queries with 8 entries each, few of all are fetched; `trained` gives them 1,501 samples.
PARTED = """
extends: npid
graph: parted
data: {{batch: 32{more}}}
nodes:
  encoder: {{depth: 10, width: 4}}
  bank:    {{shard: rows, sample: {sample}, own: {own}, momentum: {momentum}}}
train: {{optimizer: {{use: sgd, lr: 0.01}}}}
"""


def parted(sample: int | None = 8, own: str = "mask", momentum: object = 0.5, more: str = "") -> str:
    return PARTED.format(sample="null" if sample is None else sample, own=own, momentum=momentum, more=more)


FALLING = "{from: 0.9, to: 0.1, shape: linear}"
READ_WHOLE = (
    parted()
    .replace("graph: parted", "graph: read_whole\ncomponents: [./centred.py]")
    .replace("train:", "  critic:  {use: critic.centred}\ntrain:")
)
BANKS = {
    "parted_fetched": parted(),
    "parted_gathered": parted(sample=600, momentum=FALLING),
    "parted_all": parted(sample=None, own="keep"),
    "parted_kept": parted(own="keep", momentum=FALLING),
    "parted_last_is_short": parted(more=", last: keep"),
}


MLP, NAMED, TIED = "head.mlp, hidden: 16, out: 8", "graph: simclr\n", "graph: tied\ncomponents: [./tied.py]\n"


def shared(text: str, optimizer: str, *changes: tuple[str, str]) -> str:
    """With weights in parts."""
    whole = ("train: {", "train: {shard: full, ")
    return variant(text, *changes, whole).replace(SGD, f"optimizer: {{{optimizer}}}")


SHARED = {
    "shared": shared(SIMCLR, "use: sgd, lr: 0.05, momentum: 0.9"),
    "shared_target": shared(
        BYOL, "use: adamw, lr: 1e-3, eps: 1e-2", ("train: {", "train: {accumulate: 2, clip: 0.1, ")
    ),
    "shared_queue": shared(MOCO, "use: lars, lr: 0.1, weight_decay: 1e-4", ("batch: 16", "batch: 16, last: keep")),
    "shared_larc": shared(BYOL, "use: larc, lr: 0.1", ("train: {", "train: {clip: {norm: 0.1, per: parameter}, ")),
    "shared_timm": shared(network(f"{VIT}, drop_path_rate: 0.3"), "use: timm, name: lamb, lr: 0.01"),
    "shared_bank": shared(parted(), "use: sgd, lr: 0.01"),
    "shared_tied": shared(SIMCLR, "use: sgd, lr: 0.05", (MLP, "head.tied")).replace(NAMED, TIED),
    "shared_assigned": shared(
        SIMCLR,
        "use: sgd, lr: 0.05, momentum: 0.9",
        (MLP, "head.assigned"),
        ("loss:", "update: {projector: shorten()}\nloss:"),
    ).replace(NAMED, TIED),
}
HALF = "train: {precision: fp16, "
HALVES = {  # of a loss that is so large that the first steps are skipped
    "half": variant(BYOL, ("train: {", HALF), ("byol: objective(s)", "byol: 30 * objective(s)")),
    "half_shared": shared(BYOL, SGD[12:-1], ("train: {", HALF), ("byol: objective(s)", "byol: 30 * objective(s)")),
}


def split(splits: int, text: str = SIMCLR, *changes: tuple[str, str]) -> str:
    """Batch norm over parts, each of which has both views of its samples."""
    return variant(
        text, ("depth: 10, width: 8", f"depth: 10, width: 8, norm: {{use: split_batch, splits: {splits}}}"), *changes
    )


SPLIT = {
    "split_views": split(2),
    "split_views_more": split(4),
    "split_target": split(2, BYOL, ("target(x)", "target(x, views=fold)"), ("encoder(x)", "encoder(x, views=fold)")),
}
FEW = {
    "simclr": variant(SIMCLR),
    "byol": variant(BYOL),
    "moco": variant(MOCO),
    "split_over_processes": variant(MOCO, ("splits: 4", "splits: 2")),
    "parts_do_not_fit": variant(MOCO, ("batch: 16", "batch: 12"), ("splits: 4", "splits: 3")),
    "accumulated": variant(MOCO, ("train: {", "train: {accumulate: 2, ")),
    "last_is_short": variant(MOCO, ("batch: 16", "batch: 16, last: keep")),
    "clipped": variant(BYOL, ("train: {", "train: {clip: 0.1, ")),
    **BY_CHANCE,
    **SPLIT,
    **{name: packaged_graph(name) for name in ("npid", "swav", "dim_gaussian", "amdim")},
    **BANKS,
    "parted_read_whole": READ_WHOLE,
    **SHARED,
    **HALVES,
}
MANY = {
    name.replace("/", "-"): packaged_graph(name)
    for name in packaged()
    if name.partition("/")[0] not in ("cifar10", "imagenet", "variants") and name != "nce_toy"
}
STARTS = {
    "2": (2, FEW),
    "4": (
        4,
        {
            k: FEW[k]
            for k in ("simclr", "moco", "split_over_processes", "vit", "shared_target", "shared_bank", *SPLIT, *BANKS)
        },
    ),
    "many": (2, MANY),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("together")
    (path / "own.py").write_text(OWN)
    (path / "tied.py").write_text(WEIGHTS)
    (path / "centred.py").write_text(CENTRED)
    (path / "dropping.py").write_text(DROPPING)
    return path


_found: dict[tuple[str, int], dict[str, dict[str, Tensor]]] = {}


def found(start: str, folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, dict[str, Tensor]]]:
    """What one process and the processes of a start have found, which are started once each."""
    processes, graphs = STARTS[start]
    for name, text in graphs.items():
        (folder / f"{name}.yaml").write_text(text)
    for number in (1, processes):
        if (start, number) not in _found:
            _found[start, number] = together(folder, [folder / f"{name}.yaml" for name in graphs], number)
    return _found[start, 1], _found[start, processes]


def check_alike(one: Mapping[str, Tensor], other: Mapping[str, Tensor], tolerance: float = 1e-9) -> None:
    """To rounding, of the largest number of a node."""
    assert one.keys() == other.keys()
    largest: dict[str, float] = {}
    for name, value in one.items():
        node = name.partition(".")[0]
        largest[node] = max(largest.get(node, 0.0), float(value.double().abs().max()) if value.numel() else 0.0)
    for name, value in one.items():
        if value.numel():
            gap = float((value.double() - other[name].double()).abs().max())
            assert gap <= tolerance * max(largest[name.partition(".")[0]], 1e-6), (name, gap)


@pytest.mark.parametrize("name", [name for name in FEW if name not in HALVES])
def test_two_processes_compute_what_one_does(name: str, folder: Path) -> None:
    one, other = found("2", folder)
    check_alike(one[name], other[name])


@pytest.mark.parametrize("name", HALVES)
def test_the_scaler_of_float16_is_one(name: str, folder: Path) -> None:
    one, other = found("2", folder)
    assert one[name]["scale"] == other[name]["scale"] < 65536, "steps that are skipped are skipped by all"
    check_alike(one[name], other[name], 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", STARTS["4"][1])
def test_four_processes_compute_what_one_does(name: str, folder: Path) -> None:
    one, other = found("4", folder)
    check_alike(one[name], other[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", MANY)
def test_every_method_computes_the_same(name: str, folder: Path) -> None:
    one, other = found("many", folder)
    check_alike(one[name], other[name])


def test_that_a_difference_is_noticed() -> None:
    one = {"encoder.weight": torch.tensor([1.0, 2.0], dtype=torch.float64)}
    with pytest.raises(AssertionError):
        check_alike(one, {"encoder.weight": one["encoder.weight"] + 1e-8})

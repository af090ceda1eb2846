"""Every component of the library keeps the contract of `graphssl.testing`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
from masked_parts import PLACES, vit
from torch import Tensor, nn

from graphssl.component import REGISTRY, DataFacts, Sizes, build, discover
from graphssl.components.negatives import MemoryBank
from graphssl.components.objective.f_divergence import EXPECTATIONS
from graphssl.components.target import Groups
from graphssl.testing import check_component

LIBRARY = Path(__file__).parents[2] / "components"
NETS = Path(__file__).parents[1] / "shared" / "nets.py"


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b d"]:
        return self.bn(self.conv(image)).mean((2, 3))


class Projector(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 4)

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b e"]:
        return self.linear(x)


def chain(**config: Any) -> dict[str, Any]:
    return {
        "config": {"of": ["encoder", "projector"], **config},
        "sources": {"of": [Encoder(), Projector()]},
    }


def groups() -> Groups:
    return build(Groups, sizes=BANK, sources={"of": build(MemoryBank, sizes=BANK)}, of="bank", count=5)


PRIORS = ("uniform", "normal")
OPERATIONS = [
    "crop", "flip", "jitter", "grey", "blur", "solarize", "rotate", "translate", "erase", "noise", "posterize",
    "equalize", "autocontrast", "sharpen", "invert",
]  # fmt: skip
BANK = Sizes({"d": 5}, DataFacts(samples=32))
FITTED = {"config": {"of": "bank", "count": 5}, "sources": {"of": build(MemoryBank, sizes=BANK)}, "sizes": {"d": 5}}

# How each component is called; those that are not listed need nothing. Small, so that a check takes a second.
CASES: dict[str, list[dict[str, Any]]] = {
    "augment.channels": [{}, {"config": {"shift": 2}}, {"config": {"drop": 0.5, "standardize": False}}],
    "augment.neighbours": [{"sizes": {"r": 3, "k": 4}}],
    "augment.patches": [
        {"config": {"size": 8, "stride": 4, **config}, "sizes": {"y": 18, "x": 16}}
        for config in ({}, {"crop": 5}, {"crop": 5, "pad": False})
    ],
    "augment.rearrange": [{"config": {"orders": n}} for n in (7, None)],
    "augment.rotate": [{"config": {"views": n}, "sizes": {"y": 6, "x": 6}} for n in (1, 4)],
    "context.nearest": [{"inputs": {"distance": lambda shape: torch.arange(math.prod(shape)).reshape(shape)}}],
    "context.take": [{"inputs": PLACES}],
    "context.unpatchify": [{"config": {"of": "encoder"}, "sizes": {"t": 16, "e": 48}, "sources": {"of": vit()}}],
    "context.gru": [{"config": {"out": 5}}],
    "context.masked_conv": [{"config": {"hidden": 5, "layers": 2}}],
    "critic.bilinear": [{}, {"config": {"temperature": 0.5}, "sizes": {"d": 3, "e": 3}}],
    "critic.concat": [{"config": {"hidden": 6, "layers": 2}}],
    "critic.cosine": [{"config": {"temperature": 0.1}}],
    "critic.js": [{"config": {"units": 10}}, {"config": {"units": 6, "form": "concat_and_convolve"}}],
    "critic.separable": [{"config": {"hidden": 6, "out": 4, "layers": 2}}],
    "augment.chain": [
        {"config": {"operations": OPERATIONS, "views": 2}},
        {"config": {"views": [["crop", "flip"], ["invert"]]}},
    ],
    "augment.torchvision": [
        {"config": {"transforms": [{"use": "RandomResizedCrop", "size": [6, 5]}, "RandAugment"]}},
    ],
    "encoder.alexnet": [{"config": {"width": 4, "hidden": 6, "out": 5}, "sizes": {"h": 15, "w": 31}}],
    "encoder.unpadded": [
        {"config": {"width": 2, "out": 10, "depth": 2, "hidden_norm": True}, "sizes": {"h": 32, "w": 32}}
    ],
    "encoder.conv": [{"config": {"width": 4, "hidden": 6, "out": 5}}],
    "encoder.module": [
        {"config": {"path": f"{NETS}:{name}"}} for name in ("Vector", "Tokens", "Map", "Named", "Several", "Mapped")
    ],
    "encoder.resnet": [
        {"config": {"depth": 10, "width": 4}},
        {"config": {"depth": 10, "width": 4, "norm": {"use": "split_batch", "splits": 2}}},
    ],
    "encoder.timm": [
        {
            "config": {"name": "test_vit", "options": {"patch_size": 4, "depth": 1}, "maps": maps},
            "sizes": {"h": 8, "w": 8},
        }
        for maps in ([], [0])
    ],
    "encoder.torchvision": [{"config": {"name": "shufflenet_v2_x0_5"}, "sizes": {"h": 32, "w": 32}}],
    "encoder.vit": [
        {"config": {"patch": 4, "dim": 12, "depth": 2, "heads": 2, **more}, "inputs": PLACES}
        for more in ({}, {"drop_path": 0.5, "init": "moco_v3"})
    ],
    "head.decoder": [
        {
            "config": {"of": "encoder", "dim": 8, "depth": 1, "heads": 2, **more},
            "sources": {"of": vit()},
            "inputs": PLACES,
        }
        for more in ({}, {"out": "tokens", "positions": "learned"})
    ],
    "head.gaussian": [{"config": {"out": 3}}],
    "head.mlp": [{"config": {"hidden": 6, "out": 3}}, {"config": {"hidden": 6, "norm": "none", "layers": 3}}],
    "head.prototypes": [{"config": {"count": 5}}],
    "head.whiten": [{"config": {"shrinkage": 0.1}}, {"config": {"size": 2, "shrinkage": 0.5}}, {"sizes": {"d": 3}}],
    "head.residual": [{"config": {"out": 10, "last_norm": True}}, {"config": {"out": 6, "norm": "none"}}],
    **{
        f"mask.{name}": [{"config": {"of": "encoder"}, "sources": {"of": vit(32)}, "sizes": {"h": 32, "w": 32}}]
        for name in ("random", "block", "multi_block")
    },
    "negatives.memory_bank": [{"config": {"sample": 5}}, {"config": {"sample": None}}, {"config": {"own": "keep"}}],
    "negatives.queue": [{"config": {"size": 6}}, {"config": {"size": 3}}],
    "objective.alignment": [{}, {"config": {"alpha": 1, "normalize": False}}],
    "objective.classification": [{"sizes": {"p": 12}}],
    "objective.decoupled": [{}, {"config": {"weight": "von_mises"}}],
    "objective.f_divergence": [{"config": {"kind": kind}} for kind in EXPECTATIONS],
    "objective.sliced_gaussian": [
        {"config": {"slices": 5, "test": test, "standardize": own}}
        for test in ("epps_pulley", "wasserstein")
        for own in (False, True)
    ],
    "objective.triplet": [{"config": {"mine": mine}} for mine in ("all", "hard", "semi_hard")],
    "objective.distance": [{"inputs": PLACES}, {"config": {"norm": "smooth_l1"}, "inputs": PLACES}],
    "objective.cross_entropy": [{"inputs": PLACES}],
    "objective.variance_covariance": [{}, {"sizes": {"d": 3}}],
    "prior.adversary": [{"config": {"hidden": [6], "prior": p}} for p in PRIORS],
    "target.assigned": [{"config": {"of": "groups"}, "sources": {"of": groups()}, "sizes": {"d": 5}}],
    "target.clusters": [FITTED],
    "target.colour_bins": [{"config": {"stride": 3, "step": 40}}],
    "target.ema": [chain(), chain(buffers="follow", momentum=0.5)],
    "target.groups": [FITTED],
    "target.hog": [{"config": {"of": "encoder"}, "sources": {"of": vit()}}],
    "target.pixels": [{"config": {"of": "encoder", "normalize": n}, "sources": {"of": vit()}} for n in (False, True)],
    "target.entry": [{"config": {"of": "bank"}, "sources": {"of": build(MemoryBank, sizes=BANK)}}],
}


def library() -> list[str]:
    return [name for name, entry in discover().items() if Path(entry.origin).is_relative_to(LIBRARY)]


PAIRS = [(name, case) for name in library() for case in CASES.get(name, [{}])]


@pytest.mark.parametrize(("name", "case"), PAIRS, ids=[name for name, _ in PAIRS])
def test_a_component_keeps_the_contract(name: str, case: dict[str, Any]) -> None:
    check_component(REGISTRY[name].cls, **case)


def test_the_cases_are_of_components_that_exist() -> None:
    assert set(CASES) <= set(library())

"""Rules know a component by its traits: one of a user's own gets the lints of the library's, and only by them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from conftest import Write
from findings import QUICK_MOCO, found, weighted_bank
from own import own

from graphssl.component import discover

ROOT = Path(__file__).parents[3] / "graphssl" / "checks"

OWN_CRITIC = """
from graphssl.component import component
from graphssl.components.critic.base import DotProduct

@component("critic.{name}", traits={traits})
class Own(DotProduct):
    cosine = True
"""

OWN_TARGET = """
from graphssl.component import component
from graphssl.components.target import EMA

@component("target.{name}", detached=True, traits={traits})
class Own(EMA):
    pass
"""

OWN_NCE = """
from graphssl.component import component
from graphssl.components.objective import FixedNCE

@component("objective.{name}", traits={traits})
class Own(FixedNCE):
    pass
"""
OWN_BANK = """
from graphssl.component import component
from graphssl.components.negatives import MemoryBank

@component("negatives.{name}", detached=True, traits=("history", "bank", *{traits}))
class Own(MemoryBank):
    pass
"""
OWN_HEAD = """
from typing import Annotated, Literal
from torch import Tensor, nn
from graphssl.component import NodeConfig, component

@component("head.{name}", traits={traits})
class Own(nn.Module):
    class Config(NodeConfig):
        out: int
        norm: Literal["batch", "none"] = "batch"
    def __init__(self, config, sizes):
        super().__init__()
        norm = nn.BatchNorm1d(config.out) if config.norm == "batch" else nn.Identity()
        self.layers = nn.Sequential(nn.Linear(sizes["d"], config.out), norm)
    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b e"]:
        return self.layers(x)
"""


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_check_knows_a_component_of_the_library_by_its_name(path: Path) -> None:
    kinds = {f"{name.split('.')[0]}." for name in discover()}
    assert {"critic.", "head."} <= kinds
    values = [n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant)]
    assert [v for v in values if v in kinds or v in discover()] == []  # sentences may name them


@pytest.mark.parametrize(("name", "traits"), [("own_cosine", ("cosine",)), ("own_product", ("bounded",))])
def test_a_critic_of_ones_own_says_that_its_scores_are_cosines(
    write: Write, tmp_path: Path, name: str, traits: tuple[str, ...]
) -> None:
    critic = ("critic.cosine, temperature: 0.2", f"critic.{name}, temperature: 50")
    said = [("50", "the temperature of 'critic' is 50", "0.01 to 1 is usual: 0.07, 0.1, 0.2, 0.5")]
    changes = [critic, own(tmp_path, OWN_CRITIC, name, traits)]
    assert found(write, "G303", QUICK_MOCO, changes) == (said if "cosine" in traits else [])


def test_a_target_of_ones_own_says_that_it_is_an_average(write: Write, tmp_path: Path) -> None:
    changes = [("target.ema", "target.own_average"), ("momentum: 0.99", "momentum: 0.1")]
    mine = own(tmp_path, OWN_TARGET, "own_average", ("average",))
    assert [m for _, m, _ in found(write, "G404", QUICK_MOCO, [*changes, mine])] == ["the momentum of 'target' is 0.1"]


@pytest.mark.parametrize(("name", "traits"), [("noise_uniform", ("uniform_noise",)), ("noise_any", ())])
def test_an_objective_of_ones_own_says_that_it_is_for_uniform_noise(
    write: Write, tmp_path: Path, name: str, traits: tuple[str, ...]
) -> None:
    changes = [
        *weighted_bank(tmp_path),
        ("objective.infonce", f"objective.{name}"),
        own(tmp_path, OWN_NCE, name, traits),
    ]
    assert len(found(write, "G308", QUICK_MOCO, changes)) == len(traits)


@pytest.mark.parametrize(("name", "traits"), [("bank_weighted", ("weighted",)), ("bank_plain", ())])
def test_a_bank_of_ones_own_says_that_its_weights_are_of_draws(
    write: Write, tmp_path: Path, name: str, traits: tuple[str, ...]
) -> None:
    mine = own(tmp_path, OWN_BANK, name, traits)
    changes = [
        *weighted_bank(tmp_path),
        ("objective.infonce", "objective.nce_fixed"),
        ("negatives.memory_bank", f"negatives.{name}"),
    ]
    assert len(found(write, "G308", QUICK_MOCO, [*changes, mine])) == len(traits)


@pytest.mark.parametrize(
    ("name", "traits", "place", "hint"),
    [
        ("head_normed", ("normed",), "batch", "norm: none"),
        ("head_plain", (), "projector", "a norm without batch statistics has no such leak"),
    ],
)
def test_a_head_of_ones_own_is_told_of_the_norms_that_it_takes(
    write: Write, tmp_path: Path, name: str, traits: tuple[str, ...], place: str, hint: str
) -> None:
    head = ("head.mlp, hidden: 16, out: 8, norm: none", f"head.{name}, out: 8, norm: batch")
    message = "'projector' uses batch norm over the whole batch, and 'target' makes keys with it"
    changes = [head, own(tmp_path, OWN_HEAD, name, traits)]
    assert found(write, "G305", QUICK_MOCO, changes) == [(place, message, hint)]

"""The recipes for real data sets: every method has them, all are valid, and nothing is left of the embedded digits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import graphssl
from graphssl.checks.checked import Checked, check
from graphssl.component import DataFacts
from graphssl.components.augment.recipes import Recipe
from graphssl.graph.language.load import load
from graphssl.graph.language.packaged import packaged
from graphssl.graph.language.source import Source

DATA_SETS = ("cifar10", "imagenet")
NO_IMAGES = {"nce_toy"}  # it has no recipe for images, and nor have the studies in folders of their own
RECIPES = [name for name in packaged() if name.startswith(tuple(f"{data}/" for data in DATA_SETS))]
METHODS = [name for name in packaged() if "/" not in name and name not in NO_IMAGES]

# What makes a network or a state as large as it is, and views what they are: set for digits in the method's file.
SIZES = {
    "count", "depth", "dim", "groups", "heads", "hidden", "out", "patch", "sample", "size", "slices", "stride", "units", "width",
}  # fmt: skip
VIEWS = {"blur", "crop", "flip", "solarize", "strength"}
SECTIONS = (("data",), ("train", "epochs"), ("train", "optimizer"), ("train", "schedule"), ("evaluate", "knn"))


@cache
def checked(name: str) -> Checked:
    """The graph, which need not have its data set here."""
    return check(name)


@cache
def source(name: str) -> Source:
    return load(name)


def marked(names: list[str]) -> list[Any]:
    """Networks for pictures of 224 px take long to go through, also without numbers."""
    return [pytest.param(n, marks=pytest.mark.slow) if n.startswith("imagenet/") else n for n in names]


def leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


def from_the_method(name: str, path: tuple[str, ...]) -> bool:
    """Whether a value of a recipe is none of its own file's."""
    return Path(source(name).at(path).file) != source(name).files[-1]


def test_every_method_for_images_has_a_recipe_for_each_data_set() -> None:
    assert len(METHODS) > 40
    assert sorted(RECIPES) == sorted(f"{data}/{method}" for data in DATA_SETS for method in METHODS)
    studies = [n for n in packaged() if n not in (*RECIPES, *METHODS, *NO_IMAGES)]
    assert {n.split("/")[0] for n in studies} <= {"bounds", "mechanisms", "variants"}


@pytest.mark.parametrize("name", marked(RECIPES))
def test_every_recipe_is_valid_without_a_warning(name: str) -> None:
    """The others: test_cli."""
    assert [warning.render() for warning in checked(name).warnings] == []


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_extends_its_method_and_keeps_its_name(name: str) -> None:
    data, method = name.split("/")
    text = source(name).files[-1].read_text()
    assert f"\n# graphssl run {name}\n" in text
    assert f"\nextends: ../{method}.yaml\n" in text
    assert source(name).data["graph"] == name
    assert source(name).data["data"]["use"] == data


# Deep InfoMax's global critic, an MLP on both sides, loses on digits; the recipes have the paper's (docs/methods.md).
OTHERS = {"dim": {"global_critic"}, "dim_ema": {"global_critic"}, "dim_global": {"critic", "objective"}}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_its_method(name: str) -> None:
    """Critic, negatives, targets and objective are the method's, and the loss has its terms; SwAV's adds a queue, MMCR's a
    slow copy."""
    kinds = ("critic", "negatives", "objective", "prior", "target")
    recipe, method = source(name).data, source(name.split("/")[1]).data
    shared = (recipe["nodes"].keys() & method["nodes"].keys()) - OTHERS.get(name.split("/")[1], set())
    uses = {n: (recipe["nodes"][n]["use"], method["nodes"][n]["use"]) for n in shared}
    assert all(ours == theirs for ours, theirs in uses.values() if theirs.split(".")[0] in kinds)
    assert method["nodes"].keys() - recipe["nodes"].keys() <= {"proximal", "pool"}  # pool: of tiles that are judged
    assert method["loss"].keys() - recipe["loss"].keys() <= {"proximal"}
    written = recipe.get("update", {}).keys() - {"queue_0", "queue_1", "slow"}
    assert {node: recipe["update"][node] for node in written} == method.get("update", {})


@pytest.mark.parametrize("name", ["npid_full", *marked([f"{data}/npid_full" for data in DATA_SETS])])
def test_the_exact_softmax_is_over_all_entries(name: str) -> None:
    shapes = checked(name).shapes
    (slot,) = checked(name).graph.values["s"].slots
    _, (_, entries) = shapes.slots[slot.id]
    assert entries == shapes.data.samples > 1000


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_its_own_data_training_and_judge(name: str) -> None:
    data = source(name).data
    for path in SECTIONS:
        section = data
        for key in path:
            section = section[key]
        assert [p for p, _ in leaves(section, path) if from_the_method(name, p)] == []
    train = data["train"]
    assert all(epoch < train["epochs"] for epoch in train["schedule"].get("at", []))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_sizes_of_its_own(name: str) -> None:
    nodes = source(name).data["nodes"]
    kept = [p for p, _ in leaves(nodes, ("nodes",)) if p[-1] in SIZES and from_the_method(name, p)]
    assert kept == []


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_keeps_no_view_of_the_digits(name: str) -> None:
    """Digits are cropped mildly, `crop: [0.6, 1]`, and not mirrored: a recipe states each such key or removes it."""
    nodes = source(name).data["nodes"]
    views = [n for n, node in nodes.items() if node["use"].startswith("augment.")]
    assert views
    for view in views:
        assert [k for k in nodes[view] if k in VIEWS and from_the_method(name, ("nodes", view, k))] == []


def lists(chain: dict[str, Any]) -> list[list[Any]]:
    """The operations of each view."""
    return [chain["operations"]] if isinstance(chain["views"], int) else chain["views"]


@pytest.mark.parametrize("name", RECIPES)
def test_the_views_of_a_recipe_are_mirrored_and_cropped(name: str) -> None:
    """With the components' defaults filled in. The code of instance discrimination does not mirror CIFAR-10's images, and
    that of I-JEPA none."""
    nodes = graphssl.load(name).resolved()["nodes"].values()
    cropped = [node for node in nodes if "crop" in node and "flip" in node]
    chains = [steps for node in nodes if node["use"] == "augment.chain" for steps in lists(node)]
    unmirrored = name in ("cifar10/npid", "cifar10/npid_full", "cifar10/i_jepa", "imagenet/i_jepa")
    assert sum(node["crop"] == [0.6, 1.0] for node in cropped) == name.endswith("/pirl")  # its tiles', of its code
    assert all(node["flip"] == (0 if unmirrored else 0.5) for node in cropped)
    assert all("flip" in operations for operations in chains)
    assert bool(cropped or chains) != ("/dim" in name)  # Deep InfoMax takes the image as it is


# What the authors' code has, and what once was not so here. The first weights that these options name, the decay of all
# parameters and the rates by epoch are tested with what does them.
OPTIMIZER, SCHEDULE = ("train", "optimizer"), ("train", "schedule")
AUTHORS: list[tuple[str, tuple[str, ...], Any]] = [
    ("imagenet/swav", (*OPTIMIZER, "use"), "larc"),
    ("imagenet/dino", ("train", "clip"), {"norm": 3.0, "per": "parameter"}),
    ("imagenet/dino", (*OPTIMIZER, "weight_decay"), {"from": 0.04, "to": 0.4}),
    ("imagenet/dino", ("nodes", "encoder", "drop_path"), 0.1),
    ("imagenet/dino", ("nodes", "encoder", "init"), "dino"),
    ("imagenet/dino", ("nodes", "projector", "init"), "dino"),
    ("imagenet/moco_v3", ("nodes", "encoder", "init"), "moco_v3"),
    ("imagenet/moco_v3", (*OPTIMIZER, "decay"), "all"),
    ("imagenet/cmc", ("nodes", "augment", "crop"), [0.08, 1]),
    ("imagenet/cmc", ("nodes", "encoder_ab", "stem_width"), 64),
    ("imagenet/simclr", ("loss", "ntxent"), "2 * objective(s)"),
    ("cifar10/simclr", ("loss", "ntxent"), "2 * objective(s)"),
    ("imagenet/simclr", (*OPTIMIZER, "rate"), "inside"),
    ("imagenet/simclr", ("nodes", "augment", "style"), "byol"),
    ("imagenet/byol", ("nodes", "augment", "style"), "byol"),
    ("imagenet/byol", ("nodes", "projector", "last_bias"), False),
    ("imagenet/byol", ("nodes", "predictor", "last_bias"), False),
    *((f"{data}/amdim", ("loss", f"penalty_{k}"), f"0.05 * penalty(r{k})") for data in DATA_SETS for k in (15, 17, 55)),
    ("cifar10/vicreg", ("nodes", "objective", "variance"), 50),
    ("cifar10/moco_v2", ("nodes", "queue", "size"), 8192),
    ("cifar10/supcon", (*SCHEDULE, "by"), "epoch_end"),
    ("cifar10/supcon", (*SCHEDULE, "over"), "all"),
    *((f"cifar10/{name}", (*OPTIMIZER, "decay"), "all") for name in ("moco_v2", "densecl", "nnclr", "supcon", "align_uniform", "raft")),
    ("cifar10/simclr", (*OPTIMIZER, "weight_decay"), 1e-4),
    ("cifar10/simclr", ("nodes", "projector", "layers"), 3),
    *((f"imagenet/{name}", (*SCHEDULE, "by"), "epoch") for name in ("moco_v2", "simsiam", "densecl")),
    *((f"imagenet/{name}", ("nodes", "encoder", "use"), "encoder.alexnet") for name in METHODS if name.startswith("dim")),
    *((name, ("data", "eval"), {"resize": 256, "crop": 224}) for name in RECIPES
      if name.startswith("imagenet/") and name.partition("/")[2] not in ("amdim", "cpc", "cpc_v2") and "/dim" not in name),
]  # fmt: skip


@pytest.mark.parametrize(("name", "path", "value"), AUTHORS, ids=[f"{n}-{'.'.join(p)}" for n, p, _ in AUTHORS])
def test_a_recipe_has_what_its_authors_have(name: str, path: tuple[str, ...], value: object) -> None:
    found = source(name).data
    for key in path:
        found = found[key]
    assert found == value


@pytest.mark.parametrize("name", ["npid", "npid_full", "align_uniform"])
def test_grey_comes_after_the_jitter_on_cifar10(name: str) -> None:
    config = graphssl.load(f"cifar10/{name}").nodes["augment"].config
    assert isinstance(config, Recipe.Config)
    view = config.view(0, DataFacts(3, 32, 32, 10, 1, (0.5,) * 3, (0.2,) * 3))
    assert [(operation.use, operation.p) for _, operation in view.active] == [("jitter", 1.0), ("grey", 0.2)]

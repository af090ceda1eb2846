"""What `check`, `components` and `compare` print."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import pytest
import torch
from conftest import BYOL, MOCO, Write
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from graphssl.checks.checked import check
from graphssl.cli.describe import (
    WIDEST,
    comparison_text,
    component_text,
    components_text,
    describe,
    memory_text,
    type_text,
)
from graphssl.component import REGISTRY, NodeConfig, Scheduled, component, discover
from graphssl.ports import Scores
from graphssl.program.cost import Cost, predict
from graphssl.track import Comparison, FoundRun, MetricRow

discover()
CPU = torch.device("cpu")
SHIPPED = sorted(name for name, c in REGISTRY.items() if c.cls.__module__.startswith("graphssl.components"))


class Inner(NodeConfig):
    """A choice with options."""

    use: Literal["inner"] = "inner"
    size: PositiveInt = 3
    share: float = 0.5


class Other(NodeConfig):
    """A choice without options."""

    use: Literal["other"] = "other"


class Options(NodeConfig):
    """Fields of every form."""

    needed: int
    bounded: Annotated[float, Field(gt=0, le=1)] = 1 / 3
    moving: Scheduled[Annotated[float, Field(ge=0)]] = 0.5
    word: Literal["a", "b"] = "a"
    only: Literal["c"] = "c"
    either: int | None = None
    flag: bool = False
    several: tuple[float, ...] = (0.1, 2.0)
    names: list[str] = Field(default_factory=list)
    empty: str = ""
    inner: Annotated[Inner | Other, Field(discriminator="use")] = Field(Inner(), description="a choice")


def types() -> dict[str, str]:
    schema = Options.model_json_schema()
    return {key: type_text(value, schema) for key, value in schema["properties"].items()}


def test_types_in_words() -> None:
    assert types() == {
        "needed": "integer",
        "bounded": "number > 0 and <= 1",
        "moving": "number >= 0 or schedule",
        "word": "a | b",
        "only": "c",
        "either": "integer or null",
        "flag": "boolean",
        "several": "list of number",
        "names": "list of string",
        "empty": "string",
        "inner": "{use: inner, size, share} or {use: other}",
    }


def test_a_norm_with_options_says_its_name() -> None:
    text = component_text("encoder.resnet")
    assert "{use: split_batch, splits}" in text
    assert "{use: group, groups}" in text


@pytest.fixture
def mine() -> Any:
    """A component that has everything."""

    @component("critic.described", detached=True)
    class Described(nn.Module):
        """The first line.

        The second.
        """

        Config = Options

        def forward(
            self, query: Annotated[Tensor, "b d"], key: Annotated[Tensor, "b d"] | None = None
        ) -> Annotated[Scores, "b", "b n"]: ...

    yield Described
    del REGISTRY["critic.described"]


@pytest.mark.usefixtures("mine")
def test_a_component_in_full() -> None:
    text = component_text("critic.described")
    assert text.startswith("critic.described\n\nThe first line.\n\nThe second.\n\nconfig\n")
    rows = dict(re.findall(r"^  (\w+) .*?  (required|= \S+(?: \S+)*)", text, re.MULTILINE))
    assert rows == {
        "needed": "required", "bounded": "= 0.333333", "moving": "= 0.5", "word": "= a", "only": "= c", "either": "= null",
        "flag": "= false", "several": "= [0.1, 2.0]", "names": "= []", "empty": '= ""',
        "inner": "= {use: inner, size: 3, share: 0.5}",
    }  # fmt: skip
    assert "call\n  query: [b d]\n  key: [b d] (optional)\n  -> scores[b, b n]" in text
    assert "Its output never carries a gradient." in text
    assert f"source: {__file__}" in text


@pytest.mark.parametrize("name", SHIPPED)
def test_every_component_says_all_of_itself(name: str) -> None:
    entry, text = REGISTRY[name], component_text(name)
    assert text.startswith(f"{name}\n\n{entry.summary}")
    for part in (*entry.config.model_fields, *entry.updates, *(p.name for p in entry.forward.inputs)):
        assert re.search(rf"\b{part}\b", text), part
    assert f"source: {entry.origin}" in text
    assert "any" not in re.findall(r"^  \w+ +(\S+) +(?:=|required)", text, re.MULTILINE), "a field without a type"
    assert "None" not in text.partition("config\n")[2].partition("\n\ncall\n")[0].replace("NoneType", "None")


def test_the_list_has_every_component_once_under_its_kind() -> None:
    text = components_text()
    listed = re.findall(r"^  ([a-z]\w*\.\w+)  +\S", text, re.MULTILINE)
    assert sorted(set(listed) & set(SHIPPED)) == SHIPPED
    assert len(listed) == len(set(listed))
    for block in text.split("\n\n")[:-1]:
        kind, *rows = block.split("\n")
        assert all(row.strip().startswith(f"{kind}.") for row in rows)


def test_a_kind_gives_all_of_it() -> None:
    text = component_text("target")
    assert re.findall(r"^(target\.\w+)$", text, re.MULTILINE) == [n for n in REGISTRY if n.startswith("target.")]


def test_an_unknown_component_is_answered_with_a_suggestion() -> None:
    with pytest.raises(LookupError, match=r"did you mean 'critic\.cosine'"):
        component_text("critic.cosin")


def table(text: str, first: str) -> dict[str, list[str]]:
    """The rows of the table whose head begins with `first`, by their first column."""
    block = next(b for b in text.split("\n\n") if b.startswith(first))
    return {(cells := re.split(r" {2,}", line))[0]: cells[1:] for line in block.split("\n")[1:]}


def test_a_checked_graph_in_full(write: Write) -> None:
    checked = check(write(MOCO))
    text = describe(checked)
    assert text.startswith("moco: valid\n\n")
    nodes, values = table(text, "node "), table(text, "value ")
    assert list(nodes) == ["augment", "encoder", "projector", "target", "queue", "critic", "objective"]
    assert nodes["queue"] == ["negatives.queue", f"{48 * 8 + 1} (state)", "-"]
    assert nodes["critic"][:2] == ["critic.cosine", "-"]
    own = sum(p.numel() for p in checked.shapes.modules["encoder"].parameters())
    assert nodes["encoder"][1] == f"{own:,}"
    assert values["q"][-1] == "b e = 16 8"
    assert values["x"][-1].endswith("= 16 3 32 32")
    trained = own + sum(p.numel() for p in checked.shapes.modules["projector"].parameters())
    assert f"{trained:,} trainable parameters; " in text
    cost = predict(checked.graph, checked.shapes, CPU)
    assert f"about {cost.memory / 2**20:.1f} MiB at batch 16 in fp32 (activations " in text
    assert f"; {cost.flops / 16 / 1e9:.3g} GFLOP per image and step" in text


def test_memory_in_words() -> None:
    gib = 2**30
    cost = Cost(
        batch=1024, weights=gib, gradients=gib // 2, optimizer=2 * gib, states=gib // 20, activations=70 * gib, flops=1
    )
    assert memory_text(cost, "bf16") == (
        "about 73.5 GiB at batch 1,024 in bf16 (activations 70.0, weights and gradients 1.5, optimizer 2.0, states 0.05)"
    )
    small = Cost(batch=2, weights=2**20, gradients=0, optimizer=0, states=0, activations=2**21, flops=1)
    assert memory_text(small, "fp32").startswith("about 3.0 MiB at batch 2 in fp32 (activations 2.0, ")


def test_precision_is_the_one_that_the_graph_names(write: Write) -> None:
    text = describe(check(write(BYOL, ("optimizer:", "precision: bf16, optimizer:"))))
    assert " at batch 16 in bf16 (" in text


def test_an_automatic_batch_says_what_is_assumed(write: Write) -> None:
    text = describe(check(write(BYOL, ("batch: 16", "batch: auto"))))
    assert " at batch 256 in fp32 (" in text
    assert "(batch: auto, for which `graphssl run` takes the most that fits)" in text
    assert "batch: auto" not in describe(check(write(BYOL)))


def found(name: str) -> FoundRun:
    return FoundRun(f"id-{name}", name, "0", {}, {}, {}, "FINISHED", 0)


def test_runs_side_by_side() -> None:
    comparison = Comparison(
        (found("one"), found("two")),
        {"nodes.critic.temperature": ("0.2", None), "flow.s": ("x" * (WIDEST + 1), "y" * WIDEST)},
        (MetricRow("loss", (0.123456789, None), (0.1, None)), MetricRow("knn", (0.5, 0.25), (None, 0.75))),
    )
    text = comparison_text(comparison)
    differs, metrics = table(text, "what differs "), table(text, "metric: last (best) ")
    assert text.startswith("what differs")
    assert differs == {"nodes.critic.temperature": ["0.2", "-"], "flow.s": ["x" * (WIDEST - 1) + "…", "y" * WIDEST]}
    assert list(metrics) == ["knn", "loss"]
    assert metrics == {"knn": ["0.5", "0.25 (0.75)"], "loss": ["0.12346 (0.1)", "-"]}


def test_runs_that_differ_in_nothing_and_logged_nothing() -> None:
    runs = (found("one"), found("two"))
    assert comparison_text(Comparison(runs, {}, ())) == "The graphs are the same.\n\nNo metrics were logged."

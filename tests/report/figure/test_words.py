"""The small print: values, configs, counts, axes with their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as File
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import MOCO
from figures import read
from pydantic import BaseModel, Field, PositiveFloat
from torch import nn

from graphssl.checks.shapes import Shapes
from graphssl.component import NodeConfig, Scheduled
from graphssl.graph.calls import Slot
from graphssl.report.figure import words
from graphssl.report.figure.words import config_lines, count_text, letters, parameters_line, short
from graphssl.schedule import Schedule


class Norm(BaseModel):
    use: str = "batch"


class Config(NodeConfig):
    size: int
    depth: int = 10
    gain: Scheduled[PositiveFloat] = Field(0.1)
    last_norm: bool = False
    norm: Norm | str = "batch"
    range: tuple[float, float] = (0.08, 1.0)
    of: list[str] = Field(default_factory=list)
    kept: float = Field(1.0, alias="keep")


def node(**config: Any) -> Any:
    return SimpleNamespace(config=Config(**config), component=SimpleNamespace(refs=("of",)))


def slot(number: int, *axes: str) -> Slot:
    return Slot(number, f"s{number}", "tensor", tuple(tuple(a.split()) for a in axes), "n", "", None, None)


def shapes(sizes: Mapping[int, tuple[tuple[int, ...], ...]]) -> Shapes:
    return SimpleNamespace(slots=dict(sizes))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (-1, "-1"), (65536, "65536"), (0.0, "0"), (1.0, "1"), (1e-3, "0.001"), (1e-5, "1e-05"), (1e6, "1e+06"),
        (0.123456789, "0.123457"), (True, "on"), (False, "off"), (None, "none"), ("split_batch", "split_batch"), ("", ""),
        ((0.08, 1.0), "0.08, 1"), ([], ""), ([True, None], "on, none"), ([[1, 2], 3], "1, 2, 3"),
        ({"use": "layer"}, "layer"), ({"use": 5}, ""), ({}, ""), (Norm(use="layer"), "layer"), (Config(size=1), ""),
    ],
)  # fmt: skip
def test_values(value: object, text: str) -> None:
    assert short(value) == text


@pytest.mark.parametrize(("shape", "text"), [("cosine", "0.5 → 1"), ("linear", "0.5 → 1"), ("constant", "0.5")])
def test_schedules(shape: str, text: str) -> None:
    assert short(Schedule[float].model_validate({"from": 0.5, "to": 1.0, "shape": shape})) == text


@pytest.mark.parametrize(
    ("config", "lines"),
    [
        ({"size": 3}, ["size 3"]),
        ({"size": 3, "depth": 10}, ["size 3"]),
        ({"size": 3, "depth": 18}, ["size 3", "depth 18"]),
        ({"size": 3, "last_norm": True}, ["size 3", "last norm on"]),
        ({"size": 3, "gain": {"from": 0.1, "to": 0.5}}, ["size 3", "gain 0.1 → 0.5"]),
        ({"size": 3, "norm": {"use": "layer"}}, ["size 3", "norm layer"]),
        ({"size": 3, "range": (0.2, 1.0)}, ["size 3", "range 0.2, 1"]),
        ({"size": 3, "keep": 0.5}, ["size 3", "keep 0.5"]),
        ({"size": 3, "of": ["encoder"]}, ["size 3"]),
        ({"size": 3, "norm": "a" * words.LONGEST}, ["size 3", "norm " + "a" * words.LONGEST]),
        ({"size": 3, "norm": "a" * (words.LONGEST + 1)}, ["size 3"]),
        ({"size": 3, "norm": ""}, ["size 3"]),
    ],
)
def test_what_differs_from_the_defaults_is_told(config: dict[str, Any], lines: list[str]) -> None:
    assert config_lines(node(**config)) == lines


def test_short_entries_share_a_line() -> None:
    assert config_lines(node(size=3, depth=5)) == ["size 3, depth 5"]
    assert config_lines(node(size=3, depth=50)) == ["size 3", "depth 50"]
    assert len("size 3, depth 5") <= words.LINE < len("size 3, depth 50")


def test_a_box_tells_the_first_entries_only() -> None:
    told = config_lines(node(size=3000, depth=1800, gain=0.25, last_norm=True, norm="layer", keep=0.5))
    assert told == ["size 3000", "depth 1800", "gain 0.25", "last norm on"]
    assert len(told) == words.ENTRIES


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1"), (1001, "1.0 k"), (9_949, "9.9 k"), (10_000, "10 k"), (99_499, "99 k"), (100_000, "0.10 M"),
     (999_999, "1.00 M"), (1_000_000, "1.0 M"), (9_900_000, "9.9 M"), (99_000_000, "99 M"), (100_000_000, "0.10 G"),
     (12_000_000_000, "12 G")],
)  # fmt: skip
def test_counts_at_the_edges(number: int, text: str) -> None:
    assert count_text(number) == text


@pytest.mark.parametrize("number", [1, 7, 999, 1000, 12_345, 99_999, 100_000, 999_999, 1_234_567, 10**9, 10**11])
def test_counts_are_short_and_near(number: int) -> None:
    text = count_text(number)
    amount, _, unit = text.partition(" ")
    assert float(amount) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[unit] == pytest.approx(number, rel=0.06)
    assert len(text) <= 6


def test_parameters_are_counted_once() -> None:
    layer = nn.Linear(10, 20)
    twice = nn.ModuleList([layer, layer])
    assert parameters_line(layer) == ["220 params"]
    assert parameters_line(twice) == ["220 params"]
    assert parameters_line(layer.requires_grad_(False)) == ["220 params"]
    assert parameters_line(nn.BatchNorm1d(3, affine=False)) == []
    assert parameters_line(None) == []
    with torch.device("meta"):
        assert parameters_line(nn.Linear(1000, 1000)) == ["1.0 M params"]


@pytest.mark.parametrize(
    ("axes", "shape", "expected"),
    [
        ("b d", (16, 8), (("b", "16"), ("d", "8"))),
        ("b 3 y x", (16, 3, 32, 32), (("b", "16"), ("", "3"), ("y", "32"), ("x", "32"))),
        ("b ...", (16, 4, 7), (("b", "16"), ("...", "4·7"))),
        ("b ... d", (16, 4, 7, 8), (("b", "16"), ("...", "4·7"), ("d", "8"))),
        ("b ... d", (16, 8), (("b", "16"), ("d", "8"))),
        ("b ...", (16,), (("b", "16"),)),
        ("...", (1, 2, 3), (("...", "1·2·3"),)),
        ("", (), ()),
    ],
)
def test_letters_stand_over_their_sizes(
    axes: str, shape: tuple[int, ...], expected: tuple[tuple[str, str], ...]
) -> None:
    assert letters([slot(1, axes)], shapes({1: (shape,)})) == (expected,)


def test_letters_of_several_tensors() -> None:
    found = letters([slot(1, "b", "b n")], shapes({1: ((16,), (16, 48))}))
    assert found == ((("b", "16"),), (("b", "16"), ("n", "48")))


def test_scores_without_negatives_have_the_positives_alone() -> None:
    assert letters([slot(1, "b", "b n")], shapes({1: ((16,),)})) == ((("b", "16"),),)


def test_views_of_several_sizes_tell_each_once() -> None:
    three = [slot(i, "b y") for i in range(3)]
    assert letters(three, shapes({0: ((16, 32),), 1: ((16, 32),), 2: ((16, 14),)})) == ((("b", "16"), ("y", "32/14")),)


def test_what_is_not_known_is_left_out() -> None:
    assert letters([slot(1, "b d")], shapes({})) == ()


def test_configs_tell_what_is_not_the_default(tmp_path: File) -> None:
    graph, _ = read(tmp_path, MOCO)
    assert config_lines(graph.nodes["critic"]) == ["temperature 0.2"]
    assert config_lines(graph.nodes["queue"]) == ["size 48"]
    assert config_lines(graph.nodes["objective"]) == []
    assert any("split_batch" in line for line in config_lines(graph.nodes["encoder"]))
    assert not any("encoder" in line for line in config_lines(graph.nodes["target"]))  # arrows show these


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"), (1e-4, "0.0001"), (3, "3"), (True, "on"), (None, "none"), ("batch", "batch"), ([1, 2], "1, 2"),
        ({"use": "split_batch", "splits": 4}, "split_batch"), ({"a": 1}, ""), (object(), ""),
        (Schedule[float].model_validate({"from": 0.99, "to": 1.0}), "0.99 \u2192 1"),
        (Schedule[float].model_validate({"from": 0.5, "to": 1.0, "shape": "constant"}), "0.5"),
    ],
)  # fmt: skip
def test_values_in_short(value: object, text: str) -> None:
    assert short(value) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (321, "321"), (999, "999"), (1000, "1.0 k"), (12_345, "12 k"), (99_999, "100 k"), (234_567, "0.23 M"),
     (23_500_000, "24 M"), (1_500_000_000, "1.5 G")],
)  # fmt: skip
def test_counts_in_short(number: int, text: str) -> None:
    assert count_text(number) == text

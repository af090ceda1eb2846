"""Components are called after what they compute: a method is a graph, and no component has its name."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from graphssl.component import Component, discover
from graphssl.graph.language.packaged import packaged

# The name is the loss's own, and the graph took it from there.
LOSSES = {"objective.triplet", "objective.n_pair"}
RECIPES = "augment."  # the views of a published recipe are called after the method that published them
PARTS = ("bounds/", "mechanisms/", "variants/")  # graphs that are called after the parts that they compare

METHODS = {Path(name).name for name in packaged() if not name.startswith(PARTS)}
OURS = [c for c in discover().values() if c.cls.__module__.startswith("graphssl.components.")]


def spelled(name: str) -> str:
    """`barlow_twins` and `BarlowTwins` alike, and MoCo of any version."""
    return re.sub(r"v\d+$", "", name.replace("_", "").lower())


def words(entry: Component) -> set[str]:
    """What a component is called: its name, its file, its class."""
    return {entry.name.partition(".")[2], Path(inspect.getfile(entry.cls)).stem, entry.cls.__name__}


@pytest.mark.parametrize("entry", OURS, ids=lambda entry: entry.name)
def test_no_component_is_called_after_a_method(entry: Component) -> None:
    shared = {spelled(word) for word in words(entry)} & {spelled(name) for name in METHODS}
    assert (entry.name in LOSSES or entry.name.startswith(RECIPES)) or not shared, shared


def test_every_exception_is_one() -> None:
    names = {spelled(name) for name in METHODS}
    assert all(spelled(name.partition(".")[2]) in names for name in LOSSES)
    assert any(entry.name.startswith(RECIPES) and spelled(entry.name[len(RECIPES) :]) in names for entry in OURS)


def test_no_file_is_called_after_a_method() -> None:
    """Files that hold no component too."""
    files = Path(inspect.getfile(OURS[0].cls)).parents[1].rglob("*.py")
    names = {spelled(name) for name in METHODS}
    found = {f"{file.parent.name}.{file.stem}" for file in files if spelled(file.stem) in names}
    assert found == LOSSES


@pytest.mark.parametrize("entry", OURS, ids=lambda entry: entry.name)
def test_a_former_name_is_no_name_of_today(entry: Component) -> None:
    assert not set(entry.formerly) & set(discover())

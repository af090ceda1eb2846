"""The picture of a graph in any of the four forms: all that the graph has, and always the same bytes."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path as File

import pytest
from conftest import BYOL
from figures import MULTI_CROP, VARIANTS, apart, boxes, each_graph, groups, inside, read, texts
from PIL import Image

from graphssl.api import check
from graphssl.graph.language.packaged import packaged
from graphssl.report import draw
from graphssl.report.draw import Kind
from graphssl.report.drawing.frame import scene_of
from graphssl.report.drawing.png import write_png
from graphssl.report.figure.read import read_figure

METHODS = [name for name in packaged() if "/" not in name]  # recipes for other data are drawn alike


@each_graph
def test_every_node_and_every_value_is_in_every_form(tmp_path: File, name: str) -> None:
    text, changes = VARIANTS[name]
    graph, shapes = read(tmp_path, text, *changes)
    for kind in ("svg", "html", "mermaid"):
        found = set(re.findall(r"\w+", draw(graph, shapes, kind).decode()))  # type: ignore[arg-type]
        assert set(graph.nodes) <= found, kind
        assert {n.component.name.split(".")[1] for n in graph.nodes.values()} <= found
        assert set(graph.values) <= found, kind
        assert {t.name for t in graph.terms} <= found, kind


@each_graph
@pytest.mark.parametrize("kind", ["svg", "png", "html", "mermaid"])
def test_the_same_graph_gives_the_same_bytes(tmp_path: File, name: str, kind: Kind) -> None:
    text, changes = VARIANTS[name]
    assert draw(*read(tmp_path, text, *changes), kind) == draw(*read(tmp_path, text, *changes), kind)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in ("byol", "moco_v2") else pytest.mark.slow) for n in METHODS]
)
def test_packaged_graphs_are_drawn(name: str) -> None:
    checked = check(name)
    some = scene_of(read_figure(checked.graph, checked.shapes))
    assert some.title == checked.graph.name
    frames = boxes(some)
    assert "loss" in frames
    assert all(apart(a, b) for a, b in itertools.combinations(frames.values(), 2))
    for group in groups(some, "box"):
        assert all(inside(t.bounds(), frames[group.facts["id"]]) for t in texts(group))
    for group in groups(some, "plain")[1:]:
        assert all(apart(t.bounds(), f) for t in texts(group) for f in frames.values())
    picture = Image.open(io.BytesIO(write_png(some)))
    assert picture.format == "PNG"


@pytest.mark.slow
def test_the_same_bytes_in_another_process(tmp_path: File) -> None:
    """Whatever the hashes of texts are, as sets are ordered by."""
    graph, shapes = read(tmp_path, BYOL, *MULTI_CROP)
    expected = [hashlib.md5(draw(graph, shapes, k)).hexdigest() for k in ("svg", "png", "html", "mermaid")]  # type: ignore[arg-type]
    code = (
        "import hashlib, sys\n"
        "from graphssl.graph.read import load\nfrom graphssl.component import DataFacts\nfrom graphssl.report import draw\n"
        "from graphssl.checks.inference import infer\n"
        "g = load(sys.argv[1])\n"
        "s = infer(g, DataFacts(samples=1500, classes=10), g.spec.data.batch)\n"
        "for k in ('svg', 'png', 'html', 'mermaid'):\n    print(hashlib.md5(draw(g, s, k)).hexdigest())\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "graph.yaml")]
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, cwd=tmp_path)
    assert done.stdout.split() == expected

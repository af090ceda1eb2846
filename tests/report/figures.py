"""Figures for tests of pictures: of graphs that are hard to draw, and the geometry of what is drawn."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path as File

from conftest import BYOL, MOCO, SIMCLR

from graphssl.checks.inference import infer
from graphssl.checks.shapes import Shapes
from graphssl.component import DataFacts
from graphssl.graph.graph import Graph
from graphssl.graph.read import load
from graphssl.report.figure.figure import Box, End, Figure, Label, Wire
from graphssl.report.figure.read import read_figure
from graphssl.report.paper.scene import Group, Path, Rect, Scene, Text

Change = tuple[str, str]
Area = tuple[float, float, float, float]
DIGITS = DataFacts(samples=1500, classes=10)

MULTI_CROP: tuple[Change, ...] = (
    ("augment.byol, flip: 0, blur: 0, solarize: 0", "augment.multicrop, wide: 2, small: 6"),
    ("x: augment(batch.image)", "wide, small: augment(batch.image)\n  all: views(wide, small)"),
    ("encoder(x)", "encoder(all)"),
    ("target(x)", "target(wide)"),
)
TWO_ENCODERS: tuple[Change, ...] = (
    (
        "  projector:",
        "  other:     {use: encoder.vit, patch: 8, dim: 32, depth: 2, heads: 2}\n"
        "  head2:     {use: head.mlp, hidden: 16, out: 8}\n  projector:",
    ),
    ("  s: critic", "  p2: head2(other(x))\n  s2: critic(p2, z, pairs=cross)\n  s: critic"),
    ("  byol: objective(s)", "  byol: objective(s)\n  second: 0.5 * objective(s2)"),
)
LONG = "a_name_that_is_longer_than_anything_that_one_would_write_by_hand"
LONG_NAMES: tuple[Change, ...] = (
    ("projector", LONG),
    ("  p: ", f"  {LONG.upper()}: "),
    ("critic(p,", f"critic({LONG.upper()},"),
)
UNICODE: tuple[Change, ...] = (
    ("graph: byol", "graph: byol\ndescription: Größe → ∑ 漢字 🐈"),
    ("encoder:", "кодер漢:"),
    ("[encoder, ", "[кодер漢, "),
    ("projector(encoder(x)", "projector(кодер漢(x)"),
    ("features: encoder", "features: кодер漢"),
)


def heads(count: int) -> str:
    return "".join(f"  more_{i:02d}:   {{use: head.mlp, hidden: 16, out: 8}}\n" for i in range(count))


CHAIN: tuple[Change, ...] = (
    ("  predictor:", heads(24) + "  predictor:"),
    ("projector(encoder(x))", "more_00(projector(encoder(x)))"),
    ("  p: predictor(", "".join(f"  v{i}: more_{i:02d}(v{i - 1})\n" for i in range(1, 24)) + "  p: predictor("),
    ("  p: predictor(more_00(", "  v0: more_00("),
    ("projector(encoder(x))))", "projector(encoder(x)))\n  p: predictor(v23)"),
)
FAN: tuple[Change, ...] = (
    ("  predictor:", heads(12) + "  predictor:"),
    ("  p: predictor(projector(encoder(x)))", "  h: projector(encoder(x))\n  p: predictor(h)"),
    (
        "  s: critic",
        "".join(f"  v{i}: more_{i:02d}(h)\n  s{i}: critic(v{i}, z, pairs=cross)\n" for i in range(12)) + "  s: critic",
    ),
    ("  byol: objective(s)", "  byol: objective(s)\n" + "".join(f"  t{i}: 0.1 * objective(s{i})\n" for i in range(12))),
)
BANK: tuple[Change, ...] = (
    ("queue:     {use: negatives.queue, size: 48}", "bank:      {use: negatives.memory_bank, sample: 64}"),
    ("queue()", "bank(batch.index)"),
    ("queue: push(k)", "bank: store(batch.index, k)"),
)
HARD: dict[str, tuple[str, tuple[Change, ...]]] = {
    "byol": (BYOL, ()),
    "simclr": (SIMCLR, ()),
    "moco": (MOCO, ()),
    "bank": (MOCO, BANK),
    "multicrop": (BYOL, MULTI_CROP),
    "two encoders": (BYOL, TWO_ENCODERS),
    "long names": (BYOL, LONG_NAMES),
    "unicode": (BYOL, UNICODE),
    "chain": (BYOL, CHAIN),
    "fan": (BYOL, FAN),
}


def read(folder: File, text: str, *changes: Change) -> tuple[Graph, Shapes]:
    """A graph and its shapes, of a text with each change made."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "graph.yaml"
    path.write_text(text)
    graph = load(path)
    return graph, infer(graph, DIGITS, graph.spec.data.batch)


def figure_of(folder: File, text: str, *changes: Change) -> Figure:
    return read_figure(*read(folder, text, *changes))


def drawn(boxes: str, *wires: str, **more: object) -> Figure:
    """`drawn("a b c", "a b", "a c!")`: boxes, wires from the first to the others, `!` for an update."""
    made = []
    for source, *goals in (w.split() for w in wires):
        ends = tuple(End(g.rstrip("!"), ("x",), g.endswith("!"), "write" if g.endswith("!") else "") for g in goals)
        made.append(Wire(source, Label("x", 1, ((("b", "16"), ("d", "8")),)), ends))
    return Figure("test", "", tuple(Box(b, "head", b) for b in boxes.split()), tuple(made), **more)  # type: ignore[arg-type]


# -- geometry ----------------------------------------------------------------------------------------------------


def area(rect: Rect) -> Area:
    return rect.x, rect.y, rect.x + rect.width, rect.y + rect.height


def apart(one: Area, other: Area) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def inside(inner: Area, outer: Area, slack: float = 0.0) -> bool:
    return (
        inner[0] >= outer[0] - slack and inner[1] >= outer[1] - slack
        and inner[2] <= outer[2] + slack and inner[3] <= outer[3] + slack
    )  # fmt: skip


def groups(scene: Scene, kind: str) -> list[Group]:
    return [g for g in scene.groups if g.kind == kind]


def boxes(scene: Scene) -> dict[str, Area]:
    """The front card of each box, by id."""
    return {g.facts["id"]: area([m for m in g.marks if isinstance(m, Rect)][-1]) for g in groups(scene, "box")}


def lines(group: Group) -> list[Path]:
    return [m for m in group.marks if isinstance(m, Path) and not m.closed and m.color != "#ffffff"]


def texts(group: Group) -> list[Text]:
    return [m for m in group.marks if isinstance(m, Text)]


def along(path: Path, steps: int = 40) -> Iterator[tuple[float, float]]:
    """Points all along a path, by de Casteljau's scheme."""
    start = path.points[0]
    for piece in path.pieces():
        for t in (i / steps for i in range(steps + 1)):
            points = [start, *piece]
            while len(points) > 1:
                points = [(x0 + t * (x1 - x0), y0 + t * (y1 - y0)) for (x0, y0), (x1, y1) in itertools.pairwise(points)]
            yield points[0]
        start = piece[-1]

"""Figures for tests of pictures: of graphs that are hard to draw, and the geometry of what is drawn."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path as File

import pytest
from conftest import BYOL, MOCO, SIMCLR

from graphssl.checks.inference import infer
from graphssl.checks.shapes import Shapes
from graphssl.component import DataFacts
from graphssl.graph.graph import Graph
from graphssl.graph.read import load
from graphssl.report.drawing.scene import Group, Path, Rect, Scene, Text
from graphssl.report.figure.figure import Box, Copy, End, Figure, Label, Wire
from graphssl.report.figure.read import read_figure
from graphssl.report.layout.geometry import Frame

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


NO_TARGET = ("  target:    {use: target.ema, of: [encoder, projector], momentum: {from: 0.9, to: 1.0}}\n", "")
SIMSIAM: tuple[Change, ...] = (
    ("graph: byol", "graph: simsiam"),
    NO_TARGET,
    ("z: target(x)", "z: stopgrad(projector(encoder(x)))"),
    ("update:\n  target: follow()\n", ""),
)
VARIANTS: dict[str, tuple[str, tuple[Change, ...]]] = {
    "simclr": (SIMCLR, ()),
    "byol": (BYOL, ()),
    "moco": (MOCO, ()),
    "simsiam": (BYOL, SIMSIAM),
    "multicrop": (BYOL, MULTI_CROP),
    "bank": (MOCO, BANK),
}
each_graph = pytest.mark.parametrize("name", VARIANTS)


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


TEXTS = [
    "a", "projector", "objective.regression", "0.31 M params", "64/32 1024", "AVAVA Wave To", "il" * 40, "mW" * 40, "a b " * 20,
    "1234567890" * 5, "кодер", "Größe → Σ \u00d72", "f(x, y)[0]", "the_name_that_goes_on_and_on_and_on_and_on",
]  # fmt: skip

NASTY = "a<b & \"c\" 'd' ]]> </script><!-- \x00 \u202e 漢字 $x_1$ #1 `"


def nasty() -> Figure:
    boxes = (
        Box("a", "data", NASTY, (NASTY,), note=NASTY, node=NASTY, details={NASTY: NASTY}),
        Box("b", "head", "größe", (), 2),
    )
    wires = (
        Wire("a", Label(NASTY, 2, ((("b", "2"),),)), (End("b", (NASTY,), text=NASTY), End("b", (), True, NASTY)), True),
    )
    return Figure(NASTY, NASTY, boxes, wires, (Copy("a", "b", NASTY),))


RANDOM_ROLES = ("data", "augment", "encoder", "head", "target", "negatives", "critic", "objective", "other")
RANDOM_AXES = ((), ((("b", "256"), ("d", "64")),), ((("b", "2"),), (("b", "2"), ("n", "1024"))))


def random_figure(seed: int, size: int) -> Figure:
    """Wires from earlier to later boxes, some to several; writes to anywhere; one box that copies two others."""
    r = random.Random(seed)
    boxes = [
        Box(f"b{i}", r.choice(RANDOM_ROLES), f"node{i}", ("some line",) * r.randint(0, 4), r.choice([1, 1, 2, 8]))
        for i in range(size)
    ]
    wires = []
    for i, _ in itertools.product(range(size - 1), range(2)):
        goals = sorted(r.sample(range(i + 1, size), min(size - i - 1, r.choice([0, 1, 1, 1, 2, 3]))))
        ends = [End(f"b{j}", ("x",), False, r.choice(["", "", "term"])) for j in goals]
        ends += [End(f"b{r.randrange(size)}", ("y",), True, "push")] * (r.random() < 0.15)
        label = Label(r.choice(["", "x", "a_long_value"]), r.choice([1, 2]), r.choice(RANDOM_AXES))
        wires.append(Wire(f"b{i}", label, tuple(ends), r.random() < 0.2))
    copier = f"b{size // 2}"
    copies = dict.fromkeys(Copy(f"b{r.randrange(size)}", copier, "follow") for _ in range(2))
    return Figure(f"seed {seed}", "", tuple(boxes), tuple(wires), tuple(c for c in copies if c.source != copier))


FIGURES = [random_figure(seed, size) for seed, size in enumerate([2, 3, 5, 8, 8, 12, 12, 12, 16, 16, 24, 40])]
each_figure = pytest.mark.parametrize("some", FIGURES, ids=lambda f: f.title)


# -- what a figure shows ---------------------------------------------------------------------------------------


def box(some: Figure, name: str) -> Box:
    (found,) = [b for b in some.boxes if b.name == name]
    return found


def boxes_of(some: Figure, node: str) -> list[Box]:
    return [b for b in some.boxes if b.node == node]


def wire(some: Figure, name: str) -> Wire:
    (found,) = [w for w in some.wires if w.label.name == name]
    return found


def ends(some: Figure, name: str) -> list[tuple[str, tuple[str, ...], bool, str]]:
    return [(some.by_id[e.box].name or e.box, e.ports, e.update, e.text) for e in wire(some, name).ends]


def wires(some: Figure) -> set[tuple[str, str, str]]:
    """From, name of the value, to; by the names of the boxes, `!` after what is written."""

    def name(box: str) -> str:
        return some.by_id[box].name or box

    return {(name(w.source), w.label.title, name(e.box) + "!" * e.update) for w in some.wires for e in w.ends}


# -- geometry ----------------------------------------------------------------------------------------------------


def area(rect: Rect | Frame) -> Area:
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


def scene(*marks: Rect | Path | Text, width: float = 100.0, height: float = 50.0) -> Scene:
    return Scene(width, height, "t", (Group(marks),))

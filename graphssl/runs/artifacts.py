"""What a run keeps for whoever looks at it: the graph, its pictures, its code, and a grid of augmented views."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from ..checks.checked import Checked
from ..data import Datasets
from ..evaluation.views import pictures_in
from ..files import write_whole
from ..graph.language.dump import dump
from ..program.program import Program
from ..report import Kind, draw, views_grid
from ..track import Sink
from .folder import RunFolder

__all__ = ["log_artifacts", "views_of"]


def log_artifacts(
    checked: Checked, program: Program, data: Datasets, device: torch.device, folder: RunFolder, tracker: Sink
) -> None:
    """Writes the pictures into the run's folder, and logs them with the graph's files and the step's code."""
    graph = checked.graph
    tracker.text(dump(graph.resolved()), "graph.yaml")
    tracker.text(program.code(), "step.py")
    for file in _sources([file for file in graph.source.files if file.suffix == ".yaml"], folder):
        tracker.file(file, "source")
    kinds: tuple[Kind, ...] = ("svg", "png")
    for kind in kinds:
        picture = folder.path / f"graph.{kind}"
        picture.write_bytes(draw(graph, checked.shapes, kind))
        tracker.file(picture)
    views = views_of(checked, program, data, device)
    if views is not None:
        picture = folder.path / "views.png"
        picture.write_bytes(views)
        tracker.file(picture)


def _sources(files: Sequence[Path], folder: RunFolder) -> Iterator[Path]:
    """Copies in the run's folder, whatever becomes of the files. Of two of one name the second has a number."""
    aside, names = folder.path / "source", set[str]()
    for file in files:
        stem = re.sub(r"[^\w.-]", "_", file.stem)[:200]
        name = next(n for i in itertools.count(1) if (n := f"{stem}{f'-{i}' * (i > 1)}.yaml") not in names)
        names.add(name)
        with contextlib.suppress(FileNotFoundError):  # removed since the graph was read
            content = file.read_bytes()
            aside.mkdir(exist_ok=True)
            write_whole(aside / name, content)
            yield aside / name


def views_of(checked: Checked, program: Program, data: Datasets, device: torch.device) -> bytes | None:
    """What the first node that makes views makes of eight images, as a PNG; None where there is no such node."""
    name = next((n.name for n in checked.graph.nodes.values() if "view" in n.component.traits), None)
    batch = data.train.first(8)
    if name is None or batch is None:
        return None
    node: Any = program.node(name)
    generator = torch.Generator(device).manual_seed(checked.graph.spec.train.seed)
    cut = next((made for call, made in zip(program.cut, batch.cuts, strict=True) if call.node == name), None)
    with torch.no_grad():
        draws = {"draws": node.draw(len(batch.index), generator, device)} if hasattr(node, "draw") else {}
        made = node(batch.image if cut is None else cut, **draws)
    return views_grid(tuple(pictures_in(made)), checked.data.mean, checked.data.std)

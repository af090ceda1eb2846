"""What stands on a run's page in MLflow: which graph it is, what came of it, where its picture is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import RunError
from ..evaluation.registry import metric_title, score_text
from ..files import read_regular
from ..graph.language import yaml
from ..track import fitted
from .folder import RunFolder
from .membership import membership_of
from .records import records

__all__ = ["note_of"]

LARGEST = 1 << 22  # bytes of a graph's file


def note_of(folder: RunFolder) -> str:
    """Markdown, of what the folder knows by now."""
    facts, text = folder.facts(), ""
    with contextlib.suppress(OSError):
        text = (read_regular(folder.graph, LARGEST) or b"").decode("utf-8", "replace")
    scores, last = _measured(folder)
    title, about = _named(text)
    status = facts.get("status", "running")
    if status != "running":
        said = [f"{status} after step {facts.get('step', 0):,}", f"loss {facts.get('loss', float('nan')):.5g}"]
        figures = [f"{metric_title(metric)} {score_text(metric, value)}" for metric, value in last.items()]
        title += f" {', '.join([*figures[:1], *said])}"  # pages show the first lines before one asks for more
    head = [title, *filter(None, [about]), *_of_study(folder)]
    table = list(_table(scores, last))
    rest = [f"Pictures among the artifacts: {_pictures(folder)}."] if _pictures(folder) else []
    return fitted([*head, *(["\n".join(table)] if table else []), *rest], text)


def _named(text: str) -> tuple[str, str]:
    """The graph's name, and what it says of itself."""
    graph = yaml.mapping_in(text)
    return f"**{graph.get('graph', '?')}**", str(graph.get("description") or "")


def _of_study(folder: RunFolder) -> Iterator[str]:
    if (study := membership_of(folder)) is not None:
        varied = "".join(f", `{key}` {value}" for key, value in study.varied.items())
        yield f"of the study **{study.study}**{varied}"


def _pictures(folder: RunFolder) -> str:
    what = {"graph.svg": "the graph", "views.png": "augmented views"}
    return ", ".join(f"`{file}` ({said})" for file, said in what.items() if Path(folder.path, file).is_file())


def _measured(folder: RunFolder) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """What was measured as the run trained, by metric and epoch; and the last of each metric, also after that."""
    scores = {metric: dict(of) for metric, of in folder.facts().get("scores", {}).items() if of}
    last = {metric: of[max(of, key=int)] for metric, of in scores.items()}
    with contextlib.suppress(RunError):
        last |= {metric: value for record in records(folder) for metric, value in record.scores.items()}
    return scores, last


def _table(scores: Mapping[str, Mapping[str, float]], last: Mapping[str, float]) -> Iterator[str]:
    if last:
        yield from ("| | before training | last |", "| --- | --- | --- |")
    for metric, value in last.items():
        first = scores.get(metric, {}).get("0")
        before = "" if first is None else score_text(metric, first)
        yield f"| {metric_title(metric, quantity=True)} | {before} | {score_text(metric, value)} |"

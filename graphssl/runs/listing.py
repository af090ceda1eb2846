"""The runs of a folder, on a line each: what each is, how it stands, what came of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Refused, RunError, UsageError, suggest
from ..files import read_regular
from ..graph.language import yaml
from ..track.names import leaves
from .conditions import Condition, condition
from .folder import RUNS, RunFolder

if TYPE_CHECKING:
    import pandas

__all__ = ["Line", "line_of", "listed_frame", "runs_here"]

LARGEST = 1 << 22  # bytes of a graph's file
NAMED = re.compile(r"^graph: *(\S+)", re.MULTILINE)
OWN = ("name", "graph", "status", "step", "loss", "seed")
PLAIN = re.compile(r"-?[\d.]+(e-?\d+)?|true|false|null")  # what is no text
EQUALS = re.compile(r"^\s*([\w./ ]+?)\s*=(?!=)\s*(.*)$")


@dataclass(frozen=True)
class Line:
    """A run. status: `running` also of one whose process was killed, `trains` says which. scores: the last of each
    metric. ended: seconds since 1970, when it was last written. wrong: why what is known of it cannot be read."""

    folder: RunFolder
    graph: str
    status: str
    step: int | None
    loss: float | None
    scores: Mapping[str, float]
    ended: float
    trains: bool = False
    wrong: str | None = None
    text: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def state(self) -> str:
        """How it stands, in a word."""
        if self.wrong is not None:
            return "damaged"
        if self.status == "running" and not self.trains:
            return "killed"
        return self.status

    def values(self) -> dict[str, Any]:
        """What conditions may ask for: what stands in its line, and every key of its graph."""
        flat = dict(leaves(yaml.mapping_in(self.text)))
        own = {"name": self.name, "graph": self.graph, "status": self.state, "step": self.step, "loss": self.loss}
        return {**flat, **own, "seed": flat.get("train.seed"), **self.scores}


def runs_here(where: Sequence[str] = (), sort: str | None = None) -> list[Line]:
    """Those under `runs/`, the latest last; or sorted by a metric, the best last, or by a column.

    where: conditions, or `graph=byol`. Raises UsageError for what is no condition, and a column that none has.
    """
    conditions = [_condition(text) for text in where]
    lines = [line_of(RunFolder(path.parent)) for path in RUNS.glob("*/graph.yaml") if path.is_file()]
    if conditions:
        lines = _chosen(lines, conditions)
    return _sorted(lines, sort)


def listed_frame(where: Sequence[str] = (), sort: str | None = None) -> pandas.DataFrame:
    """As `runs_here`: a row each, by name."""
    import pandas

    said = [{**{key: line.values()[key] for key in OWN}, **line.scores} for line in runs_here(where, sort)]
    names = dict.fromkeys([*OWN, *(key for one in said for key in one)])
    return pandas.DataFrame(said, columns=list(names)).set_index("name")


def _chosen(lines: Sequence[Line], conditions: Sequence[Condition]) -> list[Line]:
    values = [line.values() for line in lines]
    known = dict.fromkeys(name for one in values for name in one)
    found = []
    for line, own in zip(lines, values, strict=True):
        try:
            if all(one.holds({**known, **own}) for one in conditions):  # what others have is null here
                found.append(line)
        except Refused as error:
            raise UsageError(str(error)) from None
    if lines:
        for name in (name for one in conditions for name in one.lost(known)):
            hint = suggest(name, known).text
            raise UsageError(f"no run has '{name}'{f': {hint}' if hint else ''}")
    return found


def _condition(text: str) -> Condition:
    """`graph=byol` as `graph == "byol"`."""
    match = EQUALS.match(text)
    if match is not None:
        text = f"{match[1]} == {match[2] if PLAIN.fullmatch(match[2]) else repr(match[2])}"
    try:
        return condition(text)
    except Refused as error:
        raise UsageError(f"{error}{f' ({error.hint})' if error.hint else ''}") from None


def _sorted(lines: Sequence[Line], sort: str | None) -> list[Line]:
    """By a column; those that have none there come first."""
    if sort is None:
        return sorted(lines, key=lambda line: line.ended)
    if sort in OWN:
        return sorted(lines, key=lambda line: (str(type(v := line.values()[sort])), v if v is not None else 0))
    known = dict.fromkeys(name for line in lines for name in line.scores)
    if lines and sort not in known:
        raise UsageError(f"no run here has the figure '{sort}': {suggest(sort, [*known, *OWN], 'there are')}")
    return sorted(lines, key=lambda line: (sort in line.scores, line.scores.get(sort, 0.0)))


def line_of(folder: RunFolder) -> Line:
    """Of the run in a folder."""
    try:
        text = (read_regular(folder.graph, LARGEST) or b"").decode("utf-8", "replace")
        facts, wrong = folder.facts(), None
    except (OSError, RunError) as error:
        text, facts, wrong = "", {}, str(error)
    match = NAMED.search(text)
    scores = {name: float(of[max(of, key=int)]) for name, of in facts.get("scores", {}).items() if of}
    status = facts.get("status", "running")
    return Line(
        folder, match[1] if match else "?", status, facts.get("step"), facts.get("loss"), scores, _ended(folder.path),
        trains=status == "running" and folder.is_claimed(), wrong=wrong, text=text,
    )  # fmt: skip


def _ended(path: Path) -> float:
    try:
        return max(file.stat().st_mtime for file in (path / "run.json", path / "graph.yaml") if file.exists())
    except (OSError, ValueError):
        return 0.0

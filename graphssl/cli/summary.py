"""What `graphssl run`, `evaluate`, `embed` and `export` say of what came of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import escaped
from ..evaluation.labels import parse
from ..evaluation.registry import metric_title, score_text
from ..runs.evaluate import Evaluated
from ..runs.export import Exported
from ..runs.features import Embedded, Neighbours
from ..runs.results import Result
from ..runs.seeds import Group
from .table import table

__all__ = ["embedded_text", "evaluation_text", "export_text", "groups_text", "neighbours_text", "run_text"]


def run_text(result: Result) -> str:
    """The closing lines: what came of it, where it is, and how to see it."""
    outcome = result.outcome
    lines = []
    if outcome.interrupted:
        how = "stopped from outside" if outcome.from_outside else "interrupted"
        lines.append(f"{how} after step {outcome.step}; a checkpoint is written")
        lines.append(f"  go on      graphssl run --resume {result.folder.called}")
    else:
        lines.append(f"finished after step {outcome.step}, loss {outcome.loss:.4f}")
    for metric, found in outcome.scores.items():
        if any(found):  # else nothing is measured after training
            lines.append(f"  {metric_title(metric):10} {_from_first_to_last(metric, found)}")
    if outcome.images_per_second:  # else none has been logged
        lines.append(f"  speed      {outcome.images_per_second:,.0f} images/s")
    lines.append(f"  run        {result.folder.path}" + (f" (MLflow {result.run_id})" if result.run_id else ""))
    model = None if outcome.interrupted else result.folder.facts().get("register")
    there = (result.folder.path / "model").is_dir() and not result.folder.spool.exists()
    if model and there:  # else it is still to be delivered
        lines.append(f"  model      {model}, in MLflow")
    if result.run_id:  # else MLflow has nothing of it yet
        lines.append("  see it     graphssl ui")
    lines += [f"warning: {w}" for w in result.warnings]
    return "\n".join(map(escaped, lines))


def _from_first_to_last(metric: str, found: Mapping[int, float]) -> str:
    """found: by the epochs that were done."""
    first, last = (score_text(metric, found[epoch]) for epoch in (min(found), max(found)))
    if len(found) == 1:
        return f"{last} after"
    return f"{first} {'before' if min(found) == 0 else f'after epoch {min(found)}'}, {last} after"


def evaluation_text(evaluated: Evaluated) -> str:
    """A line for each score, with its interval and the options that it depends on."""
    lines = list(evaluated.notes)
    on = "" if evaluated.on is None else f" on {evaluated.on}"
    for metric, value in evaluated.scores.items():
        line = f"{evaluated.run}: {metric_title(metric, quantity=True)}{on} {score_text(metric, value)}"
        if metric in evaluated.intervals:
            low, high = (score_text(metric, bound) for bound in evaluated.intervals[metric])
            line += f", 95 % interval {low} to {high}"
        settings = evaluated.evaluations[parse(metric).evaluation].settings()
        lines.append(f"{line} ({settings})" if settings else line)
    return "\n".join(map(escaped, lines))


def groups_text(groups: Sequence[Group]) -> str:
    """A line for each figure of the runs that differ in their seed alone."""
    lines = []
    for group in (group for group in groups if len(group.runs) > 1):
        lines.append(f"{', '.join(group.runs)}: {len(group.runs)} seeds of one graph")
        for metric, spread in group.spreads.items():
            line = f"  {metric_title(metric, quantity=True)} {score_text(metric, spread.mean)}"
            if spread.deviation is not None and spread.interval is not None:
                low, high = (score_text(metric, bound) for bound in spread.interval)
                line += f", deviation {score_text(metric, spread.deviation)}, 95 % interval of the mean {low} to {high}"
            lines.append(line)
    if alone := [group.runs[0] for group in groups if len(group.runs) == 1]:
        lines.append(f"{', '.join(alone)}: no other of these runs differs in its seed alone")
    return "\n".join(map(escaped, lines))


def export_text(exported: Exported) -> str:
    """What is written, and Python that loads it."""
    written = f"wrote {escaped(str(exported.output))}: {exported.tensors} tensors, {exported.values:,} values"
    return f"{written}\n  read more  {escaped(str(exported.card))}\n  load it    {exported.code}"


def embedded_text(embedded: Embedded) -> str:
    """What is written, and every file that was left out, with the reason."""
    rows, size = embedded.features.shape
    count = f"{rows:,} {'picture' if rows == 1 else 'pictures'}"
    lines = [f"wrote {escaped(str(embedded.output))}: {count}, {size} features each, of '{embedded.node}'"]
    return "\n".join(lines + left_out_lines(embedded.left_out))


def neighbours_text(found: Neighbours) -> str:
    """For each query its nearest pictures, with how near they are; then where they are drawn."""
    lines = []
    for query in found.queries:
        rows = [[f"  {near.similarity:.4f}", escaped(near.name), near.label or ""] for near in query.nearest]
        lines += [f"nearest to {escaped(query.name)}", table(rows)]
    written = [f"wrote {escaped(str(found.output))}"] if found.output else []
    return "\n".join([*lines, *left_out_lines(found.left_out), *written])


def left_out_lines(left_out: Mapping[str, str]) -> list[str]:
    """A line for each file that could not be read."""
    count = f"{len(left_out):,} {'picture' if len(left_out) == 1 else 'pictures'}"
    head = [f"left out, as they cannot be read: {count}"] if left_out else []
    return head + [f"  {escaped(name)}: {escaped(why)}" for name, why in left_out.items()]

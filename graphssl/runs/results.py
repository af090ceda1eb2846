"""What came of a run, and its closing words."""

from __future__ import annotations

from dataclasses import dataclass

from ..evaluate.evaluation import metric_title, score_text
from ..train.outcome import Outcome
from .folder import RunFolder

__all__ = ["Result", "summary"]


@dataclass(frozen=True)
class Result:
    """A run that came to an end: its folder, how the training went, its id in MLflow, and what to warn of."""

    folder: RunFolder
    outcome: Outcome
    run_id: str | None
    warnings: tuple[str, ...]

    @property
    def interrupted(self) -> bool:
        return self.outcome.interrupted


def summary(result: Result) -> str:
    """The closing lines: what came of it, where it is, and how to see it."""
    outcome = result.outcome
    lines = []
    if outcome.interrupted:
        lines.append(f"interrupted after step {outcome.step}; a checkpoint is written")
        lines.append(f"  go on      graphssl run --resume {result.folder.name}")
    else:
        lines.append(f"finished after step {outcome.step}, loss {outcome.loss:.4f}")
    for metric, found in outcome.scores.items():
        if len(found) > 1:
            first, last = (score_text(metric, found[epoch]) for epoch in (min(found), max(found)))
            lines.append(f"  {metric_title(metric):10} {first} untrained, {last} trained")
    lines.append(f"  speed      {outcome.images_per_second:,.0f} images/s")
    lines.append(f"  run        {result.folder.path}" + (f" (MLflow {result.run_id})" if result.run_id else ""))
    lines.append("  see it     graphssl ui")
    lines += [f"warning: {w}" for w in result.warnings]
    return "\n".join(lines)

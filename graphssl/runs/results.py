"""What came of a run."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..console import INTERRUPTED, STOPPED
from ..evaluation.registry import metric_title, score_text
from ..track import read_rows
from ..train.outcome import Outcome
from .folder import RunFolder

if TYPE_CHECKING:
    import pandas

__all__ = ["Result"]


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

    @property
    def code(self) -> int:
        """The exit code that says how the run came to its end."""
        if not self.interrupted:
            return 0
        return STOPPED if self.outcome.from_outside else INTERRUPTED

    def frame(self) -> pandas.DataFrame:
        """Its metrics by step, a column each, by the names that people use."""
        import pandas

        points = [(one.step, one.metric, one.value) for one in read_rows(self.folder.rows)]
        rows = pandas.DataFrame(points, columns=["step", "metric", "value"])
        last = rows.drop_duplicates(["step", "metric"], keep="last")
        wide = last.pivot(index="step", columns="metric", values="value").rename_axis(columns=None)
        return wide[list(dict.fromkeys(rows["metric"]))]

    def _repr_html_(self) -> str:
        """What a notebook shows: the figures before the training and after it."""
        import pandas

        shown = {
            metric_title(name): {"before": self._text(name, 0), "after": score_text(name, found[max(found)])}
            for name, found in self.outcome.scores.items()
            if any(found)
        }
        table = pandas.DataFrame.from_dict(shown, orient="index").to_html() if shown else ""
        return f"<p>run <code>{html.escape(str(self.folder.path))}</code>, step {self.outcome.step:,}</p>{table}"

    def _text(self, metric: str, epoch: int) -> str:
        found = self.outcome.scores[metric]
        return score_text(metric, found[epoch]) if epoch in found else "-"

"""Studies: runs of one graph that differ in what is declared, checked before any trains, run, compared."""

from __future__ import annotations

from .ablation import ablation_of
from .bridge import bridge_between
from .finding import study_of
from .outcome import Outcome, Row, columns, rows_csv, rows_latex, rows_markdown
from .plan import Plan
from .reading import Asked, axes_in_words, is_study
from .verbs import Done, Options, run_study

__all__ = [
    "Asked", "Done", "Options", "Outcome", "Plan", "Row", "ablation_of", "axes_in_words", "bridge_between", "columns",
    "is_study", "rows_csv", "rows_latex", "rows_markdown", "run_study", "study_of",
]  # fmt: skip

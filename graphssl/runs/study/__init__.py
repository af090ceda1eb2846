"""Studies: runs of one graph that differ in what is declared, checked before any trains, run, compared."""

from __future__ import annotations

from .outcome import Outcome, Row, columns, rows_csv, rows_latex, rows_markdown
from .reading import Asked, axes_in_words, is_study
from .verbs import Done, Options, run_study, study_of

__all__ = [
    "Asked", "Done", "Options", "Outcome", "Row", "axes_in_words", "columns", "is_study", "rows_csv", "rows_latex",
    "rows_markdown", "run_study", "study_of",
]  # fmt: skip

"""Pages about runs: gathered from their folders, as far as these are here, and written whole or not at all."""

from __future__ import annotations

from .compare import compare_page, made_by, notes_of
from .curves import curve_section
from .embedding import Progress, feature_sections, features_for
from .entries import COLOURED, Entry
from .features import Gathered
from .graphs import graph_section
from .results import figure_plot, metric_is_share
from .subject import Subject, subject_of
from .views import view_section
from .words import named
from .writing import check_page, write_page

__all__ = [
    "COLOURED", "Entry", "Gathered", "Progress", "Subject", "check_page", "compare_page", "curve_section",
    "feature_sections", "features_for", "figure_plot", "graph_section", "made_by", "metric_is_share", "named",
    "notes_of", "subject_of", "view_section", "write_page",
]  # fmt: skip

"""MLflow, only here: runs are tracked without holding up their training, and read back."""

from __future__ import annotations

from .client import store_uri
from .compare import LESS_IS_BETTER, MORE_IS_BETTER, Comparison, FoundRun, MetricRow, compare, find_run
from .tracker import Status, Tracker
from .ui import serve, ui_command

__all__ = [
    "LESS_IS_BETTER", "MORE_IS_BETTER", "Comparison", "FoundRun", "MetricRow", "Status", "Tracker", "compare",
    "find_run", "serve", "store_uri", "ui_command",
]  # fmt: skip

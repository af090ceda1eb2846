"""MLflow, only here: runs are tracked without holding up their training, and read back."""

from __future__ import annotations

from .compare import Comparison, FoundRun, MetricRow, compare, find_run
from .store import store_uri, ui_command
from .tracker import Status, Tracker

__all__ = ["Comparison", "FoundRun", "MetricRow", "Status", "Tracker", "compare", "find_run", "store_uri", "ui_command"]

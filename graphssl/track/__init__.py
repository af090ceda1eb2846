"""MLflow, only here: runs are tracked without holding up their training, and read back."""

from __future__ import annotations

from .addition import Addition, add_to_run, attach, rename_run
from .client import store_uri
from .compare import (
    CHANGED,
    LESS_IS_BETTER,
    MORE_IS_BETTER,
    PARAMS,
    Comparison,
    FoundRun,
    MetricRow,
    compare,
    compared,
    curves,
    find_run,
    more_is_better,
)
from .left import Delivered, deliver_left, is_left, leave_model
from .lock import Lock, one_at_a_time
from .note import NOTE, fitted
from .rows import Point, Rows, read_rows
from .sender import Busy
from .sink import Sink, Status
from .store import DATA, FINGERPRINT
from .tensorboard import TensorBoard, add_points
from .tracker import Tracker
from .ui import serve, ui_command

__all__ = [
    "CHANGED", "DATA", "FINGERPRINT", "LESS_IS_BETTER", "MORE_IS_BETTER", "NOTE", "PARAMS", "Addition", "Busy",
    "Comparison", "Delivered", "FoundRun", "Lock", "MetricRow", "Point", "Rows", "Sink", "Status", "TensorBoard",
    "Tracker", "add_points", "add_to_run", "attach", "compare", "compared", "curves", "deliver_left", "find_run",
    "fitted", "is_left", "leave_model", "more_is_better", "one_at_a_time", "read_rows", "rename_run", "serve",
    "store_uri", "ui_command",
]  # fmt: skip

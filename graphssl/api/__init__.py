"""What graphssl does, as functions. The command line is words around them: what it takes is checked here, and once.

A graph is a file, a packaged graph by name, a mapping or YAML text with its sections, or what `load` or `check` has
given. Changes of a graph, `sets`, are `["train.epochs=2"]` or `{"train.epochs": 2}`. A run is its name under `runs/`,
its folder, or what `run` has given. A device is its name, torch's own, or the number of a GPU. What is none of these is
a UsageError that says which argument, what it is and what would be right (`runs.arguments`).

Each imports what it needs when it is called: who compares runs waits for no torch.
"""

from __future__ import annotations

from .features import embed, embed_files, neighbours
from .graphs import check, compile, diff, draw, load, survey
from .notebook import show_in_notebooks
from .runs import compare, deliver, evaluate, evaluate_together, export, list_runs, register, run, ui
from .studies import ablate, bridge, reproduce, study_report, sweep

__all__ = [
    "ablate", "bridge", "check", "compare", "compile", "deliver", "diff", "draw", "embed", "embed_files",
    "evaluate", "evaluate_together", "export", "list_runs", "load", "neighbours", "register", "reproduce", "run",
    "study_report", "survey", "sweep", "ui",
]  # fmt: skip

show_in_notebooks()

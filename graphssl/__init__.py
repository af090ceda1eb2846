"""graphssl: self-supervised visual representation learning, one YAML graph per method.

What the command line does are functions here too, those of `graphssl.api`, with the errors that they raise. All of it
is imported when it is first used, so that `import graphssl` waits for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import (
        ablate,
        bridge,
        check,
        compare,
        compile,
        deliver,
        diff,
        draw,
        embed,
        embed_files,
        evaluate,
        evaluate_together,
        export,
        list_runs,
        load,
        neighbours,
        register,
        reproduce,
        run,
        study_report,
        survey,
        sweep,
    )
    from .errors import GraphError, RunError, UsageError

__all__ = [
    "GraphError", "RunError", "UsageError",
    "ablate", "bridge", "check", "compare", "compile", "deliver", "diff", "draw", "embed", "embed_files",
    "evaluate", "evaluate_together", "export", "list_runs", "load", "neighbours", "register", "reproduce", "run",
    "study_report", "survey", "sweep",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib import metadata

        return metadata.version("graphssl")
    if name not in __all__:
        raise AttributeError(f"module 'graphssl' has no attribute '{name}'")
    from . import api, errors

    return getattr(errors if name.endswith("Error") else api, name)
